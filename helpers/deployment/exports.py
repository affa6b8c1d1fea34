"""Export a network to files, and check exported files."""

from __future__ import annotations

import copy
import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import paddle
import paddleseg
import yaml
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.files import flush, write_text
from helpers.common.locks import locked_target
from helpers.common.os_errors import as_course_error
from helpers.datasets import IGNORE, MEAN, STD, Classes
from helpers.deployment.graphs import GRAPHS, CoarseOfFrames, main_output, save_graph
from helpers.deployment.onnx import write_onnx
from helpers.models.sizes import padded_hw, stride_of
from helpers.paddle_compat import keep_device, old_ir_operators, old_representation

DESCRIPTION = "deploy.yaml"
# Paddle's two formats: the new one (PIR) and the older one. OpenVINO's engine reads only the older one, and only that
# is right with default settings, which enable oneDNN ("paddle-onednn" in ALL_ENGINES). Therefore deploy.yaml names it.
FORMATS = {
    "pir": ("model.json", "model.pdiparams"),
    "legacy": ("legacy/model.pdmodel", "legacy/model.pdiparams"),
}
# The graph "coarse" for uint8 frames, in the older format; OpenVINO's engine finds parameters by the program's name.
FRAMES = ("frames/model.pdmodel", "frames/model.pdiparams")
ONNX = "onnx/{}x{}.onnx"  # height, width
INT8 = "int8/{}x{}.onnx"
# What programs without a YAML parser need of the graph "coarse": stride, mean, std, and a line per class.
TABLE = "classes.txt"


def export(
    net: nn.Layer,
    folder: str | Path,
    *,
    network: str,
    classes: Classes | None = None,
    graph: str = "coarse",
    onnx_hw: Sequence[tuple[int, int]] = (),
) -> Path:
    """Write `net` as a graph for any batch, height and width into `folder`, and return the folder.

    The folder holds the graph in both FORMATS, ONNX files (`helpers.deployment.onnx`), and deploy.yaml: network,
    classes and their colours, preprocessing, versions and the SHA-256 of each file. PaddleSeg's deploy tools
    (`paddleseg.deploy.infer`) read it, and the graph in the older format; so should programs of your own. The folder is
    written atomically. `net` is left unchanged: tracing changes a layer, so a copy is traced.

    Parameters
    ----------
    net : Layer
        Network to export.
    folder : str or Path
        Folder to write; an earlier export in it is replaced.
    network : str
        Name of the network.
    classes : Classes, optional
        The classes of the data that `net` was trained on. A graph without them can be run, but not drawn.
    graph : str, default "coarse"
        - "coarse": normalised images or uint8 frames to logits at the network's own resolution, the fastest for
          Predictor, which pads frames to the network's stride;
        - "logits": normalised images to logits of the same height and width;
        - "labels": uint8 frames to train ids, for programs without code of their own before and after the graph.
    onnx_hw : sequence of (int, int), default ()
        Height and width of the frames to write an ONNX file for.

    Raises
    ------
    CourseError
        If the graph is unknown, the network does not have these classes, another process writes to `folder`, or ONNX
        cannot be written.
    """
    if graph not in GRAPHS:
        raise CourseError(f"There is no graph {graph!r}: choose {', '.join(GRAPHS)}.")
    folder, stride = Path(folder), stride_of(net)
    output = main_output(net)
    if classes is not None and output.num_classes != len(classes):
        raise CourseError(
            f"Expected a network for the {len(classes)} classes, got one for {output.num_classes}: pass the classes "
            "that it was trained on."
        )
    resize = output.resize if graph == "coarse" else None
    if graph == "coarse":
        onnx_hw = list(dict.fromkeys(padded_hw(size_hw, stride) for size_hw in onnx_hw))
    # Otherwise Paddle rewrites the source of each layer's `forward`, in case a branch depends on a value, in two thirds
    # of the time of an export. PaddleSeg's networks have no such branch.
    paddle.jit.ignore_module([paddleseg])
    with _new_folder(folder) as temporary, warnings.catch_warnings(), keep_device():
        warnings.simplefilter("ignore")  # tracing warns of every operator that it does not know
        save_graph(GRAPHS[graph](copy.deepcopy(net)), temporary / FORMATS["pir"][0], resize)
        with old_representation(), old_ir_operators():
            save_graph(GRAPHS[graph](copy.deepcopy(net)), temporary / FORMATS["legacy"][0], resize)
            if graph == "coarse":
                save_graph(CoarseOfFrames(copy.deepcopy(net)), temporary / FRAMES[0], resize)
            for path in temporary.glob("*/*.pdiparams.info"):
                path.unlink()  # names and shapes for training tools, which no engine reads
        for size_hw in onnx_hw:
            write_onnx(net, temporary / ONNX.format(*size_hw), size_hw, graph)
        if graph == "coarse":
            write_text(temporary / TABLE, class_table(classes, stride))
        description = {
            "Deploy": {"model": FORMATS["legacy"][0], "params": FORMATS["legacy"][1], **GRAPHS[graph].about},
            "Course": {
                "network": network,
                "graph": graph,
                "stride": stride,
                "align_corners": bool(resize and resize.align_corners),
                "onnx_hw": [list(size_hw) for size_hw in onnx_hw],
                "int8_hw": [],
                "num_classes": output.num_classes,
                "classes": list(classes.names) if classes else [],
                "colours": [list(colour) for colour in classes.colours] if classes else [],
                "ignore": IGNORE,
                "mean": list(MEAN),
                "std": list(STD),
                "paddle": paddle.__version__,
                "paddleseg": version("paddleseg"),
                "sha256": {name: _sha256(temporary / name) for name in _files(graph, onnx_hw)},
            },
        }
        write_text(temporary / DESCRIPTION, yaml.safe_dump(description, sort_keys=False))
    return folder


