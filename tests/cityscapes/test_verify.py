"""Verification: an intact data set has no problems, and each kind of damage yields one that names the file."""

import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import write_frame, write_set

from helpers.cityscapes import __main__ as command
from helpers.cityscapes import id_to_train_id
from helpers.cityscapes.verify import OFFICIAL_COUNTS, verify
from helpers.common.errors import CourseError
from helpers.datasets import Classes, open_dataset
from helpers.datasets.dataset import UNFINISHED

STEM = "aachen_000001_000019"


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


def image(root):
    return root / f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"


def annotation(root, kind, end="png"):
    return root / f"gtFine/train/aachen/{STEM}_gtFine_{kind}.{end}"


def assert_problem(root, path, *words, fast=False):
    """Expect exactly one problem, at `path`, whose text contains `words`."""
    (problem,) = verify(root, expect="any", fast=fast).problems
    assert problem.path == path and all(word in problem.text for word in words), problem
    assert str(path) not in problem.text


def test_intact_data_set(root):
    for fast in (False, True):
        report = verify(root, expect="any", fast=fast)
        assert report.ok and report.problems == ()
        assert report.table["frames"].tolist() == [5, 2, 1]
        assert report.table["cities"].tolist() == [2, 1, 1]
        assert report.table["labelled"].tolist() == [5, 2, 0]


@pytest.mark.parametrize("size_hw", [(33, 50), (360, 480), (1, 2)])
def test_own_data_with_any_stems_and_sizes(tmp_path, size_hw):
    for split, stem in (("train", "img001"), ("train", "IMG 2.0"), ("val", "行人_7")):
        write_frame(tmp_path, split, "mine", stem, size_hw)
        for path in (tmp_path / "gtFine" / split / "mine").glob(f"{stem}_gtFine_*"):
            if path.name.endswith("labelIds.png"):
                ids = id_to_train_id()[np.asarray(Image.open(path))]
                Image.fromarray(ids).save(path.with_name(f"{stem}_gtFine_labelTrainIds.png"))
            if "mine" in str(path) and stem == "img001":
                path.unlink()  # train ids only
    report = verify(tmp_path, expect="any")
    assert report.ok, report.problems
    assert report.table["labelled"].tolist() == [2, 1, 0]


def test_hidden_files_and_links_that_lead_nowhere(root, tmp_path):
    image(root).with_name(f"._{image(root).name}").write_bytes(b"Mac OS X")
    annotation(root, "color").with_name("._x_gtFine_color.png").touch()
    (root / "leftImg8bit/train/aachen/up").symlink_to(root)
    assert verify(root, expect="any").ok
    image(root).unlink()
    image(root).symlink_to(tmp_path / "nowhere")
    assert_problem(root, image(root), "cannot be read")
    image(root).unlink()
    image(root).symlink_to(image(root).name)
    assert_problem(root, image(root), "cannot be read")


def test_data_with_other_classes_has_its_own_command(root, tmp_path):
    data = open_dataset(root)
    data.save()
    assert verify(root, expect="any").ok  # described as what it is
    replace(data, classes=Classes(("a", "b"), ((0, 0, 0), (1, 1, 1)))).save()
    with pytest.raises(CourseError, match=r"dataset\.toml describes other.*helpers\.datasets check"):
        verify(root)
    with pytest.raises(CourseError, match=r"layout.*helpers\.datasets check"):
        verify(root / "gtFine")


def test_split_without_frames(root):
    for path in root.rglob("*lindau*.*"):
        path.unlink()
    for folder in root.glob("*/val/lindau"):
        folder.rmdir()
    assert_problem(root, root / "leftImg8bit" / "val", "no frames")


def test_result_does_not_depend_on_the_number_of_processes(root):
    image(root).write_bytes(b"")
    assert verify(root, workers=1).problems == verify(root, workers=2).problems


def test_counts(root):
    official = verify(root)
    assert [problem.path.name for problem in official.problems] == ["train", "val", "test"]
    assert all(word in official.problems[0].text for word in ("expected 2975, found 5", "--expect any"))
    assert OFFICIAL_COUNTS == {"train": 2975, "val": 500, "test": 1525}
    (root / "miniscapes.json").write_text(json.dumps({"train": 5, "val": 2, "test": 2}))
    (problem,) = verify(root).problems
    assert "expected 2, found 1" in problem.text and "generate" in problem.text
    assert len(verify(root, expect="official").problems) == 3
    (root / "miniscapes.json").write_text("{}")
    with pytest.raises(CourseError, match="does not state"):
        verify(root)


def test_bad_arguments(root, tmp_path):
    with pytest.raises(CourseError, match="No data at"):
        verify(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match="leftImg8bit and gtFine missing"):
        verify(tmp_path / "empty")
    with pytest.raises(CourseError, match="'all'"):
        verify(root, expect="all")


@pytest.mark.parametrize("fast", [False, True])
def test_missing_label(root, fast):
    annotation(root, "labelTrainIds").unlink()
    assert_problem(root, annotation(root, "labelTrainIds"), "is missing", "prepare", fast=fast)


def test_image_without_annotations(root):
    for path in annotation(root, "color").parent.glob(f"{STEM}*"):
        path.unlink()
    assert_problem(root, annotation(root, "labelTrainIds"), "is missing", "unpack the gtFine archive")


def test_annotation_without_image(root):
    image(root).unlink()
    problems = verify(root, expect="any").problems
    assert len(problems) == 5
    assert all(f"{STEM}_leftImg8bit.png is missing" in each.text and STEM in each.path.name for each in problems)


