"""Mistakes in names and splits: each planted one is found, and nothing else."""

import shutil

import numpy as np
import pytest
from tiny_leaves import draw

pytestmark = pytest.mark.filterwarnings("error")


def only(leaves):
    """The single finding of a set."""
    (found,) = leaves.check().findings
    return found


def test_a_sound_set_has_no_findings(leaves):
    report = leaves.check()
    assert report.findings == () and report.ok
    assert "Checked 9 frames" in str(report) and "no problems found" in str(report)


def test_an_image_without_a_label(leaves):
    leaves.frame("val", 1).label.unlink()
    found = only(leaves)
    assert (found.kind, found.severity, found.split) == ("missing-label", "error", "val")
    assert found.path == leaves.frame("val", 1).image
    assert found.text == "has no label labels/val/south/shot_1.png: add the label or remove the image"


def test_a_label_in_another_format_is_named(leaves):
    label = leaves.frame("val").label
    label.rename(label.with_suffix(".bmp"))
    found = only(leaves)
    assert found.kind == "missing-label" and found.text.endswith("save shot_0.bmp in its folder as shot_0.png")


def test_a_label_without_an_image(leaves):
    leaves.frame("train", 2).image.unlink()
    found = only(leaves)
    assert (found.kind, found.severity) == ("orphan-label", "warning")
    assert found.path == leaves.root / "labels/train/north/shot_2.png"


@pytest.mark.parametrize("name", ["{}_mask", "mask_{}", "a_{}_b"])
def test_labels_named_differently_throughout_are_one_finding_with_the_pattern(leaves, name):
    for frame in leaves.dataset.list_frames("train"):
        frame.label.rename(frame.label.with_stem(name.format(frame.stem)))
    found = only(leaves)
    assert found.kind == "name-pattern"
    assert found.text.endswith(f'set labels = "labels/{{split}}/{{group}}/{name.format("{stem}")}.png"')


@pytest.mark.parametrize("name", ["SHOT_0.png", "shot_0.PNG"])
def test_a_label_whose_name_differs_in_case(leaves, name):
    label = leaves.frame("train").label
    label.rename(label.with_name(name))
    found = only(leaves)
    assert found.kind == "name-case" and found.path.name == name and found.text.endswith("rename it to shot_0.png")


def test_frames_whose_names_differ_only_in_case(leaves):
    twin = leaves.new_frame("train", "north", "Shot_0")
    leaves.write(twin, *draw(50))
    found = only(leaves)
    assert (found.kind, found.severity) == ("case-twins", "warning")
    assert {found.path.name, found.other.name} == {"shot_0.png", "Shot_0.png"}


def test_a_stem_in_two_groups_of_a_split(leaves):
    twin = leaves.new_frame("train", "west", "shot_0")
    leaves.write(twin, *draw(50))
    found = only(leaves)
    assert found.kind == "repeated-stem" and found.path == twin.image
    assert found.text.startswith("has the stem of images/train/north/shot_0.png: rename one")


def test_a_group_in_two_splits(leaves):
    leaves.write(leaves.new_frame("val", "north", "shot_9"), *draw(50))
    found = only(leaves)
    assert (found.kind, found.severity) == ("shared-group", "warning")
    assert found.text.startswith("the group north is in train (4 frames) and val (1 frames)")


def test_a_split_without_frames(leaves):
    shutil.rmtree(leaves.root / "images/val")
    shutil.rmtree(leaves.root / "labels/val")
    found = only(leaves)
    assert (found.kind, found.split) == ("empty-split", "val")
    assert found.text == "has no frames: add images as images/val/*/*.*, with their labels"


def test_no_frames_at_all(leaves):
    for name in ("images", "labels"):
        shutil.rmtree(leaves.root / name)
    report = leaves.check()
    assert [each.kind for each in report.findings] == ["empty-split", "empty-split"]
    assert report.splits["frames"].sum() == 0 and "2 errors" in str(report)


def test_a_train_split_smaller_than_a_batch(leaves):
    for position in (3, 2, 1):
        frame = leaves.frame("train", position)
        frame.image.unlink()
        frame.label.unlink()
    assert leaves.kinds() == {"small-train": 1}


def test_a_set_without_test_frames_is_sound(leaves):
    shutil.rmtree(leaves.root / "images/test")
    assert leaves.kinds() == {}


def test_labels_of_some_test_frames_only(leaves):
    leaves.write(leaves.frame("test"), label=draw(7)[1])
    assert leaves.kinds() == {"missing-label": 1}
    leaves.write(leaves.frame("test", 1), label=draw(8)[1])
    assert leaves.kinds() == {}


def test_names_with_spaces_and_other_scripts(leaves):
    image, label = draw(60)
    leaves.write(leaves.new_frame("train", "север 1", "лист №1 (копия)"), image, label)
    assert leaves.kinds() == {}
    leaves.write(leaves.new_frame("train", "север 1", "лист №2"), np.roll(image, 20, 1))
    assert leaves.kinds() == {"missing-label": 1}
