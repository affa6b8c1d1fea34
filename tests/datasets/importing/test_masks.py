"""Import of label images: grey values, palettes and colours, in the layouts in which data sets are published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.common.errors import CourseError
from helpers.datasets import Dataset, open_dataset, read_label, read_pair
from helpers.datasets.importing import import_data
from helpers.datasets.importing.masks import Mask
from helpers.datasets.importing.naming import base_stem, role_of, split_name
from helpers.datasets.importing.pairs import read

GREY = np.array([[0, 0, 1], [2, 1, 255]], dtype=np.uint8)
COLOURS = np.array([[128, 128, 128], [128, 64, 128], [64, 0, 128], [0, 0, 0]], dtype=np.uint8)  # sky, road, car, void


def image(path: Path, size=(3, 2), **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 200, 30)).save(path, **options)


def mask(path: Path, pixels: np.ndarray = GREY, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def paletted(path: Path, indices: np.ndarray, palette: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(indices).convert("P")
    picture = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    picture.putpalette(palette.astype(np.uint8).ravel().tolist())
    picture.save(path)


def labels(data: Dataset) -> dict[str, list]:
    frames = [frame for split in data.existing_splits() for frame in data.frames(split)]
    return {frame.stem: read_label(frame).tolist() for frame in frames}


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


def test_camvid_of_segnet(tmp_path):
    """Folders train/trainannot, index masks of 11 classes and 11 for void, lists with paths of another machine."""
    root = tmp_path / "CamVid"
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for split, names in {"train": ["0001TP_1", "0001TP_2"], "val": ["0016E5_1"], "test": ["Seq05VD_f1"]}.items():
        for name in names:
            image(root / split / f"{name}.png", (4, 3))
            mask(root / f"{split}annot" / f"{name}.png", indices)
        lines = [f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png" for name in names]
        (root / f"{split}.txt").write_text("\r\n".join(lines))
    for place, source in enumerate((root, root)):
        if place:
            for path in root.glob("*.txt"):
                path.unlink()
        done = import_data(source, tmp_path / f"out{place}", ignore=11)
        data = open_dataset(tmp_path / f"out{place}")
        assert done.counts == {"train": 2, "val": 1, "test": 1} and not done.skipped
        assert data.classes.names == tuple(f"class_{number}" for number in range(11))
        assert labels(data)["0016E5_1"] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 255]]


def test_camvid_in_colours(tmp_path):
    """Folders 701_StillsRaw and LabeledApproved, label_colors.txt with tabs, labels with _L."""
    root = tmp_path / "camvid"
    root.mkdir()
    (root / "label_colors.txt").write_text("64 0 128\t\tCar\r\n128 64 128\tRoad\n128 128 128\tSky\n0 0 0\t\tVoid\n")
    for group in ("0001TP_", "Seq05VD_f"):
        for number in (1, 2):
            image(root / "701_StillsRaw_full" / f"{group}{number}.png", (2, 2))
            mask(root / "LabeledApproved_full" / f"{group}{number}_L.png", COLOURS.reshape(2, 2, 3))
    done = import_data(root, tmp_path / "out", val=0.5)
    data = open_dataset(tmp_path / "out")
    assert data.classes.names == ("Car", "Road", "Sky") and data.classes.colours[0] == (64, 0, 128)
    assert set(map(str, labels(data).values())) == {"[[2, 1], [0, 255]]"}
    assert {frame.group for frame in data.frames("train")} | {frame.group for frame in data.frames("val")} == {
        "0001TP", "Seq05VD_f"
    }  # fmt: skip
    assert done.counts == {"train": 2, "val": 2}


def test_kaggle_layout_with_class_dict(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "class_dict.csv").write_text(
        "name,r,g,b\nSky,128,128,128\nRoad,128,64,128\nCar,64,0,128\nVoid,0,0,0"
    )
    for split in ("train", "val"):
        image(tmp_path / "in" / split / f"x{split}.png", (2, 2))
        mask(tmp_path / "in" / f"{split}_labels" / f"x{split}_L.png", COLOURS.reshape(2, 2, 3))
    done = import_data(tmp_path / "in", tmp_path / "out")
    assert done.counts == {"train": 1, "val": 1}
    assert labels(open_dataset(tmp_path / "out"))["xtrain"] == [[0, 1], [2, 255]]


def test_voc_export_of_cvat(tmp_path):
    root = tmp_path / "task"
    root.mkdir()
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:64,0,128::\n")
    indices = np.array([[0, 1], [1, 7]], np.uint8)
    palette = np.zeros((256, 3))
    palette[1], palette[7] = (64, 0, 128), (224, 224, 192)
    for name in ("a", "b", "c"):
        image(root / "JPEGImages" / f"{name}.jpg", (2, 2))
        paletted(root / "SegmentationClass" / f"{name}.png", indices, palette)
        paletted(root / "SegmentationObject" / f"{name}.png", indices, palette)
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("a\nc\n")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("b\n")
    done = import_data(root, tmp_path / "out")
    assert done.counts == {"train": 2, "val": 1} and done.dataset.classes.names == ("background", "car")
    assert labels(open_dataset(tmp_path / "out"))["b"] == [[0, 1], [1, 255]]


@pytest.mark.parametrize("line", ["pics\\{0}.png labs\\{0}.png", "./pics/{0}.png|labs/{0}.png"])
def test_lists_of_paddleseg(tmp_path, line):
    for name in ("my road", "b", "c"):
        image(tmp_path / "in" / "pics" / f"{name}.png")
        mask(tmp_path / "in" / "labs" / f"{name}.png")
    (tmp_path / "in" / "train.txt").write_text("\n".join(line.format(name) for name in ("my road", "b", "gone")))
    (tmp_path / "in" / "val.txt").write_text(line.format("c"))
    done = import_data(tmp_path / "in", tmp_path / "out", kind="lists")
    assert done.counts == {"train": 2, "val": 1}
    assert [each.reason for each in done.skipped] == ["names no existing files: " + line.format("gone")]
    assert {frame.stem for frame in open_dataset(tmp_path / "out").frames("train")} == {"my road", "b"}


def test_masks_next_to_images(tmp_path):
    for name in ("1_sat", "2_sat"):
        image(tmp_path / "in" / f"{name}.jpg")
        mask(tmp_path / "in" / f"{name[0]}_mask.png")
    source = read(tmp_path / "in")
    assert [(item.image.name, item.label.file.name) for item in source.items] == [
        ("1_sat.jpg", "1_mask.png"),
        ("2_sat.jpg", "2_mask.png"),
    ]


def test_folders_named_by_the_user(tmp_path):
    for name in "ab":
        image(tmp_path / "in" / "one" / f"{name}.png")
        mask(tmp_path / "in" / "two" / f"{name}.png")
    with pytest.raises(CourseError, match="--images and --labels"):
        import_data(tmp_path / "in", tmp_path / "out")
    for given in ({"labels": tmp_path / "in" / "two"}, {"images": tmp_path / "in" / "one"}):
        assert import_data(tmp_path / "in", tmp_path / "out", dry_run=True, **given).counts == {"train": 1, "val": 1}


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


def test_masks_of_roboflow(tmp_path):
    for split in ("train", "valid"):
        image(tmp_path / "in" / split / "a_jpg.rf.1f2e.jpg")
        mask(tmp_path / "in" / split / "a_jpg.rf.1f2e_mask.png", np.array([[0, 1, 2], [2, 0, 1]], np.uint8))
        (tmp_path / "in" / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, dog\n2, cat\n")
    done = import_data(tmp_path / "in", tmp_path / "out")
    assert done.counts == {"train": 1, "val": 1} and done.dataset.classes.names == ("background", "dog", "cat")


def test_camvid_of_fastai(tmp_path):
    """images/ and labels/ with _P, codes.txt, and a list of the val frames only."""
    for name in ("0001_1", "0001_2", "0002_1"):
        image(tmp_path / "in" / "images" / f"{name}.png")
        mask(tmp_path / "in" / "labels" / f"{name}_P.png", np.array([[0, 1, 2], [2, 0, 1]], np.uint8))
    (tmp_path / "in" / "codes.txt").write_text("Animal\nSky\nVoid")
    (tmp_path / "in" / "valid.txt").write_text("0002_1.png\n")
    done = import_data(tmp_path / "in", tmp_path / "out")
    assert done.counts == {"train": 2, "val": 1} and done.dataset.classes.names == ("Animal", "Sky")
    assert [frame.stem for frame in open_dataset(tmp_path / "out").frames("val")] == ["0002_1"]


def test_colours_are_found_mask_by_mask(tmp_path):
    random = np.random.default_rng(0)
    for name in "abc":
        pixels = random.choice(np.array([[0, 0, 0], [255, 255, 255], [0, 0, 1], [9, 8, 7]], np.uint8), (5, 7))
        mask(tmp_path / f"{name}.png", pixels)
        drawn = Mask(tmp_path / f"{name}.png").draw(5, 7)
        assert np.array_equal(np.array([key.colour for key in drawn.keys])[drawn.pixels], pixels)


def test_a_test_split_needs_no_labels(tmp_path):
    for split in ("train", "val", "test"):
        image(tmp_path / "in" / "images" / split / f"{split}.png")
        if split != "test":
            mask(tmp_path / "in" / "labels" / split / f"{split}.png")
    done = import_data(tmp_path / "in", tmp_path / "out")
    assert done.counts == {"train": 1, "val": 1, "test": 1} and not done.skipped
    assert not open_dataset(tmp_path / "out").frames("test")[0].label.exists()


def test_names_in_other_encodings_and_cases(tmp_path):
    image(tmp_path / "in" / "images" / "Caf\u00e9.JPG")  # é as one character, and as two
    mask(tmp_path / "in" / "masks" / "cafe\u0301_MASK.png")
    (item,) = read(tmp_path / "in").items
    assert item.stem == "Caf\u00e9" and item.label.file.name == "cafe\u0301_MASK.png"


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


def test_links(tmp_path):
    image(tmp_path / "elsewhere" / "a.png")
    image(tmp_path / "elsewhere" / "b.png")
    for name in ("a", "b", "gone"):
        mask(tmp_path / "in" / "masks" / f"{name}.png")
    (tmp_path / "in" / "images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "gone.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "in")
    done = import_data(tmp_path / "in", tmp_path / "out")
    assert sum(done.counts.values()) == 2 and [Path(each.file).name for each in done.skipped] == ["gone.png"]
    assert "does not exist" in done.skipped[0].reason
