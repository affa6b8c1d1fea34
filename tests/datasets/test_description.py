"""`dataset.toml`: what is written is read again, and no text leads to another error than a sentence."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.datasets import Classes, Dataset
from helpers.datasets.dataset import CITYSCAPES, DESCRIPTION, open_dataset, read_description
from helpers.datasets.description import parse

MINIMAL = """
name = "leaves"
images = "images/{split}/{stem}.*"
labels = "labels/{split}/{stem}.png"
[[classes]]
name = "soil"
color = [90, 60, 30]
[[classes]]
name = "leaf"
color = [0, 200, 0]
"""
# Quotes, backslashes, comments, other scripts, control characters that are no line breaks, emoji.
LINE = st.text(max_size=8).map(lambda text: " ".join(("x" + text).splitlines())) | (
    st.sampled_from(['"', "'''", "\\", "# no comment", "]", "Fußgänger", "行人", "שדה", "a\tb\x7f", "👩‍🌾", "{stem}"])
)
COLOUR = st.tuples(*[st.integers(0, 255)] * 3)


@st.composite
def descriptions(draw):
    names = draw(st.lists(LINE, min_size=2, max_size=6, unique=True))
    count = len(names)
    values = draw(st.lists(st.integers(0, 255), min_size=count, max_size=count, unique=True))
    classes = Classes(
        names=tuple(names),
        colours=tuple(draw(st.lists(COLOUR, min_size=count, max_size=count, unique=True))),
        values=tuple(values),
        ignored=tuple(draw(st.lists(st.integers(0, 255).filter(lambda value: value not in values), max_size=3))),
        categories=tuple(draw(st.lists(LINE, min_size=count, max_size=count))) if draw(st.booleans()) else (),
        groups=tuple(draw(st.dictionaries(LINE, st.lists(st.sampled_from(names)).map(tuple), max_size=2)).items()),
    )
    folder = st.text(max_size=5).map(lambda text: "x" + "".join(each for each in text if each.isprintable()))
    folder = folder.map(lambda text: text.translate(dict.fromkeys(map(ord, "\\/{}*"))))
    splits = draw(st.lists(folder, min_size=3, max_size=3, unique=True))
    return Dataset(
        root=Path("root"),
        name=draw(LINE),
        classes=classes,
        images=f"{draw(folder)}/{{split}}/{{group}}/{{stem}}.*",
        labels=f"{draw(folder)}/{{split}}/{{group}}_{{stem}}.PNG",
        splits=tuple(zip(("train", "val", "test"), splits, strict=True)),
        annotations=(("polygons", "poly/{split}/{group}/{stem}.json"),) if draw(st.booleans()) else (),
    )


@settings(deadline=None, max_examples=40)
@given(descriptions())
def test_what_is_written_is_read_again(data):
    assert Dataset(root=data.root, **parse(data.to_toml())) == data


def test_save_and_open(tmp_path):
    data = Dataset(root=tmp_path, **parse(MINIMAL))
    assert data.save() == tmp_path / DESCRIPTION
    assert open_dataset(tmp_path) == data == read_description(data.save(), tmp_path)


def test_minimal_description_by_hand():
    found = parse(MINIMAL)
    assert found["name"] == "leaves" and found["annotations"] == ()
    assert found["splits"] == (("train", "train"), ("val", "val"), ("test", "test"))
    assert found["classes"] == Classes(("soil", "leaf"), ((90, 60, 30), (0, 200, 0)))


def test_numpy_numbers_are_written_as_numbers():
    import numpy as np

    classes = Classes(("a", "b"), tuple(tuple(each) for each in np.uint8([[1, 2, 3], [4, 5, 6]])))
    assert "color = [4, 5, 6]" in Dataset(Path(), "x", classes, "{split}/{stem}.*", "{split}/{stem}_l.png").to_toml()


def test_file_of_a_windows_editor(tmp_path):
    (tmp_path / DESCRIPTION).write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert open_dataset(tmp_path).name == "leaves"


def test_alternative_forms():
    assert parse('splits = ["val", "train"]\n' + MINIMAL)["splits"] == (("val", "val"), ("train", "train"))
    assert parse("ignore = 9\n" + MINIMAL)["classes"].ignored == (9,)
    assert parse("ignore = []\n" + MINIMAL)["classes"].ignored == ()


def without(line):
    assert line in MINIMAL
    return MINIMAL.replace(line, "", 1)


def replaced(old, new):
    assert old in MINIMAL
    return MINIMAL.replace(old, new, 1)


IMAGES, LABELS = '"images/{split}/{stem}.*"', '"labels/{split}/{stem}.png"'


@pytest.mark.parametrize(
    "text, words",
    [
        ("", ["'name'", "missing"]),
        ("name = ", ["Expected TOML"]),
        ("x = " + "[" * 5000, ["Expected TOML"]),
        ("x = " + "9" * 5000, ["Expected TOML"]),
        (without('name = "leaves"'), ["'name'", "missing"]),
        (without(f"images = {IMAGES}"), ["'images'", "missing"]),
        (without("color = [90, 60, 30]"), ["Class 0", "'color'"]),
        (without('name = "leaf"'), ["Class 1", "'name'"]),
        ("pallette = 3\n" + MINIMAL, ["'pallette'", "known keys", "annotations"]),
        (MINIMAL + "colour = [1, 2, 3]", ["'colour'", "class 1", "color"]),
        (replaced('"leaves"', "7"), ["line of text", "'name'", "7"]),
        (replaced('"leaves"', '""'), ["line of text"]),
        (replaced('"leaf"', '"soil"'), ["different name", "'soil'"]),
        (replaced("[0, 200, 0]", "[90, 60, 30]"), ["different color"]),
        (replaced("[0, 200, 0]", "[0, 200]"), ["three numbers", "leaf"]),
        (replaced("[0, 200, 0]", "[0, 200, 0.5]"), ["whole number", "0.5"]),
        (replaced("[0, 200, 0]", "[0, 200, true]"), ["whole number", "True"]),
        (replaced("[0, 200, 0]", '"green"'), ["list of whole numbers", "'green'"]),
        (MINIMAL + "value = 0", ["different value", "soil", "leaf"]),
        (MINIMAL + "value = 256", ["0 to 255", "256"]),
        (MINIMAL + "value = 255", ["value 255", "ignored"]),
        (MINIMAL + 'value = "1"', ["whole number", "'1'"]),
        (MINIMAL + 'category = "plant"', ["category for all 2 classes or for none"]),
        (MINIMAL + "category = 3", ["line of text", "'category'"]),
        ("classes = 3\n" + MINIMAL.split("[[")[0], ["[[classes]]", "3"]),
        ("classes = [3]\n" + MINIMAL.split("[[")[0], ["[[classes]]"]),
        ("classes = []\n" + MINIMAL.split("[[")[0], ["at least two classes"]),
        ('ignore = "255"\n' + MINIMAL, ["whole number", "'ignore'"]),
        ("ignore = 1\n" + MINIMAL, ["value 1", "leaf"]),
        ('splits = ["dev"]\n' + MINIMAL, ["'dev'", "train, val, test"]),
        ("splits = [[1]]\n" + MINIMAL, ["line of text", "'splits'"]),
        ("splits = {}\n" + MINIMAL, ["Expected splits", "{}"]),
        ("splits = 3\n" + MINIMAL, ["Expected splits", "3"]),
        ('splits = { train = "all", val = "all" }\n' + MINIMAL, ["train and val", "same folder"]),
        ('splits = { train = "../x" }\n' + MINIMAL, ["below the folder", "'../x'"]),
        ('splits = { train = "{stem}" }\n' + MINIMAL, ["name of a folder", "train", "{stem}"]),
        (MINIMAL + "[groups]\nthin = 3", ["list of names", "'thin'"]),
        (MINIMAL + '[groups]\nthin = "leaf"', ["list of names", "'leaf'"]),
        (MINIMAL + '[groups]\nthin = ["twig"]', ["group thin", "'twig'"]),
        ("groups = 3\n" + MINIMAL, ["table", "'groups'"]),
        ("annotations = 3\n" + MINIMAL, ["table", "'annotations'"]),
        (MINIMAL + '[annotations]\ndepth = "x.png"', ["'depth'", "x.png", "{stem}"]),
        (MINIMAL + '[annotations]\ndepth = "x/{stem}.*"', ["'depth'", "{stem}.*"]),
        (replaced(IMAGES, '"images"'), ["{stem}", "'images'"]),
        (replaced(IMAGES, '"images/{split}/*.png"'), ["{stem}"]),
        (replaced(IMAGES, '"images/{split}/{stem}"'), ["{stem}"]),
        (replaced(IMAGES, '"images/{split}/{stem!r}.png"'), ["{stem}"]),
        (replaced(IMAGES, '"images/{split}/{stem}/{name}.png"'), ["{stem}"]),
        (replaced(IMAGES, '"images/{stem}.png"'), ["{split}", "same frames"]),
        (replaced(IMAGES, '"/home/me/{split}/{stem}.png"'), ["below the folder", "'/home/me"]),
        (replaced(IMAGES, '"../{split}/{stem}.png"'), ["below the folder"]),
        (replaced(IMAGES, "'images\\{split}\\{stem}.png'"), ["write it with /"]),
        (replaced(LABELS, '"labels/{split}/{group}/{stem}.png"'), ["'labels'", "{group}"]),
        (replaced(LABELS, '"labels/{split}/{stem}.jpg"'), ["PNG", ".jpg"]),
        (replaced(LABELS, '"labels/{split}/{stem}.*"'), ["'labels'"]),
        (replaced(IMAGES, LABELS), ["images and labels", "correct one"]),
    ],
)
def test_mistakes_name_file_and_key(tmp_path, text, words):
    (tmp_path / DESCRIPTION).write_text(text, encoding="utf-8")
    with pytest.raises(CourseError) as caught:
        open_dataset(tmp_path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path / DESCRIPTION}: ") and "\n" not in sentence, sentence
    assert all(word in sentence for word in words), sentence


def test_file_in_another_encoding(tmp_path):
    (tmp_path / DESCRIPTION).write_bytes(MINIMAL.replace("leaf", "Blätter").encode("latin-1"))
    with pytest.raises(CourseError, match=r"dataset\.toml is not a text file in UTF-8.*save it as UTF-8"):
        open_dataset(tmp_path)


def to_toml(value):
    """Write any structure as TOML, inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_toml(str(key))} = {to_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" for each in value) + '"'
    return str(value).lower()  # true, 1, 1.5, nan, inf


KEYS = [
    "name",
    "images",
    "labels",
    "splits",
    "ignore",
    "classes",
    "groups",
    "annotations",
    "color",
    "value",
    "category",
]
TEXTS = st.sampled_from(["train", "a", "{split}/{stem}.png", "{split}/{stem}.*", "{group}/{stem}.png", ""]) | st.text()
LEAVES = st.booleans() | st.integers(-3, 300) | st.floats() | TEXTS
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4),
    max_leaves=12,
)
CLASS = st.fixed_dictionaries({"name": ANYTHING, "color": st.lists(st.integers(0, 255), max_size=4) | ANYTHING})


@settings(deadline=None, max_examples=150)
@given(
    st.fixed_dictionaries(
        {"name": TEXTS, "images": TEXTS | ANYTHING, "labels": TEXTS | ANYTHING, "classes": st.lists(CLASS) | ANYTHING},
        optional={key: ANYTHING for key in ("splits", "ignore", "groups", "annotations")},
    )
    | st.dictionaries(st.sampled_from(KEYS), ANYTHING)
)
def test_any_structure_is_a_data_set_or_a_sentence(structure):
    text = "\n".join(f"{key} = {to_toml(value)}" for key, value in structure.items())
    try:
        Dataset(root=Path(), **parse(text))
    except CourseError as error:
        assert "\n" not in str(error)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_damaged_text_is_a_data_set_or_a_sentence(data):
    text = CITYSCAPES.read_text(encoding="utf-8")[:1500]
    start = data.draw(st.integers(0, len(text)))
    text = text[:start] + data.draw(st.text(max_size=4)) + text[start + data.draw(st.integers(0, 5)) :]
    try:
        Dataset(root=Path(), **parse(text))
    except CourseError:
        pass
