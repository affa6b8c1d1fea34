"""Tables of classes in the forms in which data sets publish them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.datasets import Classes
from helpers.datasets.importing.tables import Row, read_table


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("classes.txt", "sky\n\n# comment\ntraffic light\n", [Row("sky"), Row("traffic light")]),
        ("classes.txt", "\ufeff0 sky\n1 traffic light 2\n", [Row("sky", value=0), Row("traffic light 2", value=1)]),
        ("classes.txt", "sky: 4\nroad=5\n", [Row("sky", value=4), Row("road", value=5)]),
        ("colors.txt", "64 128 64\tAnimal\r\n192 0 128\t\tArchway\r\n",
         [Row("Animal", (64, 128, 64)), Row("Archway", (192, 0, 128))]),
        ("colors.txt", "sky 1 2 3\nbig road, 4, 5, 6\n", [Row("sky", (1, 2, 3)), Row("big road", (4, 5, 6))]),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:1,2,3:a,b:c",
         [Row("background", (0, 0, 0)), Row("car", (1, 2, 3))]),
        ("labels.txt", "__ignore__\n_background_\ncat\n", [Row("__ignore__"), Row("_background_"), Row("cat")]),
        ("class_dict.csv", "name,r,g,b\nSky,1,2,3\n", [Row("Sky", (1, 2, 3))]),
        ("class_dict.csv", "Name; R; G; B\nSky; 1; 2; 3\n", [Row("Sky", (1, 2, 3))]),
        ("c.csv", "id,name\n4,Sky\n7,Road\n", [Row("Sky", value=4), Row("Road", value=7)]),
        ("c.csv", "sky,1,2,3\nroad,4,5,6\n", [Row("sky", (1, 2, 3)), Row("road", (4, 5, 6))]),
        ("c.json", '["a", "b"]', [Row("a"), Row("b")]),
        ("c.json", '[{"name": "a", "color": "#0102ff"}, {"name": "b", "color": [4, 5, 6], "id": 9}]',
         [Row("a", (1, 2, 255)), Row("b", (4, 5, 6), 9)]),
        ("c.json", '{"a": [1, 2, 3], "b": [4, 5, 6]}', [Row("a", (1, 2, 3)), Row("b", (4, 5, 6))]),
        ("c.json", '{"a": 3, "b": 4}', [Row("a", value=3), Row("b", value=4)]),
        ("c.json", '{"0": "a", "1": "b"}', [Row("a", value=0), Row("b", value=1)]),
        ("c.toml", 'names = ["a", "b"]', [Row("a"), Row("b")]),
        ("dataset.toml",
         '[[classes]]\nname = "a"\ncolor = [1, 2, 3]\n[[classes]]\nname = "b"\ncolor = [4, 5, 6]\nvalue = 7',
         [Row("a", (1, 2, 3)), Row("b", (4, 5, 6), 7)]),
        ("c.toml", "sky = 3\nroad = [4, 5, 6]", [Row("sky", value=3), Row("road", (4, 5, 6))]),
    ],
)  # fmt: skip
def test_forms(tmp_path, name, text, rows):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_table(tmp_path / name) == rows


def test_objects():
    assert read_table(["a", "b"]) == [Row("a"), Row("b")]
    classes = Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)))
    assert read_table(classes) == [Row("a", (1, 2, 3), 0), Row("b", (4, 5, 6), 1)]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("c.txt", "", "Expected the names of classes in .*c.txt, found none"),
        ("c.txt", "a\nb\na\n", "c.txt has the name 'a' twice"),
        ("c.csv", "name,r,g,b\na,1,2,3\nb,1,2,3", r"has the colour \(1, 2, 3\) twice, for a and b"),
        ("c.csv", "name,r,g,b\na,1,2", "row 2 that does not fit"),
        ("c.txt", "a 999 0 0", "colours from 0 to 255"),
        ("c.txt", "a: 256", "values from 0 to 255"),
        ("c.txt", "1\n2\n", "only a number in line 1"),
        ("c.json", "[1]", "entry without a name"),
        ("c.json", '{"a": "blue"}', "has the colour 'blue' for a"),
        ("c.json", "[", "is not valid JSON"),
        ("c.json", "3", "neither a list"),
        ("c.toml", "a = ", "is not valid TOML"),
    ],
)
def test_sentences(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(CourseError, match=sentence):
        read_table(tmp_path / name)


def test_a_missing_table(tmp_path):
    with pytest.raises(CourseError, match="none.txt cannot be read"):
        read_table(tmp_path / "none.txt")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["c.txt", "labelmap.txt", "c.csv", "c.json", "c.toml"]),
    st.binary(max_size=30) | st.text("ab019,:;=[]{}\"\n\t #'-", max_size=30),
)
def test_any_file_is_read_or_refused(tmp_path_factory, name, data):
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    try:
        rows = read_table(path)
    except CourseError:
        return
    assert rows and all(row.name for row in rows)
