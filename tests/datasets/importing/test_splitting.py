"""The division into splits: groups stay together, shares are met, the seed decides."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.datasets.importing.items import Item
from helpers.datasets.importing.masks import Mask
from helpers.datasets.importing.splitting import divide, folder_name, prefix


def items(names, split=None) -> list[Item]:
    """Items of names such as group/stem."""
    found = []
    for name in names:
        group, _, stem = name.rpartition("/")
        found.append(Item(Path(f"{name}.png"), stem, Mask(Path("m.png")), split, group))
    return found


def plain(frames) -> list[frozenset[int]]:
    return [frozenset({0})] * len(frames)


def split_of(frames, **options) -> list[str]:
    return divide(frames, plain(frames), **options).splits


def test_prefix():
    assert [prefix(name) for name in ("seq05_f0120", "img001", "0001TP_006690", "yard", "000123", "a1b2c")] == [
        "seq05_f", "img", "0001TP", "yard", "", "a1b"
    ]  # fmt: skip


sizes = st.lists(st.integers(1, 6), min_size=3, max_size=9)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 99), st.floats(0.05, 0.6), st.sampled_from([0.0, 0.2]), st.booleans())
def test_a_group_is_on_one_side(sizes, seed, val, test, folders):
    names = [
        f"g{chr(97 + at)}{'/' if folders else '_'}{frame}" for at, size in enumerate(sizes) for frame in range(size)
    ]
    frames = items(names)
    done = divide(frames, plain(frames), val=val, test=test, seed=seed)
    assert set(done.splits) == {"train", "val"} | ({"test"} if test else set())
    sides: dict[str, set[str]] = {}
    for group, split in zip(done.groups, done.splits, strict=True):
        sides.setdefault(group, set()).add(split)
    assert len(sides) == len(sizes) and all(len(each) == 1 for each in sides.values())
    assert done.splits == divide(frames, plain(frames), val=val, test=test, seed=seed).splits


def test_shares_are_met():
    names = [f"g{group:02}/{frame}" for group in range(20) for frame in range(5)]
    splits = split_of(items(names), val=0.2, test=0.1)
    assert [splits.count(each) for each in ("train", "val", "test")] == [70, 20, 10]
    assert split_of(items(names), seed=1) != split_of(items(names), seed=2)


def test_every_class_is_in_train_and_val():
    frames = items([f"g{group:02}/{frame}" for group in range(10) for frame in range(4)])
    classes = [frozenset({0, 1} if frame.group in ("g03", "g07") else {0}) for frame in frames]
    for seed in range(5):
        splits = divide(frames, classes, seed=seed).splits
        assert {split for split, found in zip(splits, classes, strict=True) if 1 in found} == {"train", "val"}


def test_one_group_is_cut_in_order():
    frames = items([f"img{number}" for number in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)])
    done = divide(frames, plain(frames), val=0.2, test=0.1)
    assert done.splits == ["test", "val", "val", *["train"] * 7]
    assert done.notes[0].startswith("Only 1 name prefix, too few to keep neighbours apart: the frames are cut in order")
    assert split_of(items(["img1", "img2"])) == ["train", "val"]


def test_independent_frames():
    frames = items([f"{number:012}" for number in range(50)])
    splits = split_of(frames, group_by="none", val=0.2)
    assert splits.count("val") == 10 and splits != split_of(frames, val=0.2)


def test_splits_of_the_source_are_kept():
    frames = [*items(["a1", "a2"], "train"), *items(["a3"], "val"), *items(["a4"], "test")]
    assert divide(frames, plain(frames)).splits == ["train", "train", "val", "test"]
    listed = [*items(["a1", "a2"]), *items(["a3"], "val")]  # as with a list of val frames only
    assert split_of(listed) == ["train", "train", "val"]
    without_val = [*items(["a1", "b1", "c1", "d1", "e1"], "train"), *items(["f1"], "test")]
    splits = split_of(without_val)
    assert splits.count("val") == 1 and splits[-1] == "test"


def test_sentences():
    with pytest.raises(CourseError, match="at least two frames"):
        split_of(items(["a"]))
    with pytest.raises(CourseError, match="Expected shares"):
        split_of(items(["a", "b"]), val=0.7, test=0.3)
    with pytest.raises(CourseError, match="val split but no train split"):
        split_of(items(["a", "b"], "val"))
    with pytest.raises(CourseError, match="Unknown way to group 'city'"):
        split_of(items(["a", "b"]), group_by="city")


def test_folder_name():
    assert [folder_name(group, "s") for group in ("a/b", "", "..", "/x", "夜 1", ".git")] == [
        "a_b", "all", "all", "_x", "夜 1", "git"
    ]  # fmt: skip
