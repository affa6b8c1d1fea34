"""Classes that a split lacks, dominant, ignored and tiny ones: each planted case is found, and nothing else."""

import numpy as np
import pytest
from tiny_leaves import draw

from helpers.datasets.checking.balance import differ_by_a_slip


def only(leaves):
    (found,) = leaves.check().findings
    return found


def without(value, other=0):
    return lambda label: np.where(label == value, other, label)


def of(leaves, split):
    return leaves.dataset.list_frames(split)


def test_tables_by_hand(leaves):
    """Train: one label of 2/4 soil, 1/4 leaf, 1/4 ignored and three of soil only; val without spots."""
    quarters = np.repeat(np.repeat(np.array([[0, 0], [1, 255]], dtype=np.uint8), 24, axis=0), 32, axis=1)
    leaves.relabel(lambda label: np.zeros_like(label), of(leaves, "train"))
    leaves.write(leaves.frame("train"), label=quarters)
    report = leaves.check()
    row = report.classes["train pixels %"]
    assert row["soil"] == pytest.approx(100 * 3.5 / 3.75) and row["leaf"] == pytest.approx(100 * 0.25 / 3.75)
    assert report.classes["train frames %"].tolist() == [100, 25, 0]
    assert report.classes["val frames %"].tolist() == [100, 100, 100]
    assert report.splits.loc["train", "ignored %"] == pytest.approx(6.25)
    assert report.splits["frames"].to_dict() == {"train": 4, "val": 3, "test": 2}
    assert report.splits["labelled"].to_dict() == {"train": 4, "val": 3, "test": 0}
    assert report.splits["groups"].tolist() == [1, 1, 1] and report.splits["size"].tolist() == ["64 x 48"] * 3


def test_a_class_that_train_never_shows(leaves):
    leaves.relabel(without(2), of(leaves, "train"))
    found = only(leaves)
    assert (found.kind, found.severity, found.split) == ("not-in-train", "warning", "train")
    assert found.text.startswith("spot is in val but never here, so a network cannot learn it")


def test_a_class_that_val_never_shows(leaves):
    leaves.relabel(without(2), of(leaves, "val"))
    found = only(leaves)
    assert (found.kind, found.split) == ("not-in-val", "val") and "its score is not defined" in found.text


def test_a_class_that_test_never_shows(leaves):
    for seed, frame in enumerate(of(leaves, "test")):
        leaves.write(frame, label=without(2)(draw(seed)[1]))
    found = only(leaves)
    assert (found.kind, found.severity) == ("not-in-test", "note")
    assert found.text.startswith("spot is in train and val but never here")


def test_a_class_that_no_label_shows(leaves):
    leaves.relabel(without(1, 2))
    found = only(leaves)
    assert (found.kind, found.split, found.path) == ("absent-class", "", None)
    assert found.text == "no label shows leaf: remove the class from dataset.toml, or add frames with it"


def test_a_class_with_nearly_all_pixels(leaves):
    def shrink(label):
        small = np.zeros_like(label)
        small[:3, :3], small[10:13, 10:13] = 1, 2  # 18 of 3072 pixels: 0.6 %
        return small

    leaves.relabel(shrink, of(leaves, "train"))
    found = only(leaves)
    assert (found.kind, found.split) == ("dominant-class", "train")
    assert found.text.startswith("soil has 99.41 % of the labelled pixels")


def test_mostly_ignored(leaves):
    leaves.relabel(lambda label: np.where((label == 0) & (np.arange(64) % 10 > 0), 255, label), of(leaves, "val"))
    found = only(leaves)
    assert (found.kind, found.split) == ("mostly-ignored", "val") and "% of the pixels are ignored" in found.text


def test_a_label_of_which_all_is_ignored(leaves):
    leaves.relabel(lambda label: np.where(np.arange(64) < 2, 255, label))
    frame = leaves.frame("train", 3)
    leaves.relabel(lambda label: np.full_like(label, 255), [frame])
    found = only(leaves)
    assert (found.kind, found.path) == ("all-ignored", frame.label)


def test_official_test_labels_are_all_ignored_and_sound(leaves):
    for frame in of(leaves, "test"):
        leaves.write(frame, label=np.full((48, 64), 255, dtype=np.uint8))
    assert leaves.kinds() == {}


def test_a_class_of_tiny_regions(leaves):
    def specks(label):
        label = without(2)(label)
        label[5, 5:8] = 2  # 3 of 3072 pixels: 0.98 per mille
        label[40, 50] = 2
        return label

    leaves.relabel(specks)
    found = only(leaves)
    assert (found.kind, found.severity) == ("tiny-regions", "note")
    assert found.text.startswith("the largest region of spot covers 0.98 per mille of its image")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("laef", "leaf", True),
        ("leafs", "leaf", True),
        ("Traffic_Light", "traffic light", True),
        ("bycicle", "bicycle", True),
        ("CAR", "car", True),
        ("car", "cat", False),
        ("train", "terrain", False),
        ("rider", "ride", True),
        ("wall", "fence", False),
        ("лист", "листь", True),
    ],
)
def test_slips_in_names(one, other, expected):
    assert differ_by_a_slip(one, other) == differ_by_a_slip(other, one) == expected


def test_a_rare_class_with_a_misspelt_name(leaves):
    """Two of 24 frames, one in each split, show leaves as another class, of which the name has two letters swapped."""
    classes = leaves.dataset.classes
    leaves.describe(names=(*classes.names, "laef"), colours=(*classes.colours, (9, 9, 9)), values=())
    for seed in range(20, 37):
        leaves.write(leaves.new_frame("train", "north", f"more_{seed}"), *draw(seed))
    for frame in (leaves.frame("train"), leaves.frame("val")):
        leaves.relabel(lambda label: np.where(label == 1, 3, label), [frame])
    found = only(leaves)
    assert (found.kind, found.severity) == ("similar-names", "warning")
    assert found.text.startswith("laef (2 frames) looks like a misspelling of leaf (22 frames): if so, import")
    assert found.path == leaves.frame("train").label
