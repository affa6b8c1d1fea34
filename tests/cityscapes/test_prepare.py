"""Preparation of small archives: results, resuming after an interruption, and every kind of bad input."""

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from PIL import Image
from tiny_cityscapes import write_frame, write_set

from helpers import datasets
from helpers.cityscapes import __main__ as command
from helpers.cityscapes import prepare as module
from helpers.cityscapes.prepare import prepare
from helpers.common.errors import CourseError
from helpers.common.locks import locked
from helpers.datasets import open_dataset
from helpers.datasets.dataset import COMMAND, UNFINISHED

STEM = "aachen_000001_000019"


@pytest.fixture
def raw(tmp_path):
    """Unpacked official archives: no labelTrainIds."""
    return write_set(tmp_path / "raw", train_ids=False)


def archives(raw, tmp_path, form="zip"):
    halves = ("leftImg8bit", "gtFine")
    return [Path(shutil.make_archive(str(tmp_path / f"{half}_trainvaltest"), form, raw, half)) for half in halves]


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def rejects(words, sources, to=None):
    with pytest.raises(CourseError) as caught:
        prepare(sources, to)
    text = str(caught.value)
    assert all(str(word) in text for word in words), text
    assert "\n" not in text
    return text


def test_two_zips(raw, tmp_path):
    to = tmp_path / "deep" / "set"
    done = prepare(archives(raw, tmp_path), to)
    assert done.frames == {"train": 5, "val": 2, "test": 1} and (done.unpacked, done.train_ids_made) == (40, 8)
    made = tree(to)
    assert {name: data for name, data in made.items() if name in tree(raw)} == tree(raw)
    assert not (to / UNFINISHED).exists()
    for split in ("train", "val"):
        for frame in open_dataset(to).frames(split):
            expected = tmp_path / "expected.png"
            json2labelImg(str(frame.annotation("polygons")), str(expected), "trainIds")
            assert frame.label.read_bytes() == expected.read_bytes()
    assert sorted(set(made) - set(tree(raw)))[-5:] == [
        "infer.list",
        "test.list",
        "train.list",
        "trainval.list",
        "val.list",
    ]


@pytest.mark.parametrize("form", ["tar", "gztar", "folder", "in place", "halves"])
def test_every_source_type_yields_the_same_files(raw, tmp_path, form):
    expected = tmp_path / "expected"
    prepare(archives(raw, tmp_path), expected)
    to = tmp_path / "set"
    if form in ("tar", "gztar"):  # as one archive with a folder on top
        prepare([shutil.make_archive(str(tmp_path / "cityscapes"), form, tmp_path, "raw")], to)
    elif form == "folder":
        prepare([raw], to)
        image = next(raw.rglob("*_leftImg8bit.png"))
        assert image.samefile(to / image.relative_to(raw))  # linked, not copied
    elif form == "halves":
        prepare([raw / "leftImg8bit", raw / "gtFine"], to)
    else:
        prepare([raw])
        to = raw
    assert tree(to) == tree(expected)


def test_folder_on_another_disk_is_copied(raw, tmp_path, monkeypatch):
    def no_link(*_args, **_options):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    prepare([raw], tmp_path / "set")
    image = next(raw.rglob("*_leftImg8bit.png"))
    copied = tmp_path / "set" / image.relative_to(raw)
    assert copied.read_bytes() == image.read_bytes() and not image.samefile(copied)


def other_disk(monkeypatch, *folders):
    """Let renaming and linking into `folders` fail from anywhere else, as it does between disks."""
    inside = {"replace": os.replace, "link": os.link}

    def disk(path):
        return next((folder for folder in folders if Path(path).parent.resolve().is_relative_to(folder)), None)

    def across(name):
        def call(source, target, **options):
            if disk(source) != disk(target):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
            return inside[name](source, target, **options)

        return call

    for name in inside:
        monkeypatch.setattr(os, name, across(name))


