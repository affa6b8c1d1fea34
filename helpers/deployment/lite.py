"""Convert an export for phones with Paddle Lite: `python -m helpers.deployment.lite FOLDER`, behind `make lite`.

Paddle Lite's newest package (2.13rc0) needs Python 3.10 or older and numpy below 2, so it has its own environment,
.venv-lite. The file for x86 is run on this machine and compared with Paddle Inference; the file for arm is for phones.
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
from helpers.common.files import PROJECT, atomic_path, write_text
from helpers.deployment.exports import TABLE, Export, class_table
from helpers.deployment.predictor import Predictor

ENVIRONMENT = PROJECT / ".venv-lite"
PACKAGES = ("paddlelite==2.13rc0", "numpy<2")
TARGETS = ("arm", "x86")
TOLERANCE = 1e-4  # of the largest logit

# Runs in that environment. Arguments: program, parameters, stem of the .nb files, .npy file of input and of output.
_SCRIPT = """
import sys
import numpy as np
from paddlelite.lite import MobileConfig, Opt, create_paddle_predictor
program, parameters, stem, inputs, outputs = sys.argv[1:]
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
predictor.get_input(0).from_numpy(np.load(inputs, allow_pickle=False))
predictor.run()
np.save(outputs, predictor.get_output(0).numpy())
"""


@dataclass(frozen=True)
class Converted:
    """The .nb files by target, and the largest error of the x86 file's logits, relative to the largest logit."""

    files: dict[str, Path]
    difference: float


def convert(folder: str | Path, python: str | Path | None = None) -> Converted:
    """Convert the export in `folder` to `folder`/lite/model_arm.nb and model_x86.nb, and write lite/classes.txt.

    That file lists the network's stride, mean and std, and the colour and name of each class, for a program on the
    phone. The graph "coarse" takes normalised images, their last row and column repeated up to multiples of the stride.
    `python` is an interpreter with Paddle Lite, by default that of `environment`. Raises CourseError if the export
    outputs labels, Python 3.10 is missing, the conversion fails, or the x86 file computes other logits.
    """
    exported = Export.read(folder)
    if exported.graph == "labels":
        raise CourseError(f'{folder} outputs labels: Paddle Lite converts exports with graph="coarse" or "logits".')
    python = python or environment()
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, 128, 256)).astype(np.float32)
    with Predictor(folder, "paddle") as predictor, tempfile.TemporaryDirectory(prefix="lite-") as temporary:
        work = Path(temporary)
        inputs, outputs = work / "inputs.npy", work / "outputs.npy"
        np.save(inputs, x)
        _run([python, "-c", _SCRIPT, *exported.files("legacy"), work / "model", inputs, outputs], f"convert {folder}")
        expected = predictor.raw(x)
        difference = float(np.abs(np.load(outputs, allow_pickle=False) - expected).max() / np.abs(expected).max())
        if not difference <= TOLERANCE:
            raise CourseError(f"Paddle Lite's logits differ by {difference:.2g} of the largest: nothing was written.")
        files = {target: exported.folder / "lite" / f"model_{target}.nb" for target in TARGETS}
        for target, file in files.items():
            with atomic_path(file) as temporary_file:
                shutil.copy(work / f"model_{target}.nb", temporary_file)
    write_text(exported.folder / "lite" / TABLE, class_table(exported.classes, exported.stride))
    return Converted(files, difference)


def environment() -> Path:
    """Return the Python of .venv-lite; create the environment if necessary.

    Raises CourseError if Python 3.10 is missing or the installation fails.
    """
    ready, python = ENVIRONMENT / ".ready", ENVIRONMENT / "bin" / "python"
    if ready.is_file() and python.exists():
        return python
    base = find_python()
    print(f"Creating {ENVIRONMENT.name} with {base}: once, 200 MB.", flush=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    for command in ([base, "-m", "venv", ENVIRONMENT], install):
        _run(command, f"be installed in {ENVIRONMENT}")
    ready.touch()
    return python


def _run(command: list[str | Path], action: str) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        message = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise CourseError(f"Paddle Lite could not {action} (exit code {done.returncode}): {message}")


def find_python() -> Path:
    """Return a Python 3.10: $LITE_PYTHON, python3.10 in PATH, or one of pyenv. Raises CourseError if none exists."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    named = [os.environ.get("LITE_PYTHON"), shutil.which("python3.10"), *sorted(pyenv.glob("3.10*/bin/python"))]
    for candidate in filter(None, named):
        command = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError:
            continue
        if done.stdout.strip() == "3.10":
            return Path(candidate)
    raise CourseError(
        "Paddle Lite needs Python 3.10 or older, found no Python 3.10: install one (such as by pyenv install 3.10), or "
        "set LITE_PYTHON=/path/to/python3.10."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder of an export, such as outputs/mini/05/fastscnn")
    folder = parser.parse_args().folder

    def run() -> None:
        converted = convert(folder)
        for target, file in converted.files.items():
            print(f"{target}: {file}, {file.stat().st_size / 1e6:.1f} MB")
        print(f"x86 file tested: its logits differ by at most {converted.difference:.1g} of the largest")

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
