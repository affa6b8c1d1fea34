"""Import of masks in the layouts in which data sets are published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_masks import COLOURS, image, labels, mask, paletted

from helpers.common.errors import CourseError
from helpers.datasets import open_dataset
from helpers.datasets.importing import import_data
from helpers.datasets.importing.pairs import read


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


def test_a_test_split_needs_no_labels(tmp_path):
    for split in ("train", "val", "test"):
        image(tmp_path / "in" / "images" / split / f"{split}.png")
        if split != "test":
            mask(tmp_path / "in" / "labels" / split / f"{split}.png")
    done = import_data(tmp_path / "in", tmp_path / "out")
    assert done.counts == {"train": 1, "val": 1, "test": 1} and not done.skipped
    assert not open_dataset(tmp_path / "out").frames("test")[0].label.exists()


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
