"""Import of label images: grey values, palettes and colours, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_masks import GREY, image, labels, mask

from helpers.common.errors import CourseError
from helpers.datasets import open_dataset, read_pair
from helpers.datasets.importing import import_data
from helpers.datasets.importing.masks import Mask


def test_grey_masks_without_a_table(tmp_path):
    for number in range(5):
        image(tmp_path / "in" / "images" / f"a_{number}.JPG")
        mask(tmp_path / "in" / "masks" / f"a_{number}_mask.png")
    done = import_data(tmp_path / "in", tmp_path / "out", background="rest")
    data = open_dataset(tmp_path / "out")
    assert data.classes.names == ("rest", "class_1", "class_2") and done.counts == {"train": 4, "val": 1}
    assert done.pixels == {"rest": 10, "class_1": 10, "class_2": 5, "ignored": 5}
    assert set(map(str, labels(data).values())) == {str(GREY.tolist())}
    assert [frame.stem for frame in data.frames("val")] == ["a_4"]  # one sequence: its end
    assert data.frames("val")[0].image.name == "a_4.JPG"
    assert any("Only 1 name prefix, too few to keep neighbours apart" in note for note in done.notes)


def test_on_and_off_are_two_classes(tmp_path):
    for name in "ab":
        image(tmp_path / "in" / "images" / f"{name}.png")
        mask(tmp_path / "in" / "labels" / f"{name}.png", np.array([[0, 255, 0], [255, 255, 0]], np.uint8))
    import_data(tmp_path / "in", tmp_path / "out")
    assert labels(open_dataset(tmp_path / "out"))["a"] == [[0, 1, 0], [1, 1, 0]]
    import_data(tmp_path / "in", tmp_path / "named", classes=["off", "on"])
    assert open_dataset(tmp_path / "named").classes.names == ("off", "on")


def test_a_mask_of_a_rotated_photograph(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    for name in "ab":
        image(tmp_path / "in" / "images" / f"{name}.jpg", (3, 2), exif=exif)
    mask(tmp_path / "in" / "masks" / "a.png", GREY)  # drawn on the stored pixels
    mask(tmp_path / "in" / "masks" / "b.png", np.rot90(GREY, -1).copy())  # drawn on what is shown
    import_data(tmp_path / "in", tmp_path / "out")
    turned = [[2, 0], [1, 0], [255, 1]]
    assert labels(open_dataset(tmp_path / "out")) == {"a": turned, "b": turned}


def test_files_that_do_not_fit_are_skipped(tmp_path):
    folder = tmp_path / "in"
    for name in ("a", "b", "size", "lonely", "many", "deep", "cut"):
        image(folder / "images" / f"{name}.png", (40, 30))
    good = np.zeros((30, 40), np.uint8)
    good[:9] = 1
    for name in ("a", "b", "alone"):
        mask(folder / "masks" / f"{name}.png", good)
    mask(folder / "masks" / "size.png")
    many = np.arange(30 * 40 * 3, dtype=np.uint16).astype(np.uint8).reshape(30, 40, 3)
    many[..., 0] = np.arange(30)[:, None]
    many[..., 1] = np.arange(40)
    mask(folder / "masks" / "many.png", many)
    mask(folder / "masks" / "deep.png", good.astype(np.uint16) * 999)
    (folder / "masks" / "cut.png").write_bytes((folder / "masks" / "a.png").read_bytes()[:50])
    (folder / "masks" / "._a.png").write_bytes(b"macOS")
    done = import_data(folder, tmp_path / "out")
    reasons = {Path(each.file).stem: each.reason for each in done.skipped}
    assert set(reasons) == {"alone", "lonely", "size", "many", "deep", "cut"}
    assert reasons["size"].startswith("has 3 x 2 pixels, but its image has 40 x 30")
    assert reasons["many"].startswith("has 1200 different colours") and "up to 999" in reasons["deep"]
    assert reasons["lonely"] == "has no label of its name" and reasons["alone"] == "has no image of its name"


def test_sentences_about_classes(tmp_path):
    for name in "ab":
        image(tmp_path / "in" / "images" / f"{name}.png")
        mask(tmp_path / "in" / "masks" / f"{name}.png")
    names = tmp_path / "names.txt"
    names.write_text("sky\nroad\n")
    with pytest.raises(CourseError, match=r"a.png has the value 2 \(in 2 frames, 2 pixels\), which .*names.txt lacks"):
        import_data(tmp_path / "in", tmp_path / "out", classes=names)
    done = import_data(tmp_path / "in", tmp_path / "out", classes=names, unknown="ignore", dry_run=True)
    assert done.pixels == {"sky": 4, "road": 4, "ignored": 4}
    names.write_text("sky\nroad\nsky\n")
    with pytest.raises(CourseError, match="'sky' twice"):
        import_data(tmp_path / "in", tmp_path / "out", classes=names)
    with pytest.raises(CourseError, match="no class 'rod' to ignore: choose from class_0"):
        import_data(tmp_path / "in", tmp_path / "out", ignore="rod")
    with pytest.raises(CourseError, match="only one class, class_2"):
        import_data(tmp_path / "in", tmp_path / "out", ignore=[0, 1, 255])
    done = import_data(tmp_path / "in", tmp_path / "out", rename={"class_2": "class_1"}, dry_run=True)
    assert done.pixels == {"class_0": 4, "class_1": 6, "ignored": 2}
    assert not (tmp_path / "out").exists()


def test_smoothed_edges_are_refused(tmp_path):
    for name in "ab":
        image(tmp_path / "in" / "images" / f"{name}.png", (20, 1))
        blend = np.linspace(0, 255, 20).astype(np.uint8)[None, :, None].repeat(3, axis=2)
        blend[..., 1] = 0
        mask(tmp_path / "in" / "masks" / f"{name}.png", blend)
    table = tmp_path / "classes.csv"
    table.write_text("name,r,g,b\nred,255,0,255\nnone,0,0,0\n")
    with pytest.raises(CourseError, match="smoothed edges or JPEG mix the colours"):
        import_data(tmp_path / "in", tmp_path / "out", classes=table)


def test_nothing_to_import(tmp_path):
    with pytest.raises(CourseError, match="does not exist"):
        import_data(tmp_path / "none", tmp_path / "out")
    (tmp_path / "in").mkdir()
    with pytest.raises(CourseError, match="No images with labels in"):
        import_data(tmp_path / "in", tmp_path / "out")
    image(tmp_path / "in" / "images" / "a.png")
    with pytest.raises(CourseError, match="a.png has no label of its name.: expected"):
        import_data(tmp_path / "in", tmp_path / "out")
    mask(tmp_path / "in" / "masks" / "a.png")
    with pytest.raises(CourseError, match="at least two frames"):
        import_data(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_colours_are_found_mask_by_mask(tmp_path):
    random = np.random.default_rng(0)
    for name in "abc":
        pixels = random.choice(np.array([[0, 0, 0], [255, 255, 255], [0, 0, 1], [9, 8, 7]], np.uint8), (5, 7))
        mask(tmp_path / f"{name}.png", pixels)
        drawn = Mask(tmp_path / f"{name}.png").draw(5, 7)
        assert np.array_equal(np.array([key.colour for key in drawn.keys])[drawn.pixels], pixels)


@pytest.mark.parametrize("kind", ["MPO", "TIFF", "BMP", "WEBP", "grey", "16 bit", "CMYK"])
def test_images_of_any_kind(tmp_path, kind):
    folder = tmp_path / "in" / "images"
    for name in "ab":
        mask(tmp_path / "in" / "masks" / f"{name}.png")
        picture = Image.new("RGB", (3, 2), (80, 80, 80))
        if kind == "MPO":
            folder.mkdir(exist_ok=True)
            picture.save(folder / f"{name}.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (2, 2))])
        elif kind in ("TIFF", "BMP", "WEBP"):
            folder.mkdir(exist_ok=True)
            picture.save(folder / f"{name}.{kind.lower()}")
        elif kind == "CMYK":
            folder.mkdir(exist_ok=True)
            picture.convert("CMYK").save(folder / f"{name}.jpeg")
        else:
            pixels = np.full((2, 3), 80, np.uint8) if kind == "grey" else np.full((2, 3), 80 * 257, np.uint16)
            mask(folder / f"{name}.png", pixels)
    import_data(tmp_path / "in", tmp_path / "out")
    frame = open_dataset(tmp_path / "out").frames("train")[0]
    assert frame.image.suffix == ".png" and np.abs(read_pair(frame)[0].astype(int) - 80).max() <= 3
