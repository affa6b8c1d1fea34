"""The layout of Cityscapes: its folders, annotations and frames."""

from __future__ import annotations

from pathlib import Path

from helpers.common.errors import CourseError
from helpers.datasets.dataset import CITYSCAPES, DESCRIPTION, Dataset, Frame, read_description

ANNOTATIONS = {
    "color": "color.png",
    "instanceIds": "instanceIds.png",
    "labelIds": "labelIds.png",
    "labelTrainIds": "labelTrainIds.png",
    "polygons": "polygons.json",
}
_CHECK = "python -m helpers.datasets check"
IMAGE_END = "_leftImg8bit.png"


def layout(root: str | Path) -> Dataset:
    """Return the data set in the official layout of Cityscapes in `root`, without checking that it exists."""
    return read_description(CITYSCAPES, Path(root))


def new_frame(root: str | Path, split: str, city: str, stem: str) -> Frame:
    """Return the frame with this place in the layout; its files need not exist."""
    return Frame(layout(root), split, city, stem, Path(root) / "leftImg8bit" / split / city / f"{stem}{IMAGE_END}")


def check_layout(root: Path) -> None:
    """Raise CourseError unless `root` is a folder with leftImg8bit/ and gtFine/ and the classes of Cityscapes."""
    if not root.is_dir():
        raise CourseError(f"No data at {root}: pass the folder that contains leftImg8bit/ and gtFine/.")
    missing = [name for name in ("leftImg8bit", "gtFine") if not (root / name).is_dir()]
    if missing:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
        raise CourseError(
            f"{root} does not have the Cityscapes layout: {' and '.join(missing)} missing, found {found}; "
            f"pass the folder that contains leftImg8bit/ and gtFine/, or use `{_CHECK} {root}` for other data."
        )
    if (root / DESCRIPTION).is_file():
        data, official = read_description(root / DESCRIPTION, root), layout(root)
        if (data.images, data.labels, data.classes) != (official.images, official.labels, official.classes):
            raise CourseError(f"{root / DESCRIPTION} describes other files or classes: use `{_CHECK} {root}`.")


def list_frames(root: Path, split: str) -> list[Frame]:
    """Return the frames of a split, sorted by city and stem, without checking them."""
    return layout(root).list_frames(split)


def empty_cities(root: Path, split: str) -> list[Path]:
    """Return the city folders of a split that contain no image."""
    folder = root / "leftImg8bit" / split
    filled = {frame.group for frame in list_frames(root, split)}
    cities = sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))
    return [city for city in cities if city.name not in filled]
