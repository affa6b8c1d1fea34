"""From a network to files, and what such files say of themselves."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import paddle
import paddleseg
import yaml
from paddle import nn
from paddle.pir_utils import OldIrGuard

from helpers.cityscapes import CLASSES
from helpers.common.errors import CourseError
from helpers.common.files import write_text
from helpers.datasets import MEAN, STD
from helpers.deployment.graphs import GRAPHS, CoarseOfFrames, Resize, last_resize, without_resize
from helpers.deployment.onnx import write_onnx
from helpers.paddle_compat import old_ir_operators

DESCRIPTION = "deploy.yaml"
# A graph is kept in both of Paddle's formats: the new one (PIR), and the older one that OpenVINO's engine reads. The
# graph "coarse" also for frames instead of normalised images, in the older format and with parameters of its own: to
# OpenVINO's engine they must have the name of the program.
FORMATS = {
    "pir": ("model.json", "model.pdiparams"),
    "legacy": ("legacy/model.pdmodel", "legacy/model.pdiparams"),
}
FRAMES = ("frames/model.pdmodel", "frames/model.pdiparams")
ONNX = "onnx/{}x{}.onnx"  # height, width


def export(
    net: nn.Layer,
    folder: str | Path,
    *,
    network: str,
    graph: str = "coarse",
    onnx_hw: Sequence[tuple[int, int]] = (),
) -> Path:
    """Write `net` as a graph for any batch, height and width into `folder`, and return the folder.

    `graph` is "coarse" (normalised images or frames in, logits at the network's own resolution out: what Predictor
    runs fastest), "logits" (normalised images in, logits at their size out) or "labels" (uint8 frames in, train ids
    out, for programs that shall do nothing themselves). The folder holds the formats of FORMATS and deploy.yaml, which
    PaddleSeg's deploy tools read (`paddleseg.deploy.infer.DeployConfig`) and which tells network, classes,
    preprocessing, versions and the SHA-256 of each file. For each frame size (height, width) of `onnx_hw` there is an
    ONNX file too (`helpers.deployment.onnx`). It appears whole or not at all. The live network stays as it was: tracing
    changes a layer, so a copy is traced.
    """
    if graph not in GRAPHS:
        raise CourseError(f"There is no graph {graph!r}: choose {' or '.join(GRAPHS)}.")
    folder = Path(folder)
    resize = last_resize(net) if graph == "coarse" else None
    # Paddle would rewrite the source of each layer's `forward`, in case a branch depends on a value, which takes two
    # thirds of the time of an export. None does in PaddleSeg's networks.
    paddle.jit.ignore_module([paddleseg])
    with _new_folder(folder) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every operator whose kind it does not know
        _save(GRAPHS[graph](copy.deepcopy(net)), temporary / FORMATS["pir"][0], resize)
        with OldIrGuard(), old_ir_operators():
            paddle.disable_static()
            _save(GRAPHS[graph](copy.deepcopy(net)), temporary / FORMATS["legacy"][0], resize)
            if graph == "coarse":
                _save(CoarseOfFrames(copy.deepcopy(net)), temporary / FRAMES[0], resize)
            for path in temporary.glob("*/*.pdiparams.info"):
                path.unlink()  # names and shapes for training tools; no engine reads it
        for size_hw in onnx_hw:
            write_onnx(net, temporary / ONNX.format(*size_hw), size_hw, graph)
        formats = [*FORMATS.values(), *([FRAMES] if graph == "coarse" else [])]
        files = [name for names in formats for name in names] + [ONNX.format(*size_hw) for size_hw in onnx_hw]
        description = {
            "Deploy": {"model": FORMATS["pir"][0], "params": FORMATS["pir"][1], **GRAPHS[graph].about},
            "Course": {
                "network": network,
                "graph": graph,
                "align_corners": bool(resize and resize.align_corners),
                "onnx_hw": [list(size_hw) for size_hw in onnx_hw],
                "classes": list(CLASSES),
                "mean": list(MEAN),
                "std": list(STD),
                "paddle": paddle.__version__,
                "paddleseg": version("paddleseg"),
                "sha256": {name: _sha256(temporary / name) for name in files},
            },
        }
        write_text(temporary / DESCRIPTION, yaml.safe_dump(description, sort_keys=False))
    return folder


@dataclass(frozen=True)
class Export:
    """A folder that `export` wrote, checked. `sha256` is that of its description, which has those of all files.

    `align_corners` tells how the logits of the graph "coarse" are to be enlarged, `onnx` for which frame sizes
    (height, width) there is an ONNX file.
    """

    folder: Path
    network: str
    graph: str
    align_corners: bool
    sha256: str
    onnx: tuple[tuple[int, int], ...] = ()

    def files(self, kind: str) -> tuple[Path, Path]:
        """Program and parameters in the format "pir" or "legacy", or "frames": that of "coarse" for uint8 frames."""
        program, parameters = {**FORMATS, "frames": FRAMES}[kind]
        return self.folder / program, self.folder / parameters

    def onnx_file(self, size_hw: tuple[int, int]) -> Path:
        """The ONNX file for frames of `size_hw`. Raises CourseError when there is none."""
        if tuple(size_hw) not in self.onnx:
            known = ", ".join(f"{height} x {width}" for height, width in self.onnx) or "no size"
            raise CourseError(
                f"{self.folder} has ONNX files for {known}, not for {size_hw[0]} x {size_hw[1]}: export the network "
                f"with onnx_hw=[({size_hw[0]}, {size_hw[1]})]."
            )
        return self.folder / ONNX.format(*size_hw)

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
            text = path.read_text(encoding="utf-8")
            about = yaml.safe_load(text)["Course"]
            written_by, sums = about["paddle"], dict(about["sha256"])
            onnx = tuple((height, width) for height, width in about["onnx_hw"])
            digest = hashlib.sha256(text.encode()).hexdigest()
            found = cls(folder, about["network"], about["graph"], bool(about["align_corners"]), digest, onnx)
            if found.graph not in GRAPHS or (found.graph == "coarse" and FRAMES[0] not in sums):
                raise ValueError("another graph, or an older export")
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise CourseError(f"{path} was not written by this course: export the network again.") from error
        if written_by != paddle.__version__:
            raise CourseError(
                f"{folder} was exported by Paddle {written_by}, this is {paddle.__version__}: export the network again."
            )
        for name, expected in sums.items():
            if not (folder / name).is_file():
                raise CourseError(f"{folder / name} is missing: the export is not whole, export the network again.")
            if _sha256(folder / name) != expected:
                raise CourseError(f"{folder / name} has changed since the export: export the network again.")
        return found


def _save(graph: nn.Layer, program: Path, left_out: Resize | None) -> None:
    graph.eval()
    with without_resize(left_out):
        static = paddle.jit.to_static(graph, input_spec=[graph.spec((None, None), None)], full_graph=True)
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