def test_halves_linked_to_other_disks(raw, tmp_path, monkeypatch):
    prepare([raw], tmp_path / "expected")
    root, disk = tmp_path / "set", tmp_path / "disk"
    root.mkdir()
    shutil.copytree(raw, disk)
    for half in ("leftImg8bit", "gtFine"):
        (root / half).symlink_to(disk / half)
    other_disk(monkeypatch, disk)
    assert prepare([root], workers=1).train_ids_made == 8
    for path in (tmp_path / "expected").rglob("*_labelTrainIds.png"):
        assert (disk / path.relative_to(tmp_path / "expected")).read_bytes() == path.read_bytes()
    assert len(open_dataset(root).frames("train")) == 5


def test_dead_links_are_left_out_and_named(raw, tmp_path, capsys):
    folder = raw / "leftImg8bit" / "train" / "aachen"
    (folder / "gone_000000_000019_leftImg8bit.png").symlink_to(tmp_path / "nowhere")
    (folder / "self_000000_000019_leftImg8bit.png").symlink_to("self_000000_000019_leftImg8bit.png")
    (folder / "up").symlink_to(raw)
    done = prepare([raw], tmp_path / "set")
    assert done.frames == {"train": 5, "val": 2, "test": 1}
    assert sorted(path.name.partition("_")[0] for path in done.dead_links) == ["gone", "self"]
    assert len(open_dataset(tmp_path / "set").frames("train")) == 5
    assert command.main(["prepare", str(raw), "--to", str(tmp_path / "again")]) == 0
    assert "Left out links to missing files: 2, such as " in capsys.readouterr().out


def test_label_that_is_a_dead_link_is_created_again(raw, tmp_path):
    annotation(raw, "labelTrainIds").symlink_to(tmp_path / "nowhere")
    assert prepare([raw]).train_ids_made == 8
    assert len(open_dataset(raw).frames("train")) == 5


def test_annotations_that_are_dead_links_are_missing(raw, tmp_path):
    for path in annotation(raw, "color").parent.glob(f"{STEM}*"):
        path.unlink()
        path.symlink_to(tmp_path / "nowhere")
    rejects([f"{STEM}_leftImg8bit.png has no annotation"], [raw])


def test_hidden_files_are_ignored(raw, tmp_path):
    expected = tree(raw)
    for path in list(raw.rglob("*.png")):
        path.with_name(f"._{path.name}").write_bytes(b"Mac OS X")
    done = prepare([raw], tmp_path / "set")
    assert done.frames == {"train": 5, "val": 2, "test": 1}
    assert expected.items() <= tree(tmp_path / "set").items()
    assert prepare([raw]).frames == done.frames


def test_a_city_of_hidden_files_is_empty(raw):
    (raw / "leftImg8bit/train/zurich").mkdir()
    (raw / "leftImg8bit/train/zurich/._zurich_000000_000019_leftImg8bit.png").touch()
    rejects(["empty city folder"], [raw])


@pytest.mark.parametrize("end", ["_leftImg8bit.PNG", "_leftImg8bit.jpg", "_LEFTIMG8BIT.png"])
def test_images_with_other_names_are_named(raw, tmp_path, end):
    image = raw / f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"
    image.rename(image.with_name(STEM + end))
    rejects([f"{STEM}{end}", "must end in _leftImg8bit.png", "rename"], [raw], tmp_path / "set")


def test_zip_with_backslashes(raw, tmp_path):
    expected = tmp_path / "expected"
    prepare([raw], expected)
    path = tmp_path / "windows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in tree(raw).items():
            info = zipfile.ZipInfo("cityscapes\\" + name.replace("/", "\\"))
            archive.writestr(info, data)
    assert prepare([path], tmp_path / "set").frames == {"train": 5, "val": 2, "test": 1}
    assert tree(tmp_path / "set") == tree(expected)


def test_second_process_on_the_same_target_is_refused(raw, tmp_path):
    to = tmp_path / "set"
    with locked(to / UNFINISHED):
        rejects(["Another run writes to", "--to"], [raw], to)
    prepare([raw], to)


