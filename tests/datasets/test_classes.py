"""The classes of a data set: lookups by hand, and every mistake in one sentence."""

import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, Classes

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_default_values_are_train_ids():
    classes = Classes(("leaf", "soil"), (GREEN, RED))
    assert len(classes) == 2 and classes.index("soil") == 1
    assert classes.values == (0, 1) and classes.ignored == (IGNORE,) and classes.stored_as_train_ids
    assert classes.lookup.tolist() == [0, 1] + [255] * 254
    assert np.flatnonzero(classes.valid).tolist() == [0, 1, 255]
    assert classes.category_names == () and classes.group("thin") == ()


def test_values_and_ignored_values():
    classes = Classes(("leaf", "soil", "pest"), (GREEN, RED, BLUE), values=(255, 7, 0), ignored=(3, 200))
    assert not classes.stored_as_train_ids
    assert classes.lookup[[255, 7, 0, 3, 200, 9]].tolist() == [0, 1, 2, 255, 255, 255]
    assert np.flatnonzero(classes.valid).tolist() == [0, 3, 7, 200, 255]


def test_a_class_may_have_the_value_255_if_nothing_else_has():
    assert Classes(("a", "b"), (RED, BLUE), values=(0, 255), ignored=()).lookup[255] == 1
    assert Classes(("a", "b"), (RED, BLUE), ignored=()).stored_as_train_ids


def test_palette_and_colorize():
    classes = Classes(("leaf", "soil"), (GREEN, RED))
    assert classes.palette.dtype == np.uint8 and classes.palette.tolist() == [[0, 255, 0], [255, 0, 0]]
    coloured = classes.colorize(np.array([[0, 1, 255, 9]]))
    assert coloured.dtype == np.uint8 and coloured.tolist() == [[[0, 255, 0], [255, 0, 0], [0, 0, 0], [0, 0, 0]]]


def test_categories_and_groups():
    classes = Classes(
        ("car", "road", "bus"),
        (RED, GREEN, BLUE),
        categories=("vehicle", "flat", "vehicle"),
        groups=(("large", ("bus", "road")), ("none", ())),
    )
    assert classes.category_names == ("vehicle", "flat")
    assert classes.group("large") == (2, 1) and classes.group("none") == () == classes.group("unknown")


def test_254_classes_are_possible():
    classes = Classes(tuple(map(str, range(254))), tuple((i, 0, 0) for i in range(254)))
    assert classes.lookup[253] == 253 and classes.lookup[254] == IGNORE


def two(names=("leaf", "soil"), colours=(GREEN, RED), **others):
    return names, colours, others


@pytest.mark.parametrize(
    "arguments, words",
    [
        (two((), ()), ["at least two classes", "none"]),
        (two(("leaf",), (GREEN,)), ["at least two classes", "leaf", "background"]),
        (two(tuple(map(str, range(255))), tuple((i, 0, 0) for i in range(255))), ["at most 254", "255", "merge"]),
        (two(("leaf", "leaf")), ["different name", "'leaf'", "class 0", "class 1"]),
        (two(("leaf", " ")), ["line of text", "' '"]),
        (two(("leaf", "so\nil")), ["line of text", "so\\nil"]),
        (two(colours=(RED, RED)), ["different color", "(255, 0, 0)", "class 0 (leaf)", "class 1 (soil)"]),
        (two(colours=(RED,)), ["colours for all 2", "got 1"]),
        (two(colours=(RED, (0, 0, 256))), ["color of three numbers from 0 to 255", "soil", "256"]),
        (two(colours=(RED, (0, 0))), ["color of three numbers", "soil"]),
        (two(values=(3, 3)), ["different value", "3", "leaf", "soil"]),
        (two(values=(3,)), ["values for all 2"]),
        (two(values=(0, 256)), ["0 to 255", "256", "soil"]),
        (two(values=(-1, 0)), ["0 to 255", "-1", "leaf"]),
        (two(ignored=(300,)), ["0 to 255", "300", "ignore"]),
        (two(ignored=(1,)), ["value 1", "soil", "ignored"]),
        (two(values=(0, 255)), ["value 255", "soil", "ignored"]),
        (two(categories=("plant",)), ["category for all 2 classes or for none", "got 1"]),
        (two(groups=(("thin", ("pole",)),)), ["group thin", "'pole'", "not a class"]),
    ],
)
def test_mistakes_are_named_in_one_sentence(arguments, words):
    names, colours, others = arguments
    with pytest.raises(CourseError) as caught:
        Classes(names, colours, **others)
    text = str(caught.value)
    assert all(word in text for word in words) and "\n" not in text and text.endswith("."), text


def test_unknown_class():
    with pytest.raises(CourseError, match="no class 'tree': choose one of leaf, soil"):
        Classes(("leaf", "soil"), (GREEN, RED)).index("tree")
