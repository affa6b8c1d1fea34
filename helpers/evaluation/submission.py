"""Predictions as the Cityscapes benchmark takes them: label ids, full resolution, official names."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from paddle import nn

from helpers.cityscapes import Frame, read_image
from helpers.cityscapes.annotations import to_label_ids
from helpers.cityscapes.png import read_header
from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.common.progress import progress
from helpers.evaluation.opening import PredictFn, Segmenter, open_network
from helpers.evaluation.pictures import write_picture

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

    `source` and `options` are those of `open_network`. With `resume`, a frame whose file is there already, in the
    frame's own size, is left alone: an interrupted run of the same network goes on where it stopped. With `archive` the
    files also go into `folder`.zip, which is what the benchmark server wants. Returns the folder, or the archive.

    Raises CourseError when there are no frames, or `folder` holds predictions of other frames: the evaluator would find
    two files for one frame, or files without one.
    """
    frames, folder = list(frames), Path(folder)
    if not frames:
        raise CourseError("There is nothing to predict: the list of frames is empty.")
    wanted = {f"{frame.stem}{NAME_END}": frame for frame in frames}
    strange = sorted(path.name for path in folder.glob("*") if path.suffix == ".png" and path.name not in wanted)
    if strange:
        raise CourseError(f"{folder} holds {strange[0]}, which is of none of these frames: choose an empty folder.")
    network = open_network(source, **options)
    for name, frame in progress(wanted.items(), desc=desc, unit="frame"):
        if resume and (folder / name).is_file() and read_header(folder / name).size == read_header(frame.image).size:
            continue
        image = read_image(frame)
        labels = network(image)
        if labels.shape != image.shape[:2]:
            raise CourseError(
                f"{frame.stem}: the prediction has {labels.shape[1]} x {labels.shape[0]} pixels and the frame "
                f"{image.shape[1]} x {image.shape[0]}: the benchmark wants the size of the frame."
            )
        write_picture(folder / name, to_label_ids(labels))  # road 7, ..., bicycle 33
    if not archive:
        return folder
    with (
        atomic_path(folder.with_name(f"{folder.name}.zip")) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed,
    ):
        for name in wanted:
            packed.write(folder / name, name)
    return folder.with_name(f"{folder.name}.zip")