def test_result_does_not_depend_on_the_number_of_processes(raw, tmp_path):
    prepare(archives(raw, tmp_path), tmp_path / "one", workers=1)
    prepare(archives(raw, tmp_path), tmp_path / "two", workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_second_run_does_nothing(raw, tmp_path):
    zips, to = archives(raw, tmp_path), tmp_path / "set"
    prepare(zips, to)
    times = {path: path.stat().st_mtime_ns for path in to.rglob("*.png")}
    done = prepare(zips, to)
    assert (done.unpacked, done.train_ids_made) == (0, 0)
    assert {path: path.stat().st_mtime_ns for path in to.rglob("*.png")} == times


def test_both_archives_are_required_unless_one_is_unpacked(raw, tmp_path):
    images, annotations = archives(raw, tmp_path)
    rejects([images, "No gtFine", "gtFine_trainvaltest.zip"], [images], tmp_path / "set")
    rejects([annotations, "No leftImg8bit", "leftImg8bit_trainvaltest.zip"], [annotations], tmp_path / "set")
    assert not (tmp_path / "set").exists()
    prepare([images, annotations], tmp_path / "set")
    prepare([annotations], tmp_path / "set")  # the images are already unpacked


def test_interrupted_preparation_is_rejected_and_resumed(raw, tmp_path, monkeypatch):
    zips, to = archives(raw, tmp_path), tmp_path / "set"
    real, calls = module.make_train_ids, []

    def stop_at_the_fourth(frame, image, temporary):
        real(frame, image, temporary)
        calls.append(frame)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "make_train_ids", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        prepare(zips, to)
    assert not list(to.rglob(".part-*"))
    assert (to / UNFINISHED / COMMAND).read_text() == (
        f"python -m helpers.cityscapes prepare {zips[0]} {zips[1]} --to {to}\n"
    )
    with pytest.raises(CourseError, match="interrupted"):
        open_dataset(to).frames("train")
    monkeypatch.setattr(module, "make_train_ids", real)
    done = prepare(zips, to)
    assert (done.unpacked, done.train_ids_made) == (0, 5)  # three were complete
    assert len(open_dataset(to).frames("train")) == 5


def test_partial_file_of_a_killed_run_is_replaced(raw, tmp_path):
    zips, to = archives(raw, tmp_path), tmp_path / "set"
    prepare(zips, to)
    intact = tree(to)
    image = to / f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"
    image.write_bytes(image.read_bytes()[:100])
    (to / UNFINISHED).mkdir()
    image.with_name(f".part-{image.name}").write_bytes(b"half")
    prepare(zips, to)
    assert tree(to) == intact


def test_data_with_label_ids_only(raw, tmp_path):
    expected = tmp_path / "expected"
    prepare([raw], expected)
    for path in raw.rglob("*_polygons.json"):
        path.unlink()
    prepare([raw])
    for split in ("train", "val"):
        for frame, other in zip(open_dataset(raw).frames(split), open_dataset(expected).frames(split), strict=True):
            np.testing.assert_array_equal(datasets.read_label(frame), datasets.read_label(other))


def test_lists_follow_paddleseg_format(raw):
    prepare([raw])
    lines = (raw / "trainval.list").read_text().splitlines()
    assert len(lines) == 7 and all(len(line.split(" ")) == 2 for line in lines)
    for line in lines:
        image, label = line.split(" ")
        assert (raw / image).is_file() and (raw / label).is_file()
        assert Path(image).name.removesuffix("_leftImg8bit.png") == Path(label).name.removesuffix(
            "_gtFine_labelTrainIds.png"
        )
    assert (raw / "infer.list").read_text() == "leftImg8bit/test/mainz/mainz_000000_000019_leftImg8bit.png\n"


# Bad input


def annotation(root, kind, end="png"):
    return root / f"gtFine/train/aachen/{STEM}_gtFine_{kind}.{end}"


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


def test_command_line(raw, tmp_path, capsys):
    zips = [str(path) for path in archives(raw, tmp_path)]
    assert command.main(["prepare", *zips, "--to", str(tmp_path / "set")]) == 0
    out = capsys.readouterr().out
    assert "5 train, 2 val, 1 test frames." in out
    assert "Unpacked files: 40. Created labelTrainIds: 8." in out
    assert command.main(["prepare", zips[0], "--to", str(tmp_path / "other")]) == 2
    assert "gtFine" in capsys.readouterr().err
