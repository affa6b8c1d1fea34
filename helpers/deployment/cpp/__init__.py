"""Build the C++ program in this folder against the installed Paddle, and run it."""

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
    """Return the tools and libraries that a build needs and this machine lacks."""
    missing = [tool for tool in ("cmake", "g++", "make") if shutil.which(tool) is None]
    prefixes = (Path("/usr"), Path("/usr/local"), Path(sys.prefix), Path(sys.base_prefix))
    if not any((prefix / "include" / "png.h").is_file() for prefix in prefixes):
        missing.append("libpng-dev")
    return missing


def build(folder: str | Path) -> Path:
    """Build the program in `folder` with the libraries of the installed Python package, and return its path.

    A folder from an earlier build is updated, also if it was copied or moved. Raises CourseError if a tool is missing
    or the build fails.
    """
    missing = missing_tools()
    if missing:
        raise CourseError(
            f"Building the C++ program needs {', '.join(missing)}: install them (Debian, Ubuntu: apt-get install "
            "cmake g++ make libpng-dev)."
        )
    library = _python_library()
    wheel = Path(paddle.__file__).resolve().parent
    _remove_foreign_cache(Path(folder))
    _run(["cmake", "-S", SOURCES, "-B", folder, f"-DPADDLE_WHEEL_DIR={wheel}", f"-DPYTHON_LIBRARY={library}"])
    _run(["cmake", "--build", folder])
    return Path(folder) / "segment"


def _remove_foreign_cache(folder: Path) -> None:
    # CMake refuses a cache that was made for another folder or other sources, as in a copy of a build folder.
    cache = folder / "CMakeCache.txt"
    if not cache.is_file():
        return
    lines = cache.read_text(encoding="utf-8").splitlines()
    made_for = dict(line.split(":INTERNAL=", 1) for line in lines if ":INTERNAL=" in line)
    expected = {"CMAKE_CACHEFILE_DIR": folder, "CMAKE_HOME_DIRECTORY": SOURCES}
    if any(Path(made_for.get(name, "")).resolve() != path.resolve() for name, path in expected.items()):
        cache.unlink()
        shutil.rmtree(folder / "CMakeFiles", ignore_errors=True)


@dataclass(frozen=True)
class Segmented:
    """Output of the program: train ids uint8 (H, W), colours uint8 (H, W, 3), milliseconds of each run."""

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
    """Run the program on a PNG file.

    Parameters
    ----------
    program : Path
        The program that `build` returned.
    folder : str or Path
        Folder of an export with the graph "coarse".
    image : str or Path
        PNG file to label.
    engine : str, default "paddle-onednn"
        A name in CPP_ENGINES.
    threads : int, optional
        CPU threads, by default one per core.
    runs : int, default 1
        How often to label the image.

    Returns
    -------
    Segmented
        Labels and colours of the image, and the time of each run.

    Raises
    ------
    CourseError
        If the export or the engine does not fit, or the program fails.
    """
    exported = Export.read(folder)
    if exported.graph != "coarse" or exported.align_corners:
        raise CourseError(
            f'Expected an export with graph="coarse" and align_corners=False, got {exported.graph!r} with '
            f"align_corners={exported.align_corners}: export {exported.folder} again."
        )
    if exported.classes is None:
        raise CourseError(f"{exported.folder} has no classes to draw: export the network with `classes`.")
    if engine not in CPP_ENGINES:
        raise CourseError(f"The C++ program has no engine {engine!r}: choose one of {', '.join(CPP_ENGINES)}.")
    with tempfile.TemporaryDirectory(prefix="segment-") as temporary:
        colours, labels = Path(temporary) / "colours.png", Path(temporary) / "labels.png"
        words = [CPP_ENGINES[engine], threads or usable_cores(), runs, labels]
        printed = _run([program, exported.folder, image, colours, *words])
        times = tuple(float(line.split()[0]) for line in printed.splitlines() if line.endswith(" ms"))
        return Segmented(np.asarray(Image.open(labels)), np.asarray(Image.open(colours)), times)


def _python_library() -> Path:
    # libpaddle.so is a Python module: it links to functions of Python, although the program calls none of them.
    name = sysconfig.get_config_var("INSTSONAME") or ""
    folder = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    paths = [folder / name, folder / (sysconfig.get_config_var("MULTIARCH") or "") / name]
    library = next((path for path in paths if ".so" in name and path.is_file()), None)
    if library is None:
        version = sysconfig.get_python_version()
        raise CourseError(
            f"Found no shared library of this Python in {folder}: install it (Debian, Ubuntu: apt-get install "
            f"libpython{version}), or build {SOURCES} against the C++ package of Paddle Inference."
        )
    return library


def _run(command: list) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or [f"exit code {done.returncode}"]
        raise CourseError(f"{Path(command[0]).name} failed: {lines[-1].strip()}")
    return done.stdout