def class_table(classes: Classes | None, stride: int) -> str:
    """Return the content of TABLE: stride, mean and std, then a line "red green blue name" for each class."""
    lines = [f"stride {stride}", f"mean {' '.join(map(str, MEAN))}", f"std {' '.join(map(str, STD))}"]
    if classes is not None:
        for name, colour in zip(classes.names, classes.colours, strict=True):
            lines.append(f"{' '.join(map(str, colour))} {' '.join(name.split())}")
    return "\n".join(lines) + "\n"


def _files(graph: str, onnx_hw: Sequence[tuple[int, int]], int8_hw: Sequence[tuple[int, int]] = ()) -> list[str]:
    """Return the names of all files of an export except deploy.yaml."""
    formats = [*FORMATS.values(), *([FRAMES] if graph == "coarse" else [])]
    names = [name for pair in formats for name in pair] + [ONNX.format(*size_hw) for size_hw in onnx_hw]
    names += [INT8.format(*size_hw) for size_hw in int8_hw]
    return [*names, TABLE] if graph == "coarse" else names


@dataclass(frozen=True)
class Export:
    """A checked folder that `export` wrote.

    `num_classes`: of the output; `classes`: their names and colours, None if the export has none; `stride`: the graph
    "coarse" takes sizes that are multiples of it; `align_corners`: how to resize its logits; `sha256`: hash of
    deploy.yaml, which holds the hashes of all files; `onnx`, `int8`: input sizes (height, width) with an ONNX file in
    float32 and in int8.
    """

    folder: Path
    network: str
    graph: str
    num_classes: int
    classes: Classes | None
    stride: int
    align_corners: bool
    sha256: str
    onnx: tuple[tuple[int, int], ...] = ()
    int8: tuple[tuple[int, int], ...] = ()

    def input_hw(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the size of the graph's input for frames of `size_hw`: padded if the graph is "coarse"."""
        return padded_hw(size_hw, self.stride) if self.graph == "coarse" else (size_hw[0], size_hw[1])

    def files(self, kind: str) -> tuple[Path, Path]:
        """Return program and parameters: in the format "pir" or "legacy", or "frames", those for uint8 frames."""
        program, parameters = {**FORMATS, "frames": FRAMES}[kind]
        return self.folder / program, self.folder / parameters

    def onnx_file(self, size_hw: tuple[int, int], int8: bool = False) -> Path:
        """Return the ONNX file for inputs of `size_hw`. Raises CourseError if it does not exist."""
        sizes, name, more = (self.int8, INT8, " and calibration frames") if int8 else (self.onnx, ONNX, "")
        if tuple(size_hw) not in sizes:
            known = ", ".join(f"{height} x {width}" for height, width in sizes) or "no size"
            raise CourseError(
                f"{self.folder} has {'int8' if int8 else 'ONNX'} files for {known}, not for {size_hw[0]} x "
                f"{size_hw[1]}: export the network with onnx_hw=[({size_hw[0]}, {size_hw[1]})]{more}."
            )
        return self.folder / name.format(*size_hw)

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
            found = cls(folder, sha256=hashlib.sha256(text.encode()).hexdigest(), **_parsed(about))
            written_by, sums = about["paddle"], dict(about["sha256"])
            if sums.keys() != set(_files(found.graph, found.onnx, found.int8)):
                raise ValueError("other files, or an older export")
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError, yaml.YAMLError) as error:
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


