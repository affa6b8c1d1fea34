"""From a network to files: a graph that needs no Python code of its own, with all that is needed to run it."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paddle
import yaml
from paddle import nn
from paddle.pir_utils import OldIrGuard
from paddle.static import InputSpec

from helpers.cityscapes import CLASSES
from helpers.datasets import MEAN, STD
from helpers.errors import CourseError
from helpers.files import write_text

DESCRIPTION = "deploy.yaml"
# A graph is kept in both of Paddle's formats: the new one (PIR), and the older one that OpenVINO's engine reads.
FORMATS = {
    "pir": ("model.json", "model.pdiparams"),
    "legacy": ("legacy/model.pdmodel", "legacy/model.pdiparams"),
}


class _Frames(nn.Layer):
    """The whole way from frames to labels as one graph: uint8 (N, H, W, 3) to int32 (N, H, W)."""

    spec = InputSpec([None, None, None, 3], "uint8", "frames")
    about = {"input_shape": [-1, -1, -1, 3], "transforms": [], "output_op": "argmax", "output_dtype": "int32"}

    def __init__(self, net: nn.Layer):
        super().__init__()
        self.net = net

    def forward(self, frames):
        # The steps of helpers.datasets.normalise, in the same order, so that no rounding differs.
        x = frames.astype("float32") / 255.0
        x = (x - paddle.to_tensor(MEAN, "float32")) / paddle.to_tensor(STD, "float32")
        logits = self.net(x.transpose([0, 3, 1, 2]))[0]  # (N, 19, H, W); the auxiliary output is left out
        return paddle.argmax(logits, axis=1, dtype="int32")


class _Logits(nn.Layer):
    """The network alone: float32 (N, 3, H, W), normalised, to logits (N, 19, H, W)."""

    spec = InputSpec([None, 3, None, None], "float32", "x")
    about = {
        "input_shape": [-1, 3, -1, -1],
        "transforms": [{"type": "Normalize", "mean": list(MEAN), "std": list(STD)}],
        "output_op": "none",
        "output_dtype": "float32",
    }

    def __init__(self, net: nn.Layer):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)[0]


GRAPHS: dict[str, type[nn.Layer]] = {"labels": _Frames, "logits": _Logits}


def export(net: nn.Layer, folder: str | Path, *, network: str, graph: str = "labels") -> Path:
    """Write `net` as a graph for any batch, height and width into `folder`, and return the folder.

    `graph` is "labels" (uint8 frames in, train ids out) or "logits" (normalised images in). The folder holds the
    formats of FORMATS and deploy.yaml, which PaddleSeg's deploy tools read (`paddleseg.deploy.infer.DeployConfig`).
    It appears whole or not at all. The live network stays as it was: tracing changes a layer, so a copy is traced.
    """
    if graph not in GRAPHS:
        raise CourseError(f"There is no graph {graph!r}: choose {' or '.join(GRAPHS)}.")
    folder = Path(folder)
    traced = GRAPHS[graph](copy.deepcopy(net))
    traced.eval()
    with _new_folder(folder) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every operator whose kind it does not know
        _save(traced, temporary / FORMATS["pir"][0])
        with OldIrGuard():
            paddle.disable_static()
            _save(GRAPHS[graph](copy.deepcopy(net)), temporary / FORMATS["legacy"][0])
            # Names and shapes for training tools; no engine reads it.
            (temporary / FORMATS["legacy"][1]).with_suffix(".pdiparams.info").unlink(missing_ok=True)
        files = [name for names in FORMATS.values() for name in names]
        description = {
            "Deploy": {"model": FORMATS["pir"][0], "params": FORMATS["pir"][1], **traced.about},
            "Course": {
                "network": network,
                "graph": graph,
                "classes": list(CLASSES),
                "paddle": paddle.__version__,
                "sha256": {name: _sha256(temporary / name) for name in files},
            },
        }
        write_text(temporary / DESCRIPTION, yaml.safe_dump(description, sort_keys=False))
    return folder


@dataclass(frozen=True)
class Export:
    """A folder that `export` wrote, checked."""

    folder: Path
    network: str
    graph: str

    def files(self, kind: str) -> tuple[Path, Path]:
        """Program and parameters in the format "pir" or "legacy"."""
        program, parameters = FORMATS[kind]
        return self.folder / program, self.folder / parameters

    @property
    def megabytes(self) -> float:
        """Size of the program and its parameters in 10^6 bytes."""
        return sum(path.stat().st_size for path in self.files("pir")) / 1e6

    @classmethod
    def read(cls, folder: str | Path) -> Export:
        """Check what is in `folder`.

        Raises CourseError when it is no export, not whole, changed since, or written by another version of Paddle.
        """
        folder = Path(folder)
        path = folder / DESCRIPTION
        if not path.is_file():
            raise CourseError(f"There is no exported network in {folder}: export one first (notebook 05).")
        try:
            about = yaml.safe_load(path.read_text(encoding="utf-8"))["Course"]
            found, version, sums = cls(folder, about["network"], about["graph"]), about["paddle"], dict(about["sha256"])
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise CourseError(f"{path} was not written by this course: export the network again.") from error
        if version != paddle.__version__:
            raise CourseError(f"{folder} was exported by Paddle {version}, this is {paddle.__version__}: export again.")
        for name, expected in sums.items():
            if not (folder / name).is_file():
                raise CourseError(f"{folder / name} is missing: the export is not whole, export the network again.")
            if _sha256(folder / name) != expected:
                raise CourseError(f"{folder / name} has changed since the export: export the network again.")
        return found


def _save(traced: nn.Layer, program: Path) -> None:
    traced.eval()
    static = paddle.jit.to_static(traced, input_spec=[traced.spec], full_graph=True)
    paddle.jit.save(static, str(program.with_suffix("")))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder` that takes its place when the block ends, and vanishes when it raises."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        (work / "new").mkdir()
        yield work / "new"
        if folder.exists():
            os.replace(folder, work / "old")
        try:
            os.replace(work / "new", folder)
        except OSError:
            if (work / "old").exists():
                os.replace(work / "old", folder)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
