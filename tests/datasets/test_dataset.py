"""Data sets in folders as people have them: found, matched by stem, and every mistake named."""

import os
import pickle
from dataclasses import replace

import pytest
from PIL import Image
from tiny_cityscapes import write_set

from helpers.common.errors import CourseError
from helpers.datasets import Classes, Dataset, find_dataset, open_dataset
from helpers.datasets.dataset import COMMAND, UNFINISHED

LEAVES = Classes(("soil", "leaf"), ((90, 60, 30), (0, 200, 0)))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)
    return write_set(tmp_path / "set")


def own(root, images="images/{split}/{stem}.*", labels="labels/{split}/{stem}.png", **others):
    return Dataset(root, "leaves", LEAVES, images, labels, **others)


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L" if "label" in name else "RGB", (4, 3)).save(root / name)


def rejects(words, call, *args):
    with pytest.raises(CourseError) as caught:
        call(*args)
    text = str(caught.value)
    assert all(word in text for word in words) and "\n" not in text, text


def names(frames):
    return [frame.image.name for frame in frames]


def test_cityscapes_layout_matches_by_stem(root):
    frames = open_dataset(root).frames("train")
    assert [frame.stem for frame in frames][:2] == ["aachen_000000_000019", "aachen_000001_000019"]
    assert [frame.group for frame in frames] == ["aachen"] * 3 + ["bochum"] * 2
    for frame in frames:
        assert frame.image.name.startswith(frame.stem) and frame.label.name.startswith(frame.stem)
    assert len(open_dataset(root).frames("test")) == 1  # needs no labels
    assert open_dataset(root).name == "set"


def test_find_dataset_prefers_argument_then_environment(root, tmp_path, monkeypatch):
    assert find_dataset(root, tmp_path / "no").root == root
    assert find_dataset("", root).root == root
    monkeypatch.setenv("CITYSCAPES_DATASET", str(root))
    assert find_dataset("", tmp_path / "no").root == root


def test_splits_that_have_frames(root):
    assert open_dataset(root).existing_splits() == ["train", "val", "test"]
    for image in (root / "leftImg8bit" / "test").rglob("*.png"):
        image.unlink()
    assert open_dataset(root).existing_splits() == ["train", "val"]


def test_layout_without_groups_any_format_any_case(tmp_path):
    data = own(tmp_path)
    write(tmp_path, "images/train/b.JPG", "images/train/a.png", "images/train/c.d.TIF", "images/train/行人 1.webp")
    write(tmp_path, *(f"labels/train/{stem}.png" for stem in ("a", "b", "c.d", "行人 1")))
    (tmp_path / "images/train/notes.txt").touch()
    frames = data.frames("train")
    assert names(frames) == ["a.png", "b.JPG", "c.d.TIF", "行人 1.webp"]
    assert [frame.group for frame in frames] == [""] * 4
    assert [frame.label.name for frame in frames] == ["a.png", "b.png", "c.d.png", "行人 1.png"]
    assert pickle.loads(pickle.dumps(frames)) == frames  # as for another process


def test_group_in_the_file_name_and_other_split_folders(tmp_path):
    write(tmp_path, "S/tr/cam1_0007.png", "S/tr/cam1_0008.png", "S/va/cam2_0001.png")
    write(tmp_path, "S/tr/cam1_0007_label.png", "S/tr/cam1_0008_label.png", "S/va/cam2_0001_label.png")
    splits = (("train", "tr"), ("val", "va"))
    data = own(tmp_path, "S/{split}/{group}_{stem}.png", "S/{split}/{group}_{stem}_label.png", splits=splits)
    # The labels lie next to their images and match the path of images, too.
    assert [(frame.group, frame.stem) for frame in data.frames("train")] == [("cam1", "0007"), ("cam1", "0008")]
    assert data.existing_splits() == ["train", "val"]
    rejects(["leaves has no test frames", "train, val"], data.frames, "test")


def test_folders_with_placeholders_and_dots(tmp_path):
    write(tmp_path, "my.data/a/images/1.png", "my.data/b/images/2.png")
    write(tmp_path, "my.data/a/labels/1.png", "my.data/b/labels/2.png")
    data = own(tmp_path, "my.data/{group}/images/{stem}.png", "my.data/{group}/labels/{stem}.png")
    data = replace(data, splits=(("train", "train"),))
    assert [(frame.group, frame.stem) for frame in data.frames("train")] == [("a", "1"), ("b", "2")]


def test_hidden_files_and_folders_are_ignored(tmp_path):
    write(tmp_path, "images/train/a.png", "images/train/._a.png", "images/.trash/b.png", "labels/train/a.png")
    assert names(own(tmp_path).frames("train")) == ["a.png"]
    data = own(tmp_path, "images/{group}/{stem}.png", "labels/{group}/{stem}.png", splits=(("train", "train"),))
    assert names(data.frames("train")) == ["a.png"]


