"""Verify the installation: versions, device, and the prediction of one frame whose result is known."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.common.runtime import usable_cores
from helpers.datasets import IGNORE

PACKAGES = ("paddlepaddle", "paddleseg", "paddleslim", "numpy", "opencv-python-headless", "jupyterlab", "ipywidgets")
NETWORK, SIZE_HW = "fastscnn", (256, 512)
EXPECTED, TOLERANCE = 0.899, 0.01  # share of pixels that the network labels correctly in the frame below


@dataclass(frozen=True)
class Installation:
    """The rows of the check, (what, found), and a sentence for each thing that is wrong."""

    rows: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]

    def _repr_markdown_(self) -> str:
        verdict = "\n\n".join(f"**Not ready.** {each}" for each in self.problems) or "**Everything works.**"
        table = "\n".join(f"| {what} | {found} |" for what, found in self.rows)
        return f"{verdict}\n\n| | |\n|---|---|\n{table}"


def verify(device: str = "auto") -> Installation:
    """Check versions, device and one prediction. What is wrong becomes a sentence; nothing is raised."""
    rows, problems = [("Python", platform.python_version()), ("CPU cores", str(usable_cores()))], []
    for step in (_versions, lambda: _device(device), _prediction):
        try:
            for what, found, problem in step():
                rows.append((what, found))
                problems += [problem] if problem else []
        except CourseError as error:
            problems.append(str(error))
        except ImportError as error:
            problems.append(f"{error.name or error} cannot be imported: run `make setup`, and choose its kernel.")
        except Exception as error:
            problems.append(f"{type(error).__name__}: {error}. Run `make setup`, then restart the kernel.")
    return Installation(tuple(rows), tuple(problems))


def _versions() -> Iterator[tuple[str, str, str]]:
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    for name in PACKAGES:
        expected = re.search(rf"^{name}==(\S+)", lock, re.MULTILINE)[1]
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = _other_build(name)
        known = found.split("+")[0].split(".post")[0] == expected
        yield name, found, "" if known else f"Expected {name} {expected}, found {found}: run `make setup`."


def _other_build(name: str) -> str:
    """Return the version of the GPU build of Paddle or of the desktop build of OpenCV."""
    for other in (f"{name}-gpu", name.removesuffix("-headless")):
        try:
            return metadata.version(other)
        except metadata.PackageNotFoundError:
            continue
    return "none"


def _device(device: str) -> Iterator[tuple[str, str, str]]:
    from helpers.devices import use_device

    yield "device", use_device(device), ""


def _prediction() -> Iterator[tuple[str, str, str]]:
    from helpers import evaluation, models
    from helpers.cityscapes import LABELS
    from helpers.miniscapes.cities import plan
    from helpers.miniscapes.render import render

    image, annotation, index = render(plan("val", 1, seed=0)[0], SIZE_HW)
    train_ids = {label.name: label.trainId for label in LABELS if 0 <= label.trainId < IGNORE}
    of_object = [train_ids.get(each["label"], IGNORE) for each in annotation["objects"]] + [IGNORE]  # -1: no object
    truth = np.array(of_object)[index]
    network = evaluation.open_network(models.load_shipped(NETWORK))
    started = time.perf_counter()
    labels = network(image)
    seconds = time.perf_counter() - started
    right = float((labels == truth)[truth != IGNORE].mean())
    title = models.cards()[NETWORK].title
    problem = (
        ""
        if abs(right - EXPECTED) <= TOLERANCE
        else f"{title} labels {right:.1%} of a frame correctly, expected {EXPECTED:.1%}: run `make setup` again."
    )
    yield (
        f"prediction of {title}",
        f"{right:.1%} of the pixels correct, expected {EXPECTED:.1%}; {seconds:.2f} s",
        problem,
    )
