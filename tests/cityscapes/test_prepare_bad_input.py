"""Every kind of bad input to the preparation is rejected in one sentence."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from preparing import STEM, annotation, archives, rejects
from tiny_cityscapes import write_frame, write_set

from helpers.cityscapes.prepare import prepare
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset
from helpers.datasets.dataset import UNFINISHED


def test_missing_arguments(tmp_path):
    rejects(["got none", "leftImg8bit_trainvaltest.zip"], [])
    rejects(["--to"], [tmp_path / "a.zip", tmp_path / "b.zip"])
    (tmp_path / "file").touch()
    rejects(["file", "is a file"], [tmp_path], tmp_path / "file")


def test_damaged_zip_entry(raw, tmp_path):
    images, annotations = archives(raw, tmp_path)
    data = bytearray(images.read_bytes())
    name = f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"
    at = data.index(name.encode()) + len(name) + 200
    data[at : at + 50] = bytes(50)
    images.write_bytes(data)
    rejects([images, "damaged", name, "download it again"], [images, annotations], tmp_path / "set")
    assert not list((tmp_path / "set").rglob(f"*{STEM}*"))
    with pytest.raises(CourseError, match="interrupted"):
        open_dataset(tmp_path / "set").frames("train")


def test_image_without_annotation_and_annotation_without_image(raw, tmp_path):
    for path in annotation(raw, "color").parent.glob(f"{STEM}*"):
        path.unlink()
    rejects([f"{STEM}_leftImg8bit.png has no annotation", "1 of 8"], [raw], tmp_path / "set")
    (raw / f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png").unlink()
    other = raw / "leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png"
    other.unlink()
    rejects(["lindau_000000_000019_gtFine_color.png has no image"], [raw], tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_duplicate_stems(raw, tmp_path):
    write_frame(raw, "val", "lindau", STEM)
    rejects([f"leftImg8bit/train/aachen/{STEM}", f"leftImg8bit/val/lindau/{STEM}", "same stem"], [raw])
    other = write_set(tmp_path / "other", {"train": {"aachen": 2}}, train_ids=False)
    rejects(["both contain", "train/aachen/aachen_00000"], [other, raw], tmp_path / "set")


def test_empty_city(raw, tmp_path):
    (raw / "leftImg8bit/train/zurich").mkdir()
    rejects([raw, "empty city folder leftImg8bit/train/zurich"], [raw], tmp_path / "set")


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds", "instanceIds", "color"])
def test_annotation_of_another_size(raw, kind):
    prepare([raw])
    path = annotation(raw, kind)
    with Image.open(path) as image:
        larger = image.resize((128, 64), Image.Resampling.NEAREST)
    larger.save(path)
    rejects([path, "128 x 64", "64 x 32"], [raw])


def test_polygons_of_another_size(raw):
    path = annotation(raw, "polygons", "json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "imgWidth": 100000}))
    rejects([path, "100000 x 32", "64 x 32"], [raw])


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda p: p["objects"][0].update(label="unicorn"), ["object 0", "'unicorn'"]),
        (lambda p: p["objects"][2].update(polygon=[[1, 2, 3]]), ["object 2 (road)", "points"]),
        (lambda p: p["objects"][2].update(polygon=[[1, 2], [float("nan"), 3]]), ["object 2 (road)"]),
        (lambda p: p.pop("imgHeight"), ["imgHeight"]),
        (lambda p: p.update(objects=7), ["not a valid Cityscapes annotation"]),
    ],
)
def test_bad_polygons(raw, change, words):
    path = annotation(raw, "polygons", "json")
    polygons = json.loads(path.read_text())
    change(polygons)
    path.write_text(json.dumps(polygons))
    rejects([path, *words], [raw])
    assert not annotation(raw, "labelTrainIds").exists()


@pytest.mark.parametrize(
    "image, kind, words",
    [
        (Image.fromarray(np.zeros((32, 64), np.uint16)), "labelTrainIds", ["16-bit grey"]),
        (Image.new("P", (64, 32)), "labelTrainIds", ["paletted"]),
        (Image.new("L", (64, 32), 77), "labelTrainIds", ["value 77", "2048 pixels"]),
        (Image.new("P", (64, 32)), "labelIds", ["paletted"]),
        (Image.new("L", (64, 32)), "instanceIds", ["8-bit grey", "16-bit grey"]),
    ],
)
def test_annotation_of_the_wrong_type(raw, image, kind, words):
    image.save(annotation(raw, kind))
    rejects([annotation(raw, kind), *words], [raw])


def test_id_77_without_polygons(raw):
    annotation(raw, "polygons", "json").unlink()
    Image.new("L", (64, 32), 77).save(annotation(raw, "labelIds"))
    rejects([annotation(raw, "labelIds"), "id 77", "0 to 33"], [raw])


def test_damaged_image(raw):
    path = raw / f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"
    intact = path.read_bytes()
    path.write_bytes(intact[:-30])
    rejects([path, "truncated"], [raw])
    path.write_bytes(intact[:16] + (60000).to_bytes(4, "big") * 2 + intact[24:])
    rejects([path, "60000 x 60000"], [raw])


def test_link_in_the_target(raw, tmp_path):
    to, outside = tmp_path / "set", tmp_path / "outside"
    outside.mkdir()
    to.mkdir()
    (to / "leftImg8bit").symlink_to(outside)
    rejects(["link to a folder outside", "leftImg8bit"], archives(raw, tmp_path), to)
    assert not list(outside.rglob("*.png"))


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_read_only_target(raw, tmp_path, monkeypatch, code):
    real = Path.mkdir

    def denied(path, *args, **options):
        if path.name == UNFINISHED:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", denied)
    rejects([tmp_path / "set", "is not writable", "--to"], archives(raw, tmp_path), tmp_path / "set")
    assert not list((tmp_path).glob("set/*"))


def test_target_that_cannot_be_created(raw, tmp_path):
    # Nobody can create files in /proc, not even root.
    rejects(["/proc", "--to"], archives(raw, tmp_path), "/proc/set")


def test_too_little_disk_space(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 1000))
    rejects(["GB free", "another disk"], archives(raw, tmp_path), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_disk_full_during_the_run(raw, tmp_path, monkeypatch):
    zips, to = archives(raw, tmp_path), tmp_path / "set"
    real = Path.write_bytes

    def full(path, data):
        if STEM in path.name:
            path = Path("/dev/full")  # every write fails: no space left on device
        return real(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        rejects(["full", "same command again"], zips, to)
    assert not list(to.rglob(f"*{STEM}*"))
    with pytest.raises(CourseError, match="interrupted"):
        open_dataset(to).frames("train")
    assert prepare(zips, to).unpacked < 40  # resumes once there is space


def test_names_with_spaces(tmp_path):
    root = tmp_path / "raw"
    write_frame(root, "train", "bad nauheim", "bad nauheim_000000_000019")
    rejects(["bad nauheim", "space", "rename"], [root])
