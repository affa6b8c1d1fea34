"""The notebooks of the course: their names, and their files in a folder."""

from __future__ import annotations

from pathlib import Path

NOTEBOOKS = {
    "00": "00_play",
    "01": "01_explore_cityscapes",
    "02": "02_train_hrnet_uhrnet",
    "03": "03_evaluate",
    "04": "04_prune_fastscnn",
    "05": "05_deploy",
    "06": "06_your_own_data",
}


def notebooks(folder: str | Path) -> list[Path]:
    """Return the notebooks NN_*.ipynb of a folder in order, one per number.

    Of several with the same number, such as a copy that a reader has made, it is the one of the course.
    """
    paths = sorted(
        Path(folder).glob("[0-9][0-9]_*.ipynb"), key=lambda path: (path.stem in NOTEBOOKS.values(), path.name)
    )
    by_number = {path.name[:2]: path for path in paths}  # the last one counts
    return [by_number[number] for number in sorted(by_number)]