def test_links_to_files_and_folders_are_followed(tmp_path):
    write(tmp_path, "disk/a.png", "labels/train/a.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/train").symlink_to(tmp_path / "disk")
    assert names(own(tmp_path).frames("train")) == ["a.png"]


def test_links_that_lead_nowhere_are_named(tmp_path):
    write(tmp_path, "images/train/a.png", "labels/train/a.png")
    dead, loop = tmp_path / "images/train/dead.png", tmp_path / "images/train/loop.png"
    loop.symlink_to(loop.name)
    rejects(["loop.png", "link to a missing file", "remove the link"], own(tmp_path).frames, "train")
    loop.unlink()
    dead.symlink_to(tmp_path / "nowhere.png")
    rejects(["dead.png", "link to a missing file"], own(tmp_path).frames, "train")
    dead.unlink()
    (tmp_path / "labels/train/a.png").unlink()
    (tmp_path / "labels/train/a.png").symlink_to("a.png")
    rejects(["a.png has no label", "link to a missing file"], own(tmp_path).frames, "train")
    (tmp_path / "self").symlink_to("self")
    rejects(["No data at", "self"], open_dataset, tmp_path / "self")


def test_two_extensions_with_one_stem(tmp_path):
    write(tmp_path, "images/train/a.png", "images/train/a.jpg", "labels/train/a.png")
    rejects(["stem a", "a.jpg and", "a.png", "rename one"], own(tmp_path).frames, "train")


def test_missing_label_names_what_to_do(tmp_path):
    write(tmp_path, "images/train/a.png", "images/train/b.png", "labels/train/b.png")
    rejects(["a.png has no label labels/train/a.png", "1 of 2", "add the label"], own(tmp_path).frames, "train")
    write(tmp_path, "labels/train/A.PNG")
    rejects(["a.png has no label", "rename A.PNG, which differs in case"], own(tmp_path).frames, "train")


def test_missing_label_of_cityscapes_is_created_by_prepare(root):
    frame = open_dataset(root).frames("train")[2]
    frame.label.unlink()
    rejects([frame.image.name, frame.label.name, "1 of 5", "prepare"], open_dataset(root).frames, "train")


def test_no_images_shows_what_was_found_instead(tmp_path, root):
    write(tmp_path, "images/train/a.png", "images/.hidden.png")
    rejects(["No val frames", "images/val/<stem>", "found images/train/a.png"], own(tmp_path).frames, "val")
    image = root / "leftImg8bit/val/lindau"
    for path in image.iterdir():
        path.rename(path.with_suffix(".jpg"))
    rejects(["val/<group>/<stem>_leftImg8bit.png, found", "_leftImg8bit.jpg"], open_dataset(root).frames, "val")
    (tmp_path / "images/train/a.png").rename(tmp_path / "images/train/a.HEIC")
    rejects(["No train frames", "found images/train/a.HEIC"], own(tmp_path).frames, "train")
    (tmp_path / "empty").mkdir()
    rejects(["No train frames", "expected images like"], own(tmp_path / "empty").frames, "train")


def test_unknown_split(root):
    rejects(["'dev'", "train, val or test"], open_dataset(root).frames, "dev")


def test_one_stem_in_two_groups(root):
    frame = open_dataset(root).frames("train")[0]
    (root / "leftImg8bit" / "train" / "bochum" / frame.image.name).write_bytes(frame.image.read_bytes())
    rejects([frame.stem, "train/aachen/", " and ", "train/bochum/"], open_dataset(root).frames, "train")


def test_folders_that_are_no_data_set(root, tmp_path):
    rejects(["No data at", "nowhere", "DATA_ROOT"], find_dataset, tmp_path / "nowhere", root)
    rejects(["No data at", "~nobody-has-this-name"], open_dataset, "~nobody-has-this-name/set")
    rejects(["Cityscapes layout", "leftImg8bit and gtFine missing", "found test, train, val", "import"],
            find_dataset, root / "gtFine", root)  # fmt: skip


def test_interrupted_command_is_named(root):
    data = open_dataset(root)
    (root / UNFINISHED).mkdir()
    rejects(["interrupted", "run the command again"], open_dataset, root)
    (root / UNFINISHED / COMMAND).write_text("python -m helpers.cityscapes prepare x\n")
    rejects(["interrupted", "run `python -m helpers.cityscapes prepare x` again"], open_dataset, root)
    rejects(["interrupted"], data.frames, "train")


def test_unreadable_folder_is_named(tmp_path, monkeypatch):
    def denied(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    write(tmp_path, "images/train/a.png", "labels/train/a.png")
    monkeypatch.setattr(os, "scandir", denied)
    rejects(["images/train", "permissions"], own(tmp_path).frames, "train")