def test_annotation_with_another_stem_is_not_matched(root):
    # The numbers of images and labels are equal, so matching by position would miss this.
    annotation(root, "labelTrainIds").rename(annotation(root, "labelTrainIds").with_name("x_gtFine_labelTrainIds.png"))
    texts = {each.path.name: each.text for each in verify(root, expect="any").problems}
    assert "is missing" in texts[f"{STEM}_gtFine_labelTrainIds.png"]
    assert "x_leftImg8bit.png is missing" in texts["x_gtFine_labelTrainIds.png"]


def test_empty_city_and_unfinished_preparation(root):
    (root / "leftImg8bit/val/munster").mkdir()
    assert_problem(root, root / "leftImg8bit/val/munster", "empty city folder")
    (root / "leftImg8bit/val/munster").rmdir()
    (root / UNFINISHED).mkdir()
    assert_problem(root, root / UNFINISHED, "interrupted")


def test_duplicate_stems(root):
    write_frame(root, "test", "mainz", STEM)
    assert_problem(root, root / f"leftImg8bit/test/mainz/{STEM}_leftImg8bit.png", "same stem as", "train/aachen")


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    "pixels, kind, words",
    [
        (Image.new("L", (64, 33)), "labelTrainIds", ["64 x 33", "64 x 32"]),
        (Image.new("L", (32, 32)), "labelIds", ["32 x 32"]),
        (Image.fromarray(np.zeros((32, 64), np.uint16)), "labelTrainIds", ["16-bit grey"]),
        (Image.new("P", (64, 32)), "labelTrainIds", ["paletted"]),
        (Image.new("L", (64, 32)), "instanceIds", ["8-bit grey"]),
        (Image.new("L", (64, 32)), "color", ["8-bit grey"]),
    ],
)
def test_headers(root, pixels, kind, words, fast):
    pixels.save(annotation(root, kind))
    assert_problem(root, annotation(root, kind), *words, fast=fast)


@pytest.mark.parametrize(
    "pixels, kind, words",
    [
        (Image.new("L", (64, 32), 77), "labelTrainIds", ["value 77", "2048"]),
        (Image.new("L", (64, 32), 19), "labelTrainIds", ["value 19"]),
        (Image.new("L", (64, 32), 77), "labelIds", ["id 77"]),
        (Image.fromarray(np.full((32, 64), 7001, np.uint16)), "instanceIds", ["id 7001"]),
        (Image.fromarray(np.full((32, 64), 300, np.uint16)), "instanceIds", ["id 300"]),
    ],
)
def test_values(root, pixels, kind, words):
    pixels.save(annotation(root, kind))
    assert_problem(root, annotation(root, kind), *words)
    assert verify(root, expect="any", fast=True).ok


@pytest.mark.parametrize("value", [0, 26, 33, 24000, 33999])
def test_valid_instance_ids(root, value):
    Image.fromarray(np.full((32, 64), value, np.uint16)).save(annotation(root, "instanceIds"))
    assert verify(root, expect="any").ok


def test_polygons(root):
    path = annotation(root, "polygons", "json")
    polygons = json.loads(path.read_text())
    path.write_text(json.dumps({**polygons, "imgHeight": 99}))
    assert_problem(root, path, "64 x 99", "64 x 32")
    polygons["objects"][0]["label"] = "unicorn"
    path.write_text(json.dumps(polygons))
    assert_problem(root, path, "'unicorn'")
    path.write_text("[")
    assert_problem(root, path, "not a valid Cityscapes annotation")


def test_damaged_image(root):
    path = image(root)
    intact = path.read_bytes()
    for fast, data, words in [
        (True, b"", "empty"),
        (True, intact[:-12], "truncated"),
        (True, b"GIF89a" + intact, "not a PNG"),
        (False, intact[:200] + bytes(9) + intact[209:], "checksum"),
    ]:
        path.write_bytes(data)
        assert_problem(root, path, words, fast=fast)
    path.unlink()
    path.mkdir()
    (problem, *_) = verify(root, expect="any").problems
    assert f"image {path.name} is missing" in problem.text


def test_damaged_data_with_valid_checksum(root):
    # The CRC of the chunk is correct, but its data is not a deflate stream: only decoding shows it.
    intact = image(root).read_bytes()
    at = intact.index(b"IDAT")
    length = int.from_bytes(intact[at - 4 : at], "big")
    body = b"IDAT" + bytes(length)
    image(root).write_bytes(intact[:at] + body + zlib.crc32(body).to_bytes(4, "big") + intact[at + length + 8 :])
    assert_problem(root, image(root), "cannot be decoded")


def test_command_line(root, capsys):
    assert command.main(["verify", str(root), "--expect", "any"]) == 0
    assert "no problems found." in capsys.readouterr().out
    for path in (root / "gtFine/train").rglob("*_labelTrainIds.png"):
        path.unlink()
    assert command.main(["verify", str(root), "--fast", "--expect", "any"]) == 1
    out = capsys.readouterr().out
    assert f"gtFine/train/aachen/{STEM}_gtFine_labelTrainIds.png: " in out and "5 problems found." in out
    assert command.main(["verify", str(root / "nowhere")]) == 2
    assert "No data at" in capsys.readouterr().err


def test_long_reports_are_shortened(root, capsys, monkeypatch):
    monkeypatch.setattr(command, "SHOWN", 2)
    for path in (root / "gtFine/train").rglob("*_labelTrainIds.png"):
        path.unlink()
    command.main(["verify", str(root), "--expect", "any"])
    assert "and 3 more, use --all" in capsys.readouterr().out
    command.main(["verify", str(root), "--expect", "any", "--all"])
    assert capsys.readouterr().out.count("is missing") == 5