def add_file(exported: Export, kind: str, size_hw: tuple[int, int], write: Callable[[Path], object]) -> Export:
    """Let `write` add a file of `kind`, "onnx" or "int8", for inputs of `size_hw` to an export, and return it again.

    The file counts once deploy.yaml names it, which is the last step. Raises CourseError if another process writes to
    the folder.
    """
    name = {"onnx": ONNX, "int8": INT8}[kind].format(*size_hw)
    path = exported.folder / DESCRIPTION
    with locked_target(exported.folder):
        write(exported.folder / name)
        description = yaml.safe_load(path.read_text(encoding="utf-8"))
        about = description["Course"]
        about[f"{kind}_hw"] = [list(each) for each in dict.fromkeys((*getattr(exported, kind), tuple(size_hw)))]
        about["sha256"][name] = _sha256(exported.folder / name)
        write_text(path, yaml.safe_dump(description, sort_keys=False))
    return Export.read(exported.folder)


def _parsed(about: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of Export in deploy.yaml. Raise an exception that `Export.read` catches if one is invalid."""
    network, graph, align_corners = about["network"], about["graph"], about["align_corners"]
    sizes = {key: tuple((height, width) for height, width in about[f"{key}_hw"]) for key in ("onnx", "int8")}
    lengths = [length for sizes_hw in sizes.values() for size_hw in sizes_hw for length in size_hw]
    numbers = [about["num_classes"], about["stride"], *lengths]
    if not isinstance(network, str) or graph not in GRAPHS or not isinstance(align_corners, bool):
        raise ValueError("another network or graph")
    if not all(type(number) is int and 0 < number < 1 << 20 for number in numbers):
        raise ValueError("a number is out of range")
    classes = None
    if about["classes"]:
        classes = Classes(tuple(about["classes"]), tuple(tuple(colour) for colour in about["colours"]))
        texts, channels = classes.names, [channel for colour in classes.colours for channel in colour]
        if not all(type(text) is str for text in texts) or not all(type(channel) is int for channel in channels):
            raise ValueError("classes of another type")
        if len(classes) != about["num_classes"]:
            raise ValueError("another number of classes")
    return {
        "network": network,
        "graph": graph,
        "num_classes": about["num_classes"],
        "classes": classes,
        "stride": about["stride"],
        "align_corners": align_corners,
        **sizes,
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `folder` when the block ends, and is removed when the block raises."""
    with locked_target(folder) as work:
        (work / "new").mkdir()
        try:
            yield work / "new"
            flush(work / "new")
        except OSError as error:
            raise as_course_error(OSError(error.errno, error.strerror), folder) from error
        if folder.exists():
            os.replace(folder, work / "old")
        try:
            os.replace(work / "new", folder)
        except OSError:
            if (work / "old").exists():
                os.replace(work / "old", folder)
            raise
