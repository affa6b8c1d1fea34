"""Compare engines as a user of them does: latency, memory, agreement with the exported network, and mIoU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.common.errors import CourseError
from helpers.deployment import Predictor, agreement, machine, measure
from helpers.evaluation.scores import confusion_matrix, scores

LabelFn = Callable[[np.ndarray], np.ndarray]


def compare_engines(
    exports: Mapping[str, str | Path],
    engines: Sequence[str],
    references: Mapping[str, LabelFn],
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    *,
    warmup: int,
    repeats: int,
) -> pd.DataFrame:
    """Run every export with every engine; all are timed in the same interleaved rounds.

    Parameters
    ----------
    exports : mapping of str to path
        Folders of exported models, by network.
    engines : sequence of str
        Names from `helpers.deployment.ALL_ENGINES`.
    references : mapping of str to callable
        For each network the predictions that count as right: uint8 RGB (H, W, 3) to train ids (H, W).
    images : sequence of ndarray
        Frames, uint8 (H, W, 3). The first one is timed.
    labels : sequence of ndarray
        Their train ids, uint8 (H, W).
    warmup, repeats : int
        Rounds that are not counted, and that are.

    Returns
    -------
    DataFrame
        A row per network and engine: median milliseconds `ms`, peak memory of the first prediction `MB in use`,
        `MB of file`, share of equal labels `agreement`, `mIoU`.

    Raises
    ------
    CourseError
        If there is no image, or not a label for each.
    """
    if not images or len(images) != len(labels):
        raise CourseError(f"Expected images with a label each, got {len(images)} images and {len(labels)} labels.")
    expected = {name: [references[name](image) for image in images] for name in exports}
    rows = {}
    with ExitStack() as opened:
        predictors = {
            (name, engine): opened.enter_context(Predictor(folder, engine))
            for name, folder in exports.items()
            for engine in engines
        }
        for key, predictor in predictors.items():
            memory = machine.extra_megabytes(lambda predictor=predictor: predictor(images[0]))
            found = [predictor(image) for image in images]
            classes = predictor.export.num_classes
            matrix = sum(confusion_matrix(one, two, classes) for one, two in zip(found, labels, strict=True))
            same = [agreement(one, two) for one, two in zip(found, expected[key[0]], strict=True)]
            rows[key] = {
                "MB in use": memory,
                "MB of file": predictor.export.megabytes,
                "agreement": np.mean(same),
                "mIoU": scores(matrix).miou,
            }
        timed = measure(predictors, images[0], warmup=warmup, repeats=repeats)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.insert(0, "ms", [timed[key].median_ms for key in rows])
    table.index = pd.MultiIndex.from_tuples(rows, names=["network", "engine"])
    return table
