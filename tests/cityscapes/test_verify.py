"""verify: a sound set has no finding; each damage gives one that names the file."""

import json
import zlib

import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import write_frame, write_set

from helpers.cityscapes import __main__ as command
from helpers.cityscapes.frames import UNFINISHED
from helpers.cityscapes.verify import OFFICIAL_COUNTS, verify
from helpers.common.errors import CourseError

STEM = "aachen_000001_000019"


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


def image(root):
    return root / f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"


def annotation(root, kind, end="png"):
    return root / f"gtFine/train/aachen/{STEM}_gtFine_{kind}.{end}"


def finds(root, path, *words, fast=False):
    """Exactly one finding, about `path`, with these words."""
    (found,) = verify(root, expect="any", fast=fast).findings
    assert found.path == path and all(word in found.text for word in words), found
    assert str(path) not in found.text


def test_a_sound_set(root):
    for fast in (False, True):
        report = verify(root, expect="any", fast=fast)
        assert report.sound and report.findings == ()
        assert report.table["frames"].tolist() == [5, 2, 1]
        assert report.table["cities"].tolist() == [2, 1, 1]
        assert report.table["labelled"].tolist() == [5, 2, 0]


def test_no_frame_at_all(root):
    for path in root.rglob("*lindau*.*"):
        path.unlink()
    for folder in root.glob("*/val/lindau"):
        folder.rmdir()
    finds(root, root / "leftImg8bit" / "val", "no frame at all")


def test_several_processes_find_the_same(root):
    image(root).write_bytes(b"")
    assert verify(root, workers=1).findings == verify(root, workers=2).findings


def test_counts(root):
    official = verify(root)
    assert [found.path.name for found in official.findings] == ["train", "val", "test"]
    assert "5 frames, not 2975" in official.findings[0].text and "--expect any" in official.findings[0].text
    assert OFFICIAL_COUNTS == {"train": 2975, "val": 500, "test": 1525}
    (root / "miniscapes.json").write_text(json.dumps({"train": 5, "val": 2, "test": 2}))
    (found,) = verify(root).findings
    assert "1 frames, not 2" in found.text
    assert len(verify(root, expect="official").findings) == 3
    (root / "miniscapes.json").write_text("{}")
    with pytest.raises(CourseError, match="does not state"):
        verify(root)


def test_bad_arguments(root, tmp_path):
    with pytest.raises(CourseError, match="No data at"):
        verify(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match="lacks leftImg8bit and gtFine"):
        verify(tmp_path / "empty")
    with pytest.raises(CourseError, match="'all'"):
        verify(root, expect="all")


@pytest.mark.parametrize("fast", [False, True])
def test_names(root, fast):
    annotation(root, "labelTrainIds").unlink()
    finds(root, annotation(root, "labelTrainIds"), "is missing", "prepare", fast=fast)


def test_no_annotation_at_all(root):
    for path in annotation(root, "color").parent.glob(f"{STEM}*"):
        path.unlink()
    finds(root, annotation(root, "labelTrainIds"), "is missing", "get the gtFine")


def test_annotation_without_image(root):
    image(root).unlink()
    found = verify(root, expect="any").findings
    assert len(found) == 5 and all("no image" in each.text and STEM in each.path.name for each in found)


def test_an_annotation_in_another_city_is_not_taken(root):
    # Equal numbers of images and labels, paired wrong: what pairing by position would not see.
    annotation(root, "labelTrainIds").rename(annotation(root, "labelTrainIds").with_name("x_gtFine_labelTrainIds.png"))
    texts = {each.path.name: each.text for each in verify(root, expect="any").findings}
    assert "is missing" in texts[f"{STEM}_gtFine_labelTrainIds.png"]
    assert "no image x_leftImg8bit.png" in texts["x_gtFine_labelTrainIds.png"]


def test_empty_city_and_unfinished_preparation(root):
    (root / "leftImg8bit/val/munster").mkdir()
    finds(root, root / "leftImg8bit/val/munster", "empty city folder")
    (root / "leftImg8bit/val/munster").rmdir()
    (root / UNFINISHED).mkdir()
    finds(root, root / UNFINISHED, "interrupted")


