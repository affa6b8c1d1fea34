"""Near-duplicates: variants of an image are on one side of the threshold, different frames on the other."""

import cv2
import numpy as np
import pytest
from tiny_leaves import draw

from helpers.datasets import open_dataset, read_image
from helpers.datasets.checking.duplicates import SIMILAR, signature


def jpeg(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def crop(image, share):
    height, width = image.shape[:2]
    y, x = round(height * share), round(width * share)
    return image[y : height - y, x : width - x]


VARIANTS = {
    "the same": lambda image: image,
    "JPEG of quality 30": lambda image: jpeg(image, 30),
    "brighter": lambda image: np.clip(image * 1.3 + 15, 0, 255).astype(np.uint8),
    "darker": lambda image: (image * 0.5).astype(np.uint8),
    "2 % cropped on each side": lambda image: crop(image, 0.02),
    "half the size": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "noise": lambda image: np.clip(image + np.random.default_rng(0).normal(0, 10, image.shape), 0, 255).astype(
        np.uint8
    ),
    "grey": lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
}


@pytest.fixture(scope="module")
def photos(streets):
    """Images of generated streets, which share sky and road."""
    data = open_dataset(streets)
    return [read_image(frame) for split in ("train", "val", "test") for frame in data.frames(split)]


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_similar(photos, name):
    worst = min(float(signature(image) @ signature(VARIANTS[name](image))) for image in photos)
    assert worst > SIMILAR + 0.1


def test_different_frames_are_not(photos):
    table = np.array([signature(image) for image in [*photos, *(draw(seed, (96, 128))[0] for seed in range(40))]])
    similarities = np.abs(table @ table.T)[np.triu_indices(len(table), 1)]
    assert similarities.max() < SIMILAR - 0.1


def test_a_flat_image_has_no_signature():
    assert not signature(np.full((32, 32, 3), 90, dtype=np.uint8)).any()
    assert np.linalg.norm(signature(draw(0)[0])) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["the same", "JPEG of quality 30", "brighter"])
def test_a_copy_in_another_split_is_found(leaves, name):
    image, label = draw(1)
    leaves.write(leaves.new_frame("val", "south", "copy"), VARIANTS[name](image), label)
    (found,) = leaves.check().findings
    assert (found.kind, found.severity, found.split) == ("near-duplicate", "warning", "val")
    assert (found.path.name, found.other) == ("copy.png", leaves.frame("train", 1).image)
    assert "images/train/north/shot_1.png (distance 0." in found.text and "to the same split" in found.text
    assert ("is the image" in found.text) == (name == "the same")


def test_a_mirrored_copy_is_found(leaves):
    image, _ = draw(5)
    leaves.write(leaves.frame("test", 1), np.ascontiguousarray(image[:, ::-1]))
    (found,) = leaves.check().findings
    assert found.kind == "near-duplicate" and "the mirror image images/val/south/shot_1.png" in found.text


def test_a_copy_in_the_same_split_is_sound(leaves):
    leaves.write(leaves.new_frame("train", "north", "copy"), *draw(1))
    assert leaves.kinds() == {}
