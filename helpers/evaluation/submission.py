"""Write predictions for the Cityscapes benchmark: label ids, full resolution, official names."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from paddle import nn
from PIL import Image

from helpers.cityscapes import CITYSCAPES
from helpers.cityscapes.annotations import to_label_ids
from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.common.progress import progress
from helpers.datasets import Frame, read_image
from helpers.datasets.frames import read_png
from helpers.datasets.pictures import write_picture
from helpers.evaluation.opening import PredictFn, Segmenter, open_network, require_classes

# The server and cityscapesScripts' evaluator find "<city>_<sequence>_<frame>*.png" in any folder.
NAME_END = "_pred_labelIds.png"


def submit(
    source: Segmenter | nn.Layer | PredictFn | str | Path,
    frames: Sequence[Frame],
    folder: str | Path,
    *,
    desc: str = "predicting",
    archive: bool = False,
    resume: bool = False,
    **options,
) -> Path:
    """Write the prediction of every frame into `folder` as <city>_<sequence>_<frame>_pred_labelIds.png.

    Parameters
    ----------
    source : Segmenter, Layer, function, str or Path
        Network to predict with, see `open_network`.
    frames : sequence of Frame
        Frames to predict, at least one.
    folder : str or Path
        Folder for the predictions. It must not hold predictions of other frames, which the evaluator would find, too.
    desc : str, default "predicting"
        Title of the progress bar.
    archive : bool, default False
        Also write `folder`.zip for the benchmark server.
    resume : bool, default False
        Skip frames whose file exists and has the size of the frame, to continue an interrupted run of the same network.
    **options
        Further arguments of `open_network`.

    Returns
    -------
    Path
        The folder, or the archive.

    Raises
    ------
    CourseError
        If there are no frames, they are not of Cityscapes' classes, `folder` holds other predictions, or a prediction
        has another size than its frame.
    """
    frames, folder = list(frames), Path(folder)
    if not frames:
        raise CourseError("Expected at least one frame to predict, got an empty list.")
    data = frames[0].dataset
    if data.classes.names != CITYSCAPES.names:
        raise CourseError(
            f"Expected frames with the {len(CITYSCAPES)} classes of Cityscapes, which its benchmark server scores, got "
            f"{data.name} with {len(data.classes)} others: use `predict` for the images of other data."
        )
    if folder.name in ("", "..") or folder.exists() and not folder.is_dir():
        raise CourseError(f"Expected a folder with a name, got {folder}: choose one such as outputs/submission.")
    targets = {f"{frame.stem}{NAME_END}": frame for frame in frames}
    foreign = sorted(path.name for path in folder.glob("*.png") if path.name not in targets)
    if foreign:
        raise CourseError(f"{folder} holds {foreign[0]}, which belongs to no frame of the list: empty the folder.")
    network = open_network(source, **options)
    require_classes(network.num_classes, data, network.class_names)
    for name, frame in progress(targets.items(), desc=desc, unit="frame"):
        if resume and _is_complete(folder / name, frame):
            continue
        image = read_image(frame)
        labels = network(image)
        if labels.shape != image.shape[:2]:
            raise CourseError(
                f"{frame.stem}: expected a prediction of the size of the frame, {image.shape[1]} x {image.shape[0]} "
                f"pixels, got {labels.shape[1]} x {labels.shape[0]}."
            )
        write_picture(folder / name, to_label_ids(labels))  # road 7, ..., bicycle 33
    if not archive:
        return folder
    with (
        atomic_path(folder.with_name(f"{folder.name}.zip")) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed,
    ):
        for name in targets:
            packed.write(folder / name, name)
    return folder.with_name(f"{folder.name}.zip")


def _is_complete(path: Path, frame: Frame) -> bool:
    """Return whether a prediction of the frame's size exists; an empty or damaged file is predicted again."""
    try:
        with Image.open(frame.image) as image:  # reads the header only
            return read_png(path).shape == (image.height, image.width)
    except (CourseError, OSError):
        return False