def test_colliding_stems(root):
    write_frame(root, "test", "mainz", STEM)
    finds(root, root / f"leftImg8bit/test/mainz/{STEM}_leftImg8bit.png", "same stem as", "train/aachen")


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    "picture, kind, words",
    [
        (Image.new("L", (64, 33)), "labelTrainIds", ["64 x 33", "64 x 32"]),
        (Image.new("L", (32, 32)), "labelIds", ["32 x 32"]),
        (Image.fromarray(np.zeros((32, 64), np.uint16)), "labelTrainIds", ["16-bit grey"]),
        (Image.new("P", (64, 32)), "labelTrainIds", ["paletted"]),
        (Image.new("L", (64, 32)), "instanceIds", ["8-bit grey"]),
        (Image.new("L", (64, 32)), "color", ["8-bit grey"]),
    ],
)
def test_headers(root, picture, kind, words, fast):
    picture.save(annotation(root, kind))
    finds(root, annotation(root, kind), *words, fast=fast)


@pytest.mark.parametrize(
    "picture, kind, words",
    [
        (Image.new("L", (64, 32), 77), "labelTrainIds", ["value 77", "2048"]),
        (Image.new("L", (64, 32), 19), "labelTrainIds", ["value 19"]),
        (Image.new("L", (64, 32), 77), "labelIds", ["id 77"]),
        (Image.fromarray(np.full((32, 64), 7001, np.uint16)), "instanceIds", ["id 7001"]),
        (Image.fromarray(np.full((32, 64), 300, np.uint16)), "instanceIds", ["id 300"]),
    ],
)
def test_values(root, picture, kind, words):
    picture.save(annotation(root, kind))
    finds(root, annotation(root, kind), *words)
    assert verify(root, expect="any", fast=True).sound


@pytest.mark.parametrize("value", [0, 26, 33, 24000, 33999])
def test_legal_instance_ids(root, value):
    Image.fromarray(np.full((32, 64), value, np.uint16)).save(annotation(root, "instanceIds"))
    assert verify(root, expect="any").sound


def test_polygons(root):
    path = annotation(root, "polygons", "json")
    polygons = json.loads(path.read_text())
    path.write_text(json.dumps({**polygons, "imgHeight": 99}))
    finds(root, path, "64 x 99", "64 x 32")
    polygons["objects"][0]["label"] = "unicorn"
    path.write_text(json.dumps(polygons))
    finds(root, path, "'unicorn'")
    path.write_text("[")
    finds(root, path, "JSON")


def test_damage(root):
    path = image(root)
    whole = path.read_bytes()
    for fast, data, words in [
        (True, b"", "empty"),
        (True, whole[:-12], "cut off"),
        (True, b"GIF89a" + whole, "no PNG"),
        (False, whole[:200] + bytes(9) + whole[209:], "checksum"),
    ]:
        path.write_bytes(data)
        finds(root, path, words, fast=fast)
    path.unlink()
    path.mkdir()
    (found, *_) = verify(root, expect="any").findings
    assert found.path == path and "cannot be read" in found.text


def test_right_checksums_over_wrong_data(root):
    # The chunk's CRC is right, what it holds is no deflate stream: only decoding tells.
    whole = image(root).read_bytes()
    at = whole.index(b"IDAT")
    length = int.from_bytes(whole[at - 4 : at], "big")
    body = b"IDAT" + bytes(length)
    image(root).write_bytes(whole[:at] + body + zlib.crc32(body).to_bytes(4, "big") + whole[at + length + 8 :])
    finds(root, image(root), "cannot be decoded")


def test_on_the_command_line(root, capsys):
    assert command.main(["verify", str(root), "--expect", "any"]) == 0
    assert "sound" in capsys.readouterr().out
    for path in (root / "gtFine/train").rglob("*_labelTrainIds.png"):
        path.unlink()
    assert command.main(["verify", str(root), "--fast", "--expect", "any"]) == 1
    out = capsys.readouterr().out
    assert f"gtFine/train/aachen/{STEM}_gtFine_labelTrainIds.png: " in out and "NOT sound: 5 findings" in out
    assert command.main(["verify", str(root / "nowhere")]) == 2
    assert "No data at" in capsys.readouterr().err


def test_many_findings_are_shortened(root, capsys, monkeypatch):
    monkeypatch.setattr(command, "SHOWN", 2)
    for path in (root / "gtFine/train").rglob("*_labelTrainIds.png"):
        path.unlink()
    command.main(["verify", str(root), "--expect", "any"])
    assert "and 3 more; --all" in capsys.readouterr().out
    command.main(["verify", str(root), "--expect", "any", "--all"])
    assert capsys.readouterr().out.count("is missing") == 5
