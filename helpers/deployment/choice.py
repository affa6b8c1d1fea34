"""Choose the fastest engine that is accurate enough: measured once per machine, export and frame size."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import paddle

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json
from helpers.common.progress import progress
from helpers.deployment import cards
from helpers.deployment.engines import ALL_ENGINES, available
from helpers.deployment.exports import Export
from helpers.deployment.measuring import agreement, measure

MIN_AGREEMENT = 0.997  # three pixels in a thousand may differ; in float32 engines, none or almost none do
WARMUP, REPEATS = 1, 3


@dataclass(frozen=True)
class Choice:
    """The chosen engine, and the median milliseconds and the agreement with eager of every engine that was measured."""

    engine: str
    latency_ms: dict[str, float]
    agreement: dict[str, float]


def choose(
    exported: Export,
    frame: np.ndarray,
    labels_by: Callable[[str], Callable[[np.ndarray], np.ndarray]],
    threads: int,
    min_agreement: float = MIN_AGREEMENT,
) -> Choice:
    """Return the fastest engine whose labels agree with eager in at least the fraction `min_agreement` of the pixels.

    Measures `labels_by(engine)`, a function from a frame to labels, on `frame`, uint8 (H, W, 3). An earlier choice is
    read from `cache_file()`, a new one is written to it, or a warning says why not. Engines that read ONNX are left out
    if the export has no file of this size for them. Raises CourseError if `min_agreement` is not between 0 and 1.
    """
    if not 0 <= min_agreement <= 1:
        raise CourseError(f"Expected min_agreement from 0 to 1, got {min_agreement}.")
    key = _key(exported, frame.shape[:2], threads, min_agreement)
    known = _known()
    if key in known:
        return Choice(**known[key])
    size_hw = frame.shape[:2]
    names = [name for name in available() if ALL_ENGINES[name].can_run(exported, size_hw)]
    reference = labels_by("eager")(frame)
    agreements, latencies = {}, {}
    for name in progress(names, desc="choosing an engine", unit="engine"):
        call = labels_by(name)
        agreements[name] = agreement(call(frame), reference)
        latencies[name] = measure({name: call}, frame, warmup=WARMUP, repeats=REPEATS, show=False)[name].median_ms
    good = [name for name in names if agreements[name] >= min_agreement]  # at least eager, which equals itself
    choice = Choice(min(good, key=latencies.get), latencies, agreements)
    try:
        write_json(cache_file(), {**_known(), key: asdict(choice)})
    except CourseError as error:  # a full or read-only disk; the choice holds without it
        warnings.warn(f"The choice of an engine was not saved, so the next start measures again: {error}", stacklevel=2)
    return choice


def cache_file() -> Path:
    """Return the file of all choices: `engines.json` in $COURSE_CACHE, by default in the user's cache folder."""
    base = os.environ.get("COURSE_CACHE")
    if not base:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "street-scene-course"
    return Path(base) / "engines.json"


def hardware() -> str:
    """Describe what decides which engine is fastest: the processor, a hash of its features, and the GPUs."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    flags = ""
    if info.exists():
        fields = dict(
            (part.strip() for part in line.split(":", 1)) for line in info.read_text().splitlines() if ":" in line
        )
        cpu, flags = fields.get("model name", cpu), fields.get("flags", "")
    gpus = ", ".join(cards.names()) or "no GPU"
    return f"{cpu}, features {hashlib.sha256(flags.encode()).hexdigest()[:8]}, {gpus}"


def _key(exported: Export, size_hw: tuple[int, int], threads: int, min_agreement: float) -> str:
    about = [exported.sha256, list(size_hw), threads, min_agreement, hardware(), paddle.__version__, available()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _known() -> dict[str, dict]:
    path = cache_file()
    if not path.is_file():
        return {}
    try:
        return {
            key: value
            for key, value in read_json(path).items()
            if value.keys() == {"engine", "latency_ms", "agreement"} and value["engine"] in ALL_ENGINES
        }
    except (AttributeError, ValueError):  # written by another program or an older version: measure again
        return {}
