"""MiniScapes at the size of the mini profile: close to the published statistics, and not separable by colour."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.miniscapes import FRAME_SHARE, INSTANCES_PER_FRAME, PIXEL_SHARE, generate
from helpers.miniscapes.colour_baseline import fit

pytestmark = pytest.mark.timeout(1200)  # half a minute on two idle cores, far longer on a busy machine
CLASSES = list(PIXEL_SHARE)
IDS = dict(zip(CLASSES, (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33), strict=True))
TEN_COMMONEST = sorted(CLASSES, key=PIXEL_SHARE.get)[-10:]


@pytest.fixture(scope="module")
def mini(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp("miniscapes") / "mini")


def frames(root: Path, split: str):
    """(image RGB, train ids, instance ids) of a split."""
    for path in sorted(root.glob(f"gtFine/{split}/*/*_labelTrainIds.png")):
        image = (
            root / "leftImg8bit" / split / path.parent.name / path.name.replace("gtFine_labelTrainIds", "leftImg8bit")
        )
        instances = cv2.imread(str(path).replace("labelTrainIds", "instanceIds"), cv2.IMREAD_UNCHANGED)
        yield cv2.imread(str(image))[..., ::-1], cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), instances


@pytest.fixture(scope="module")
def counted(mini) -> dict:
    """Per split: pixel shares (19,), frame shares (19,), instances per frame by class name."""
    out = {}
    for split in ("train", "val"):
        pixels, shown, instances, count = np.zeros(19), np.zeros(19), dict.fromkeys(INSTANCES_PER_FRAME, 0), 0
        for _, label, ids in frames(mini, split):
            here = np.bincount(label.ravel(), minlength=256)[:19]
            pixels, shown, count = pixels + here, shown + (here > 0), count + 1
            single = np.unique(ids[ids >= 1000]) // 1000
            for name in instances:
                instances[name] += int((single == IDS[name]).sum())
        out[split] = (pixels / pixels.sum(), shown / count, {k: v / count for k, v in instances.items()})
    return out


@pytest.mark.parametrize("split", ["train", "val"])
def test_pixel_shares_are_within_a_factor_of_three(counted, split):
    names = CLASSES if split == "train" else TEN_COMMONEST
    ratio = {name: counted[split][0][CLASSES.index(name)] / PIXEL_SHARE[name] for name in names}
    assert {k: v for k, v in ratio.items() if not 1 / 3 < v < 3} == {}


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_class_occurs_in_every_split(counted, split):
    assert (counted[split][0] > 0).all()


def test_frame_shares_are_close_to_the_published_ones(counted):
    """Common classes are within 1/6; rare classes deliberately occur up to two and a half times as often."""
    for name, shown in zip(CLASSES, counted["train"][1], strict=True):
        if FRAME_SHARE[name] > 0.3:
            assert abs(shown - FRAME_SHARE[name]) < 1 / 6, (name, shown)
        else:
            assert 1 <= shown / FRAME_SHARE[name] < 2.5, (name, shown)


def test_instances_per_frame_are_close_to_the_published_ones(counted):
    ratio = {name: counted["train"][2][name] / INSTANCES_PER_FRAME[name] for name in INSTANCES_PER_FRAME}
    assert {k: v for k, v in ratio.items() if not 0.6 < v < 2} == {}


def test_colour_alone_does_not_identify_the_class(mini):
    baseline = fit((image, label) for image, label, _ in frames(mini, "train"))
    best = 0.0
    for balance in (0.0, 0.25, 0.5, 0.75, 1.0):
        matrix = np.zeros((19, 19), np.int64)
        for image, label, _ in frames(mini, "val"):
            known = label < 19
            guess = baseline.predict(image, balance)[known].astype(np.int64)
            matrix += np.bincount(label[known] * np.int64(19) + guess, minlength=361).reshape(19, 19)
        hit = np.diag(matrix)
        best = max(best, float((hit / (matrix.sum(0) + matrix.sum(1) - hit)).mean()))
        if balance == 0.0:  # a meaningful baseline: far better than always predicting the most common class
            assert hit.sum() / matrix.sum() > matrix.sum(1).max() / matrix.sum() + 0.1
    assert 0.08 < best < 0.35


@pytest.mark.parametrize("classes", [2, 25])
def test_colour_baseline_of_any_number_of_classes(classes):
    image, label = np.uint8([[[0, 0, 0], [255, 0, 0]]]), np.uint8([[0, classes - 1]])
    found = fit([(image, label)], classes)
    assert found.fine.shape[1] == classes
    np.testing.assert_array_equal(found.predict(image), label)
