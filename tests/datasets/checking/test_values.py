"""Mistakes in the values of labels: each planted one is found, with its cure, and nothing else."""

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import write_set

from helpers.datasets.checking import check
from helpers.datasets.checking.facts import ramps
from helpers.datasets.regions import runs

BORDER = 255


def only(leaves):
    (found,) = leaves.check().findings
    return found


def table(*values):
    """A change of labels: the value of each class."""
    return lambda label: np.array(values, dtype=np.uint8)[label]


def two_classes(leaves, **changes):
    classes = leaves.dataset.classes
    leaves.describe(names=classes.names[:2], colours=classes.colours[:2], **{"values": (0, 1), **changes})


def test_masks_of_0_and_255(leaves):
    """The worst mistake: 255 is ignored, so training succeeds, and the score of a network without a leaf is perfect."""
    two_classes(leaves)
    leaves.relabel(table(0, 255, 255))
    found = only(leaves)
    assert (found.kind, found.severity, found.path) == ("binary-labels", "error", leaves.root / "labels")
    assert found.text == (
        "all labels hold only 0 and 255: 0 is soil, but 255 is ignored, so that a network never learns leaf; set "
        "`value = 255` for leaf and `ignore = []` in dataset.toml"
    )
    two_classes(leaves, values=(0, 255), ignored=())  # the cure
    assert leaves.kinds() == {}


def test_one_mask_of_0_and_255_among_others(leaves):
    frame = leaves.frame("train", 2)
    leaves.relabel(table(0, 255, 255), [frame])
    found = only(leaves)
    assert (found.kind, found.severity, found.path) == ("some-binary-labels", "warning", frame.label)
    assert "no other label has it" in found.text
    leaves.relabel(lambda label: np.full_like(label, BORDER), [leaves.frame("val")])
    assert leaves.kinds() == {"some-binary-labels": 1, "all-ignored": 1}


def test_ignored_pixels_in_some_labels_are_sound(leaves):
    leaves.relabel(lambda label: np.where(np.arange(64) < 5, BORDER, label), leaves.labelled()[:3])
    assert leaves.kinds() == {}


def test_label_ids_taken_for_train_ids(leaves):
    leaves.relabel(table(7, 8, 26))
    found = only(leaves)
    assert found.kind == "label-ids"
    assert found.text.startswith("values up to 26, with 7, 8, 26, are label ids of Cityscapes, not train ids")


def test_label_ids_in_the_layout_of_cityscapes(tmp_path):
    """The official label ids under the name of train ids, in the layout without a dataset.toml."""
    write_set(tmp_path)
    for path in tmp_path.rglob("*_labelIds.png"):
        path.rename(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    kinds = [each.kind for each in check(tmp_path, workers=1).findings]
    assert "label-ids" in kinds and "unknown-value" not in kinds and "absent-class" not in kinds


def test_train_ids_where_the_table_states_values(leaves):
    leaves.describe(values=(7, 8, 26))
    found = only(leaves)
    assert found.kind == "train-ids" and "remove `value` from the classes" in found.text
    leaves.relabel(table(7, 8, 26))
    assert leaves.kinds() == {}


def test_values_from_1(leaves):
    leaves.relabel(table(1, 2, 3))
    found = only(leaves)
    assert found.kind == "off-by-one"
    assert found.text == (
        "values run from 1 to 3, but dataset.toml counts from 0, so that soil is learned as leaf: set `value = 1` for "
        "soil and so on, up to 3 for spot"
    )
    leaves.describe(values=(1, 2, 3))
    assert leaves.kinds() == {}


def test_one_value_more_than_classes(leaves):
    leaves.relabel(lambda label: np.where(np.arange(64) < 5, 0, label + 1))
    found = only(leaves)
    assert found.kind == "off-by-one" and "values run from 0 to 3, one more than the 3 classes" in found.text


def test_a_table_that_starts_with_a_class_too_many(leaves):
    leaves.relabel(table(0, 1, 1))
    found = only(leaves)
    assert (found.kind, found.severity) == ("shifted-table", "warning")
    assert found.text.startswith("labels show the values 0 to 1, each of them, but never 2 (spot)")


def test_an_unknown_value(leaves):
    frame = leaves.frame("val", 2)

    def plant(label):
        label = label.copy()
        label[:2, :3] = 77
        return label

    leaves.relabel(plant, [frame])
    found = only(leaves)
    assert (found.kind, found.path) == ("unknown-value", frame.label)
    assert found.text == (
        "has 77 in 6 of 3072 pixels, which no class of dataset.toml has: correct the label, add the class, or add the "
        "value to `ignore`"
    )
    leaves.describe(ignored=(77, 255))
    assert leaves.kinds() == {}


def test_values_spread_out_for_viewing(leaves):
    leaves.relabel(table(0, 100, 200))
    report = leaves.check()
    assert {each.kind for each in report.findings} == {"unknown-value"} and len(report.findings) == 7
    assert "its values 0, 100, 200 are spread out for viewing: set the `value`" in report.findings[0].text
    assert "... and 4 more, use --all" in str(report)


def test_a_label_that_was_a_jpeg(leaves):
    frame = leaves.frame("train")
    leaves.describe(values=(0, 100, 200))
    leaves.relabel(table(0, 100, 200))
    assert leaves.kinds() == {}
    data = cv2.imencode(".jpg", np.asarray(Image.open(frame.label)))[1]
    leaves.write(frame, label=cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
    found = only(leaves)
    assert (found.kind, found.path) == ("blurred-label", frame.label) and "after JPEG compression" in found.text


def test_a_label_resized_with_interpolation(leaves):
    """With 9 classes in a row, the values between those of two classes are all those of other classes."""
    names = tuple(f"class {number}" for number in range(9))
    leaves.describe(names=names, colours=tuple((number, 0, 0) for number in range(9)), values=())
    leaves.relabel(table(0, 4, 8))
    frame = leaves.frame("train")
    small = np.asarray(Image.open(frame.label))[::2, ::2]
    leaves.write(frame, label=cv2.resize(small, (64, 48), interpolation=cv2.INTER_LINEAR))
    assert leaves.kinds()["blurred-label"] == 1
    leaves.write(frame, label=cv2.resize(small, (64, 48), interpolation=cv2.INTER_NEAREST))
    assert "blurred-label" not in leaves.kinds()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0, 0, 5, 9, 9]] * 3, (0.5, 1)),  # two steps per row, one of them through 5
        ([[9, 6, 4, 0]], (2 / 3, 2)),
        ([[0, 9, 0, 9]], (0.0, 0)),
        ([[0, 5, 5, 9]], (0.0, 0)),  # an area, not a border
        ([[0, 0, 5], [5, 9, 9]], (0.0, 0)),  # rows end
        ([[7]], (0.0, 0)),
        ([[1], [2], [3]], (0.0, 0)),
    ],
)
def test_ramps_by_hand(rows, expected):
    values = np.array(rows, dtype=np.uint8)
    starts = runs(values)
    assert ramps(starts, values.ravel()[starts], values.shape) == expected


@pytest.mark.parametrize("count", [1, 2])
def test_a_set_of_one_or_two_labels_does_not_stop_it(leaves, count):
    for frame in leaves.labelled()[count:]:
        frame.image.unlink()
        frame.label.unlink()
    assert {"empty-split"} <= set(leaves.kinds())
