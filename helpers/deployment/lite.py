"""Convert an export for phones with Paddle Lite: `python -m helpers.deployment.lite FOLDER`, behind `make lite`.

Paddle Lite's newest package (2.13rc0) is for Python 3.10 and older and wants numpy below 2, so it gets an environment
of its own, .venv-lite. The file for x86 is run here and compared; the one for arm is what goes to a phone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, atomic_path
from helpers.deployment.exports import Export

ENVIRONMENT = PROJECT / ".venv-lite"
PACKAGES = ("paddlelite==2.13rc0", "numpy<2")
TARGETS = ("arm", "x86")
TOLERANCE = 1e-4  # of the largest logit

# Runs in that environment: program, parameters, stem of what is written, array of the input, array of the output.
_SCRIPT = """
import sys
import numpy as np
from paddlelite.lite import MobileConfig, Opt, create_paddle_predictor
program, parameters, stem, given, taken = sys.argv[1:]
for target in ("arm", "x86"):
    opt = Opt()
    opt.set_model_file(program)
    opt.set_param_file(parameters)
    opt.set_valid_places(target)
    opt.set_model_type("naive_buffer")
    opt.set_optimize_out(f"{stem}_{target}")
    opt.run()
config = MobileConfig()
config.set_model_from_file(f"{stem}_x86.nb")
predictor = create_paddle_predictor(config)
predictor.get_input(0).from_numpy(np.load(given))
predictor.run()
np.save(taken, predictor.get_output(0).numpy())
"""


@dataclass(frozen=True)
class Converted:
    """The .nb files by target, and how far the x86 one's logits are from Paddle Inference's, of the largest logit."""

    files: dict[str, Path]
    difference: float


def convert(folder: str | Path, python: str | Path | None = None) -> Converted:
    """Write `folder`/lite/model_arm.nb and model_x86.nb; `python` is one with Paddle Lite, made when not given.

    Raises CourseError when there is no Python 3.10, the conversion fails, or the x86 file gives other logits.
    """
    from helpers.deployment.predictor import Predictor  # it reads exports; this module writes beside them

    exported = Export.read(folder)
    if exported.graph == "labels":
        raise CourseError(f'{folder} gives labels: Paddle Lite converts an export with graph="coarse" or "logits".')
    python = python or environment()
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, 128, 256)).astype(np.float32)
    with Predictor(folder, "paddle") as predictor, tempfile.TemporaryDirectory(prefix="lite-") as temporary:
        work = Path(temporary)
        np.save(work / "given.npy", x)
        words = [*exported.files("legacy"), work / "model", work / "given.npy", work / "taken.npy"]
        done = subprocess.run([str(python), "-c", _SCRIPT, *map(str, words)], capture_output=True, text=True)
        if done.returncode or not (work / "taken.npy").is_file():
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise CourseError(f"Paddle Lite could not convert {folder} (exit code {done.returncode}): {said}")
        expected, taken = predictor.raw(x), np.load(work / "taken.npy")
        difference = float(np.abs(taken - expected).max() / np.abs(expected).max())
        if not difference <= TOLERANCE:
            raise CourseError(f"Paddle Lite's logits differ by {difference:.2g} of the largest: nothing was written.")
        files = {target: exported.folder / "lite" / f"model_{target}.nb" for target in TARGETS}
        for target, file in files.items():
            with atomic_path(file) as beside:
                shutil.copy(work / f"model_{target}.nb", beside)
    return Converted(files, difference)


def environment() -> Path:
    """The Python of .venv-lite, made when it is not there. Raises CourseError without a Python 3.10."""
    ready, python = ENVIRONMENT / ".ready", ENVIRONMENT / "bin" / "python"
    if ready.is_file() and python.exists():
        return python
    base = find_python()
    print(f"Making {ENVIRONMENT.name} with {base}: once, 200 MB.", flush=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    for command in ([base, "-m", "venv", ENVIRONMENT], install):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr.strip() or "nothing").splitlines()[-1]
            raise CourseError(f"The environment for Paddle Lite could not be made: {said}")
    ready.touch()
    return python


def find_python() -> Path:
    """A Python 3.10: $LITE_PYTHON, python3.10 of the path, or one of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    named = [os.environ.get("LITE_PYTHON"), shutil.which("python3.10"), *sorted(pyenv.glob("3.10*/bin/python"))]
    for candidate in filter(None, named):
        asked = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:
            done = subprocess.run(asked, capture_output=True, text=True)
        except OSError:
            continue
        if done.stdout.strip() == "3.10":
            return Path(candidate)
    raise CourseError(
        "Paddle Lite has packages for Python 3.10 and older only, and there is no Python 3.10 here: install one (for "
        "instance pyenv install 3.10), or name it with LITE_PYTHON=/path/to/python3.10."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder of an export, such as outputs/mini/05/fastscnn")
    folder = parser.parse_args().folder

    def run() -> None:
        converted = convert(folder)
        for target, file in converted.files.items():
            print(f"{target}: {file}, {file.stat().st_size / 1e6:.1f} MB")
        print(f"the x86 file was run: its logits differ by at most {converted.difference:.1g} of the largest")

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
