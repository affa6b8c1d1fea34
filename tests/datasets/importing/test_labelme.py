"""Import of LabelMe folders: what is drawn, which image belongs to a file, and what is skipped."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from helpers.common.errors import CourseError
from helpers.datasets import open_dataset, read_image, read_label
from helpers.datasets.importing import import_data, labelme
from helpers.datasets.importing.items import IGNORED, NOTHING, Key, Unusable

HEIGHT, WIDTH = 8, 10


def shape(label="road", points=((2, 1), (5, 1), (5, 3), (2, 3)), kind="polygon", **more) -> dict:
    return {"label": label, "points": [list(point) for point in points], "shape_type": kind, "flags": {}, **more}


def content(*shapes, image="a.png", **more) -> dict:
    return {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": image, "imageData": None,
            "imageHeight": HEIGHT, "imageWidth": WIDTH, **more}  # fmt: skip


def picture(path: Path, size=(WIDTH, HEIGHT), colour=(90, 120, 30), **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path


def annotate(path: Path, *shapes, **more) -> None:
    picture(path.with_suffix(".png"))
    path.write_text(json.dumps(content(*shapes, image=path.with_suffix(".png").name, **more)))


def draw(*shapes) -> tuple[list[list[str]], tuple[str, ...]]:
    drawn = labelme.LabelMe(Path("a.json"), (HEIGHT, WIDTH), shapes).draw(HEIGHT, WIDTH)
    names = {NOTHING: ".", IGNORED: "?"}
    return [[names.get(drawn.keys[at], drawn.keys[at].name) for at in row] for row in drawn.pixels], drawn.notes


def rows(text: str) -> list[list[str]]:
    return [list(line.strip()) for line in text.strip().splitlines()]


def test_polygon_rectangle_and_order():
    pixels, notes = draw(shape("r"), shape("c", [(4, 2), (7, 5)], "rectangle"))
    assert pixels == rows("""
        ..........
        ..rrrr....
        ..rrcccc..
        ..rrcccc..
        ....cccc..
        ....cccc..
        ..........
        ..........
    """)
    assert notes == ()


def test_circle_is_centre_and_edge():
    pixels, _ = draw(shape("o", [(4, 4), (6, 4)], "circle"))
    assert pixels == rows("""
        ..........
        ..........
        ...ooo....
        ..ooooo...
        ..ooooo...
        ..ooooo...
        ...ooo....
        ..........
    """)


def test_line_has_a_width_and_a_flag_ignores():
    pixels, _ = draw(
        shape("l", [(-20, 4), (4, 4)], "linestrip"), shape("x", [(8, 0), (9, 7)], "rectangle", flags={"ignore": True})
    )
    assert {row[0] for row in pixels} == {"l"} and {row[9] for row in pixels} == {"?"}


def test_what_is_left_out_is_said():
    pixels, notes = draw(
        shape("a", [(1, 1), (2, 2)]),
        shape("a", [(3, 3)], "point"),
        shape("a", [(20, 20), (30, 20), (30, 30)]),
        shape("a", [(0, 0), (1, 0), (1e30, 5)]),
        shape("b", [(5, 5), (50, 5), (50, 50), (5, 50)]),
        shape("a", [(0, 0), (1, float("nan")), (2, 2)]),
    )
    assert {each for row in pixels for each in row} == {".", "b"}
    assert sorted(notes) == [
        "polygon shapes of fewer than 3 points, left out: 1",
        "polygon shapes outside the image, left out: 1",
        "polygon shapes that reach over the edge of the image, clipped: 1",
        "polygon shapes whose points are not pairs of numbers, left out: 1",
        "polygon shapes with points far outside the image, left out: 1",
        "shapes of the type point, which have no area, left out: 1",
    ]


def test_masks_in_base64():
    data = io.BytesIO()
    Image.fromarray(np.array([[255, 0], [255, 255]], np.uint8)).save(data, "PNG")
    mask = base64.b64encode(data.getvalue()).decode()
    pixels, _ = draw(shape("m", [(9, 1), (10, 2)], "mask", mask=mask), shape("m", [(0, 6), (1, 7)], "mask", mask=mask))
    assert [(y, x) for y in range(HEIGHT) for x in range(WIDTH) if pixels[y][x] == "m"] == [
        (1, 9),
        (2, 9),
        (6, 0),
        (7, 0),
        (7, 1),
    ]
    assert draw(shape("m", [(0, 0)], "mask", mask="!"))[1] != ()


points = st.tuples(st.floats(-20, 30), st.floats(-20, 30))


@settings(max_examples=50, deadline=None)
@given(st.lists(points, min_size=3, max_size=7))
def test_polygons_are_those_of_pillow(polygon):
    expected = Image.new("L", (WIDTH, HEIGHT), 0)
    ImageDraw.Draw(expected).polygon(polygon, outline=1, fill=1)
    drawn = labelme.LabelMe(Path("a.json"), (None, None), (shape("p", polygon),)).draw(HEIGHT, WIDTH)
    assert np.array_equal(drawn.pixels > 0, np.asarray(expected) > 0)


def test_import_writes_a_data_set(tmp_path):
    for group, number in (("day one", 3), ("夜", 3)):
        for frame in range(number):
            annotate(
                tmp_path / "in" / group / f"img {frame}.json",
                shape("road"),
                shape("car", [(0, 0), (1, 1)], "rectangle"),
            )
    done = import_data(tmp_path / "in", tmp_path / "out", val=0.5)
    data = open_dataset(tmp_path / "out")
    assert data.classes.names == ("background", "car", "road") and done.counts == {"train": 3, "val": 3}
    assert done.pixels == {"background": 6 * 64, "car": 6 * 4, "road": 6 * 12, "ignored": 0}
    frames = data.frames("train") + data.frames("val")
    assert sorted(frame.stem for frame in frames) == sorted(f"{g}_img {n}" for g in ("day one", "夜") for n in range(3))
    assert {frame.group for frame in frames} == {"day one", "夜"}
    label = read_label(frames[0])
    assert label.shape == (HEIGHT, WIDTH) and (label[1:4, 2:6] == 2).all() and (label[:2, :2] == 1).all()
    assert read_image(frames[0])[0, 0].tolist() == [90, 120, 30]
    assert not (tmp_path / "out" / ".unfinished").exists()


def test_images_are_found(tmp_path):
    shapes = [shape("road"), shape("car")]
    one = tmp_path / "in" / "one.json"
    picture(tmp_path / "in" / "pictures" / "x.JPG")
    one.write_text(json.dumps(content(*shapes, image="pictures\\x.JPG")))
    picture(tmp_path / "in" / "two.JPG")
    (tmp_path / "in" / "two.json").write_text(json.dumps(content(*shapes, image="C:\\elsewhere\\else.png")))
    data = base64.b64encode(picture(tmp_path / "x.png").read_bytes()).decode()
    (tmp_path / "in" / "three.json").write_text(json.dumps(content(*shapes, image="gone.png", imageData=data)))
    (tmp_path / "in" / "four.json").write_text(json.dumps(content(*shapes, image="../../../etc/passwd")))
    source = labelme.read(tmp_path / "in")
    assert {item.stem: item.image if isinstance(item.image, bytes) else item.image.name for item in source.items} == {
        "one": "x.JPG",
        "two": "two.JPG",
        "three": (tmp_path / "x.png").read_bytes(),
    }
    assert [(Path(file).name, reason[:12]) for file, reason in source.skipped] == [("four.json", "has no image")]


def test_odd_names(tmp_path):
    other = [(6, 4), (9, 4), (9, 7)]
    for name in "ab":
        annotate(tmp_path / "in" / f"{name}.json", shape("two\nlines \ud800"), shape("路 'quoted\" \\", other))
    (tmp_path / "in" / "long.json").write_text(json.dumps(content(shape(), image="x" * 5000)))
    done = import_data(tmp_path / "in", tmp_path / "out")
    assert [reason[:12] for _, reason in done.skipped] == ["has no image"]
    assert open_dataset(tmp_path / "out").classes.names == ("background", "two lines ?", "路 'quoted\" \\")


def test_annotations_apart_from_their_images(tmp_path, monkeypatch):
    for name in "ab":
        picture(tmp_path / "pictures" / f"{name}.jpg")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{name}.json").write_text(json.dumps(content(shape(), image=f"../pictures/{name}.jpg")))
    monkeypatch.chdir(tmp_path)
    assert len(labelme.read(Path()).items) == 2
    assert len(labelme.read(Path("labels")).items) == 0
    assert len(labelme.read(Path("labels"), Path("pictures")).items) == 2
    done = import_data("labels", "out", images="pictures")
    assert done.counts == {"train": 1, "val": 1} and done.dataset.frames("val")[0].label.is_file()


def test_a_rotated_photograph_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in "ab":
        picture(tmp_path / "in" / f"{name}.jpg", size=(HEIGHT, WIDTH), exif=exif)  # stored 8 x 10, shown 10 x 8
        (tmp_path / "in" / f"{name}.json").write_text(json.dumps(content(shape(), image=f"{name}.jpg")))
    import_data(tmp_path / "in", tmp_path / "out")
    frame = open_dataset(tmp_path / "out").frames("train")[0]
    assert frame.image.suffix == ".png"
    assert read_image(frame).shape == (HEIGHT, WIDTH, 3) and read_label(frame).shape == (HEIGHT, WIDTH)


def test_bad_files_are_skipped_and_told(tmp_path):
    folder = tmp_path / "in"
    for number in range(4):
        annotate(folder / f"good{number}.json", shape())
    (folder / "broken.json").write_text('{"shapes": [')
    (folder / "deep.json").write_text("[" * 100_000)
    annotate(folder / "size.json", shape(), imageHeight=99)
    annotate(folder / "nameless.json", shape(label=""))
    picture(folder / "lonely.png")
    (folder / "damaged.png").write_bytes(b"\x89PNG")
    (folder / "damaged.json").write_text(json.dumps(content(shape(), image="damaged.png")))
    done = import_data(folder, tmp_path / "out")
    assert done.counts == {"train": 3, "val": 1}
    reasons = {Path(each.file).name: each.reason for each in done.skipped}
    assert set(reasons) == {"broken.json", "deep.json", "size.json", "nameless.json", "lonely.png", "damaged.png"}
    assert "is not valid JSON" in reasons["broken.json"] and "nested too deeply" in reasons["deep.json"]
    assert reasons["size.json"].startswith("was drawn on an image of 10 x 99 pixels, but the image has 10 x 8")
    assert json.loads((tmp_path / "out" / "import.json").read_text())["skipped"] == [
        each._asdict() for each in done.skipped
    ]


def test_one_class_and_one_frame(tmp_path):
    annotate(tmp_path / "in" / "a.json", shape(points=((0, 0), (20, 0), (20, 20), (0, 20))))
    with pytest.raises(CourseError, match="only one class, road"):
        import_data(tmp_path / "in", tmp_path / "out")
    annotate(tmp_path / "in" / "a.json", shape())
    with pytest.raises(CourseError, match="at least two frames"):
        import_data(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


KEYS = st.sampled_from(["label", "points", "shape_type", "mask", "flags"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(["polygon", "circle", "mask", "line"])
shapes_like = st.fixed_dictionaries(
    {"label": st.just("a"), "points": json_values, "shape_type": kinds},
    optional={"mask": json_values, "flags": json_values},
)


@settings(max_examples=100, deadline=None)
@given(st.lists(json_values | shapes_like, max_size=3))
def test_any_json_is_drawn_or_refused(tmp_path_factory, shapes):
    folder = tmp_path_factory.mktemp("fuzz")
    picture(folder / "a.png")
    (folder / "a.json").write_text(json.dumps(content(*shapes)))
    for item in labelme.read(folder).items:
        try:
            drawn = item.label.draw(HEIGHT, WIDTH, 1)
        except Unusable:
            continue
        assert drawn.pixels.max() < len(drawn.keys) and all(isinstance(key, Key) for key in drawn.keys)
