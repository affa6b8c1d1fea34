"""Preparation of small archives: results, and resuming after an interruption."""

import errno
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from preparing import STEM, annotation, archives, rejects, tree

from helpers import datasets
from helpers.cityscapes import __main__ as command
from helpers.cityscapes import prepare as module
from helpers.cityscapes.prepare import prepare
from helpers.common.errors import CourseError
from helpers.common.locks import locked
from helpers.datasets import open_dataset
from helpers.datasets.dataset import COMMAND, UNFINISHED


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


def test_command_line(raw, tmp_path, capsys):
    zips = [str(path) for path in archives(raw, tmp_path)]
    assert command.main(["prepare", *zips, "--to", str(tmp_path / "set")]) == 0
    out = capsys.readouterr().out
    assert "5 train, 2 val, 1 test frames." in out
    assert "Unpacked files: 40. Created labelTrainIds: 8." in out
    assert command.main(["prepare", zips[0], "--to", str(tmp_path / "other")]) == 2
    assert "gtFine" in capsys.readouterr().err
