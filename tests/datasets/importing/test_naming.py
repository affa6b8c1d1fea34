"""What the names of folders and files say: the split, the role, and what belongs together."""

from __future__ import annotations

import pytest
from small_masks import image, mask

from helpers.datasets.importing.naming import base_stem, role_of, split_name
from helpers.datasets.importing.pairs import read


@pytest.mark.parametrize(
    ("folder", "split"),
    [("train", "train"), ("Training", "train"), ("train_labels", "train"), ("trainannot", "train"), ("val2017", "val"),
     ("validation", "val"), ("valid", "val"), ("test_images", "test"), ("testing", "test"),
     ("labels", None), ("test1", None),

     ("instances_val2017", "val"), ("tramway", None), ("images_train", "train"),
     ("latest", None)],
)  # fmt: skip
def test_split_name(folder, split):
    assert split_name(folder) == split


@pytest.mark.parametrize(
    ("folder", "role"),
    [("train", None), ("trainannot", "label"), ("701_StillsRaw_full", "image"), ("LabeledApproved_full", "label"),
     ("JPEGImages", "image"), ("SegmentationClass", "label"), ("val_labels", "label"), ("masks", "label"),
     ("ground_truth", "label"), ("gt", "label"), ("img", "image"), ("seq05", None), ("berlin", None)],
)  # fmt: skip
def test_role(folder, role):
    assert role_of(folder) == role


def test_base_stem():
    assert [base_stem(name) for name in ("a_L", "a_mask", "a", "b-label", "c_gt", "d_leftImg8bit", "_mask", "e_P")] == [
        "a", "a", "a", "b", "c", "d", "_mask", "e"
    ]  # fmt: skip


def test_names_in_other_encodings_and_cases(tmp_path):
    image(tmp_path / "in" / "images" / "Caf\u00e9.JPG")  # é as one character, and as two
    mask(tmp_path / "in" / "masks" / "cafe\u0301_MASK.png")
    (item,) = read(tmp_path / "in").items
    assert item.stem == "Caf\u00e9" and item.label.file.name == "cafe\u0301_MASK.png"
