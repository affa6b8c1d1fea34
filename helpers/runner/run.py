"""Execute the notebooks headless and write the report."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.common.locks import locked
from helpers.datasets import find_dataset
from helpers.notebook import output_folder
from helpers.profiles import load_profile
from helpers.runner import report
from helpers.runner.headless import check_parameters, execute
from helpers.runner.status import clock

NOTEBOOK_FOLDER = PROJECT / "notebooks"


def run(
    profile: str,
    *,
    only: str = "",
    seed: int = 0,
    device: str = "auto",
    data_root: str = "",
    output_dir: str = "",
    notebooks: str | Path = "",
) -> Path:
    """Execute the notebooks in order, write them and report.html, and return the output folder.

    An earlier result is replaced only by a complete new one; the output of a failed notebook is kept as
    `<notebook>.partial.ipynb`.

    Parameters
    ----------
    profile : str
        Name of a profile in helpers/profiles.toml.
    only : str, optional
        Notebooks to execute: "04", "02,03" or "02-04"; by default all.
    seed : int, default 0
        Seed of all random numbers.
    device : str, default "auto"
        Device of the networks: auto, cpu or gpu:0.
    data_root : str, optional
        Folder with a `dataset.toml`, or in the layout of Cityscapes; by default the data set of the profile.
    output_dir : str, optional
        Folder of the executed notebooks and their outputs; by default see `output_folder`.
    notebooks : str or Path, optional
        Folder of the notebooks; by default notebooks/.

    Raises CourseError for invalid arguments or missing data, and NotebookFailed at the first notebook that fails.
    """
    settings = load_profile(profile)
    available = select(Path(notebooks or NOTEBOOK_FOLDER), "")
    sources = select(Path(notebooks or NOTEBOOK_FOLDER), only)
    if seed < 0:
        raise CourseError(f"SEED must be at least 0, got {seed}.")
    parameters: dict[str, Any] = {"PROFILE": profile, "SEED": seed}
    if device != "auto":
        parameters["DEVICE"] = device
    data = None
    if data_root or settings.data.kind == "cityscapes":
        data = find_dataset(data_root, default=PROJECT / "data" / "cityscapes")  # fail now, not after half an hour
        parameters["DATA_ROOT"] = str(data.root.resolve())  # the notebooks run in another working directory
    folder = output_folder(settings, data)
    if output_dir:
        folder = Path(output_dir).expanduser().resolve()
        parameters["OUTPUT_DIR"] = str(folder)
    for source in sources:
        check_parameters(source, parameters)

    with locked(folder, "choose another OUTPUT_DIR"):
        started = time.monotonic()
        for source in sources:
            execute(source, folder / source.name, parameters, cell_timeout_s=settings.cell_timeout_s)
        if len(sources) > 1:
            print(f"{len(sources)} notebooks in {clock(time.monotonic() - started)}")
        page = report.build(folder, [folder / path.name for path in available], profile=profile)
        print(f"report: {page} ({page.stat().st_size / 1e6:.1f} MB)")
    return folder


def select(folder: Path, only: str) -> list[Path]:
    """Return the notebooks NN_*.ipynb of `folder` selected by `only`, in order; raise CourseError if one is unknown."""
    available = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not available:
        raise CourseError(f"Expected notebooks like 01_explore_cityscapes.ipynb in {folder}, found none.")
    if not only.strip():
        return list(available.values())
    selected: set[str] = set()
    for part in only.split(","):
        match = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise CourseError(f"Expected ONLY like 04, 02,03 or 02-04, got {only!r}.")
        selected |= {f"{number:02d}" for number in range(int(match[1]), int(match[2] or match[1]) + 1)}
    for number in sorted(selected):
        if number not in available:
            raise CourseError(f"Notebook {number} of ONLY={only} does not exist: choose from {', '.join(available)}.")
    return [available[number] for number in sorted(selected)]
