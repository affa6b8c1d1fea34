"""The choice of classes from what occurs in a source."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.datasets.importing.colours import distinct_colours
from helpers.datasets.importing.items import IGNORED, NOTHING, Key
from helpers.datasets.importing.mapping import Found, Rules, choose_classes
from helpers.datasets.importing.tables import Row

POLYGONS = {NOTHING: 50, Key("car"): 30, Key("Car"): 5, Key("tree"): 10, Key("void"): 3, IGNORED: 2}


def choose(pixels: dict, names=(), **rules):
    """Return the names of the classes, the name (or None for ignored) of each key, and the notes."""
    found = {key: Found(count, 1, "a.json") for key, count in pixels.items()}
    table = rules.pop("table", None)
    chosen = choose_classes(found, Rules(table and tuple(table), **rules), names)
    name = {255: None, **dict(enumerate(chosen.classes.names))}
    return chosen.classes.names, {key: name[at] for key, at in chosen.train_ids.items()}, chosen.notes


def test_polygons():
    names, meaning, notes = choose(POLYGONS)
    assert names == ("background", "Car", "car", "tree")
    assert meaning[NOTHING] == "background" and meaning[Key("void")] is None and meaning[IGNORED] is None
    assert notes[0].startswith("50.0% of the pixels are in no polygon and become the class background")
    assert "Ignored, so they become 255: void." in notes
    assert "The classes Car and car differ only in case: --rename car=Car merges them." in notes


def test_polygons_as_the_user_wants_them():
    names, meaning, _ = choose(POLYGONS, rename={"Car": "car"}, background="ground", ignore=("tree",))
    assert names == ("ground", "car") and meaning[Key("Car")] == "car" and meaning[Key("tree")] is None
    names, meaning, _ = choose(POLYGONS, ignore=("background",))
    assert names == ("Car", "car", "tree") and meaning[NOTHING] is None
    names, meaning, _ = choose(POLYGONS, rename={"void": "hole"}, background="tree")
    assert names == ("tree", "Car", "car", "hole") and meaning[NOTHING] == "tree"
    assert choose({NOTHING: 1, Key("_background_"): 1, Key("a"): 1})[0] == ("_background_", "a")
    assert choose(POLYGONS, names=("tree", "car", "unused"))[0] == ("background", "tree", "car", "Car")


def test_polygons_with_a_table():
    table = [Row("tree", (1, 2, 3)), Row("car"), Row("bus"), Row("void")]
    with pytest.raises(CourseError, match=r"a.json has the class 'Car' \(in 1 frame, 5 pixels\), which the table of"):
        choose(POLYGONS, table=table)
    names, meaning, notes = choose(POLYGONS, table=table, rename={"Car": "car"})
    assert names == ("background", "tree", "car", "bus") and meaning[Key("Car")] == "car"
    assert "Classes without a pixel: bus." in notes
    _, meaning, _ = choose(POLYGONS, table=table, unknown="ignore")
    assert meaning[Key("Car")] is None


def test_values_and_palettes():
    grey = {Key(value=at): 10 for at in (0, 3, 7, 255)}
    assert choose(grey)[0] == ("class_0", "class_3", "class_7")
    assert choose(grey, ignore=("3",))[1][Key(value=3)] is None
    table = [Row("a", (0, 0, 0)), Row("b", (9, 9, 9)), Row("c", (1, 1, 1))]
    palette = {Key(value=0, colour=(0, 0, 0)): 5, Key(value=1, colour=(1, 1, 1)): 5, Key(value=2, colour=(9, 9, 9)): 5}
    assert choose(palette, table=table)[1] == dict(zip(palette, "acb", strict=True))  # by colour, not by value
    valued = [Row("a", value=0), Row("b", value=1), Row("c", value=2)]
    assert choose(palette, table=valued)[1] == dict(zip(palette, "abc", strict=True))
    with pytest.raises(CourseError, match="The masks are coloured, but the table of classes has no colours"):
        choose({Key(colour=(1, 2, 3)): 5}, table=[Row("a"), Row("b")])


def test_colours_without_a_table():
    names, meaning, notes = choose({Key(colour=(0, 0, 0)): 5, Key(colour=(9, 0, 0)): 50}, background="rest")
    assert names == ("class_0", "rest") and meaning[Key(colour=(0, 0, 0))] == "rest"
    edges = {Key(colour=(at, 0, 0)): 1 for at in range(5)} | {Key(colour=(200, 0, at)): 50_000 for at in range(2)}
    assert choose(edges)[2][0].startswith("5 of 7 colours cover less than 0.01% of the pixels: if they are smoothed")


def test_too_many_and_too_few():
    with pytest.raises(CourseError, match="Found 255 classes, in a.json and others, but 8-bit labels hold 254"):
        choose({Key(colour=(at, 0, 0)): 1 for at in range(255)})
    with pytest.raises(CourseError, match="Found only one class, car"):
        choose({Key("car"): 1})
    with pytest.raises(CourseError, match="Found no class"):
        choose({Key("void"): 1})
    with pytest.raises(CourseError, match="no class 'bus' to ignore: choose from Car, background, car, tree, void"):
        choose(POLYGONS, ignore=("bus",))


def test_colours_are_distinct():
    rows = [Row("a", (255, 0, 0)), *(Row(str(at)) for at in range(200)), Row("b", (255, 0, 0)), Row("c", (1, 1, 1))]
    colours = distinct_colours(rows)
    assert len(set(colours)) == len(rows) and colours[0] == (255, 0, 0) and colours[-1] == (1, 1, 1)
    assert np.array(colours).min() >= 0 and np.array(colours).max() <= 255


def test_background_is_grey_unless_it_has_a_colour():
    grey, leaf = distinct_colours([Row("Background"), Row("leaf")])
    assert grey == (70, 70, 70) != leaf
    assert distinct_colours([Row("background", (1, 2, 3))]) == ((1, 2, 3),)


def test_values_saved_as_rgb():
    rgb = {Key(colour=(at,) * 3): 10 for at in (2, 0, 255)} | {Key(value=2): 5}
    names, meaning, _ = choose(rgb)
    assert names == ("class_0", "class_2") and meaning[Key(colour=(2, 2, 2))] == meaning[Key(value=2)] == "class_2"
    assert meaning[Key(colour=(255, 255, 255))] is None
    assert choose(rgb, table=[Row("a"), Row("b"), Row("c")])[1][Key(colour=(2, 2, 2))] == "c"
    table = [Row("a", (2, 2, 2)), Row("b", (0, 0, 0)), Row("c", (255, 255, 255))]
    assert choose(rgb, table=table)[1][Key(colour=(255, 255, 255))] == "c"
