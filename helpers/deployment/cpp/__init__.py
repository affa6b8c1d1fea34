"""The C++ program of this folder: build it against the Paddle that is installed here, and run it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from PIL import Image

from helpers.common.errors import CourseError
from helpers.common.runtime import usable_cores
from helpers.deployment.exports import Export

SOURCES = Path(__file__).resolve().parent
CPP_ENGINES = {
    "paddle": "plain",
    "paddle-onednn": "onednn",
    "paddle-openvino": "openvino",
    "paddle-openvino-bf16": "openvino-bf16",
}


def missing_tools() -> list[str]:
    """What a build needs and this machine lacks."""
    missing = [tool for tool in ("cmake", "g++", "make") if shutil.which(tool) is None]
    places = (Path("/usr"), Path("/usr/local"), Path(sys.prefix), Path(sys.base_prefix))
    if not any((place / "include" / "png.h").is_file() for place in places):
        missing.append("libpng-dev")
    return missing


def build(folder: str | Path) -> Path:
    """Build the program in `folder` with the libraries of the installed Python package; returns the program.

    Raises CourseError when a tool is missing or the build fails.
    """
    missing = missing_tools()
    if missing:
        raise CourseError(
            f"Building the C++ program needs {', '.join(missing)}: install them (Debian, Ubuntu: apt-get install "
            "cmake g++ make libpng-dev)."
        )
    library = _python_library()
    wheel = Path(paddle.__file__).resolve().parent
    _run(["cmake", "-S", SOURCES, "-B", folder, f"-DPADDLE_WHEEL_DIR={wheel}", f"-DPYTHON_LIBRARY={library}"])
    _run(["cmake", "--build", folder])
    return Path(folder) / "segment"


@dataclass(frozen=True)
class Segmented:
    """What the program made: train ids uint8 (H, W), colours uint8 (H, W, 3), milliseconds of each run."""

    labels: np.ndarray
    colours: np.ndarray
    runs_ms: tuple[float, ...]


def run(
    program: Path,
    folder: str | Path,
    image: str | Path,
    *,
    engine: str = "paddle-onednn",
    threads: int | None = None,
    runs: int = 1,
) -> Segmented:
    """Label the PNG file `image` with the export in `folder`, whose graph is "coarse"."""
    exported = Export.read(folder)
    if exported.graph != "coarse" or exported.align_corners:
        raise CourseError(f'The C++ program enlarges logits itself: export {exported.folder} with graph="coarse".')
    if engine not in CPP_ENGINES:
        raise CourseError(f"The C++ program has no engine {engine!r}: choose one of {', '.join(CPP_ENGINES)}.")
    with tempfile.TemporaryDirectory(prefix="segment-") as temporary:
        colours, labels = Path(temporary) / "colours.png", Path(temporary) / "labels.png"
        words = [CPP_ENGINES[engine], threads or usable_cores(), runs, labels]
        said = _run([program, *exported.files("frames"), image, colours, *words])
        times = tuple(float(line.split()[0]) for line in said.splitlines() if line.endswith(" ms"))
        return Segmented(np.asarray(Image.open(labels)), np.asarray(Image.open(colours)), times)


def _python_library() -> Path:
    # libpaddle.so is a Python module: the functions of Python that it calls must be there, though none is called here.
    name = sysconfig.get_config_var("INSTSONAME") or ""
    folder = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    places = [folder / name, folder / (sysconfig.get_config_var("MULTIARCH") or "") / name]
    library = next((place for place in places if ".so" in name and place.is_file()), None)
    if library is None:
        version = sysconfig.get_python_version()
        raise CourseError(
            f"This Python has no shared library in {folder}: install it (Debian, Ubuntu: apt-get install "
            f"libpython{version}), or build {SOURCES} against the C++ package of Paddle Inference."
        )
    return library


def _run(command: list) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or [f"exit code {done.returncode}"]
        raise CourseError(f"{Path(command[0]).name} failed: {said[-1].strip()}")
    return done.stdout
