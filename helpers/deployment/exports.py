"""Export a network to files, and check exported files."""

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
from helpers.deployment.graphs import GRAPHS, CoarseOfFrames, last_resize, save_graph
from helpers.deployment.onnx import write_onnx
from helpers.paddle_compat import old_ir_operators

DESCRIPTION = "deploy.yaml"
# A graph is saved in both of Paddle's formats: the new one (PIR), and the older one that OpenVINO's engine reads.
FORMATS = {
    "pir": ("model.json", "model.pdiparams"),
    "legacy": ("legacy/model.pdmodel", "legacy/model.pdiparams"),
}
# The graph "coarse" for uint8 frames instead of normalised images, in the older format. It has its own copy of the
# parameters, because OpenVINO's engine looks for them by the name of the program.
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

    `network` is the name of the network. `graph` is one of:

    - "coarse": normalised images or uint8 frames to logits at the network's own resolution, the fastest for Predictor;
    - "logits": normalised images to logits of the same height and width;
    - "labels": uint8 frames to train ids, for programs without code of their own before and after the graph.

    The folder holds the graph in both FORMATS, an ONNX file for each frame size (height, width) of `onnx_hw`
    (`helpers.deployment.onnx`), and deploy.yaml: network, classes, preprocessing, versions and the SHA-256 of each
    file. PaddleSeg's deploy tools read deploy.yaml (`paddleseg.deploy.infer.DeployConfig`). The folder is written
    atomically. `net` is left unchanged: tracing changes a layer, so a copy is traced. Raises CourseError for an unknown
    graph, and if ONNX cannot be written.
    """
    if graph not in GRAPHS:
        raise CourseError(f"There is no graph {graph!r}: choose {', '.join(GRAPHS)}.")
    folder = Path(folder)
    resize = last_resize(net) if graph == "coarse" else None
    # Otherwise Paddle rewrites the source of each layer's `forward`, in case a branch depends on a value, in two thirds
    # of the time of an export. PaddleSeg's networks have no such branch.
    paddle.jit.ignore_module([paddleseg])
    with _new_folder(folder) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every operator that it does not know
        save_graph(GRAPHS[graph](copy.deepcopy(net)), temporary / FORMATS["pir"][0], resize)
        with OldIrGuard(), old_ir_operators():
            paddle.disable_static()
            save_graph(GRAPHS[graph](copy.deepcopy(net)), temporary / FORMATS["legacy"][0], resize)
            if graph == "coarse":
                save_graph(CoarseOfFrames(copy.deepcopy(net)), temporary / FRAMES[0], resize)
            for path in temporary.glob("*/*.pdiparams.info"):
                path.unlink()  # names and shapes for training tools, which no engine reads
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
    """A checked folder that `export` wrote.

    `align_corners`: how to resize the logits of the graph "coarse"; `sha256`: hash of deploy.yaml, which holds the
    hashes of all files; `onnx`: frame sizes (height, width) with an ONNX file.
    """

    folder: Path
    network: str
    graph: str
    align_corners: bool
    sha256: str
    onnx: tuple[tuple[int, int], ...] = ()

    def files(self, kind: str) -> tuple[Path, Path]:
        """Return program and parameters: in the format "pir" or "legacy", or "frames", those for uint8 frames."""
        program, parameters = {**FORMATS, "frames": FRAMES}[kind]
        return self.folder / program, self.folder / parameters

    def onnx_file(self, size_hw: tuple[int, int]) -> Path:
        """Return the ONNX file for frames of `size_hw`. Raises CourseError if it does not exist."""
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
        """Check the export in `folder`.

        Raises CourseError if it is not an export, incomplete, changed, or written by another version of Paddle.
        """
        folder = Path(folder)
        path = folder / DESCRIPTION
        if not path.is_file():
            raise CourseError(f"{folder} holds no exported network: export one first (notebook 05).")
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
                raise CourseError(f"{folder / name} is missing: the export is incomplete, export the network again.")
            if _sha256(folder / name) != expected:
                raise CourseError(f"{folder / name} has changed since the export: export the network again.")
        return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `folder` when the block ends, and is removed when the block raises."""
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
