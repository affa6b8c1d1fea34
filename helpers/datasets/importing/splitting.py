"""Divide frames into train, val and test by group, so that neighbours of a video do not fall on both sides."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.datasets.importing.items import Item

_SEVERAL = {"frame": "frames", "folder": "folders", "name prefix": "name prefixes"}
GROUP_BY = ("auto", "folder", "prefix", "none")
TRIES = 200  # random divisions, of which the best is kept
SHARE_OF_A_CLASS = 0.05  # a class missing in train or val counts like a size that is off by 5 %


@dataclass(frozen=True)
class Division:
    """The split and the group of each item, and sentences on how they were chosen."""

    splits: list[str]
    groups: list[str]
    notes: list[str]


def divide(
    items: Sequence[Item],
    classes: Sequence[frozenset[int]],
    *,
    val: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    group_by: str = "auto",
) -> Division:
    """Return the split and group of each item; a group is never on two sides.

    Splits that the source gives are kept; a missing val split is taken from train. Otherwise groups are shuffled with
    `seed`, and of many divisions the one is kept that comes closest to the shares and shows every class in train and
    val.

    Parameters
    ----------
    items : sequence of Item
        At least two frames.
    classes : sequence of frozenset of int
        The classes that occur in each frame.
    val, test : float
        Shares of the frames, from 0 to below 1; at least one frame remains in train and in val.
    seed : int
        Of the shuffling.
    group_by : str
        "folder", "prefix" (of the name before its last number), "none" (every frame by itself), or "auto": folders if
        there are several, else prefixes.

    Raises CourseError for other shares or fewer than two frames.
    """
    if not (0 < val < 1 and 0 <= test < 1 and val + test < 1):
        raise CourseError(
            f"Expected shares above 0 for val and from 0 for test, together below 1, got {val} and {test}."
        )
    if group_by not in GROUP_BY:
        raise CourseError(f"Unknown way to group {group_by!r}: choose {', '.join(GROUP_BY)}.")
    groups, how = _groups(items, group_by)
    given = [item.split for item in items]
    open_ = [at for at, split in enumerate(given) if split in (None, "train")]
    if "val" in given:
        if not open_:
            raise CourseError("The source has a val split but no train split: add it, or pass the folder above both.")
        return Division([split or "train" for split in given], groups, ["Splits are those of the source."])
    # What the source gives remains; the rest, and its train split, is divided.
    if len(open_) < 2:
        raise CourseError(
            f"Expected at least two frames with labels, one to train on and one to validate on, got {len(open_)}: "
            "label more frames."
        )
    wanted = {"val": val, "test": 0.0 if "test" in given else test}
    units = range(len(open_)) if how == "frame" else [groups[at] for at in open_]
    chosen, note = _choose([items[at] for at in open_], units, [classes[at] for at in open_], wanted, seed, how)
    splits = list(given)
    for at, split in zip(open_, chosen, strict=True):
        splits[at] = split
    return Division(splits, groups, [note])


def prefix(stem: str) -> str:
    """Return a name up to its last number, such as seq05_f of `seq05_f0120`; a name without a number is itself."""
    match = re.fullmatch(r"(.*?)\d+\D*", stem)
    return stem if match is None else match[1].rstrip(" _-.")


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts frame_9 before frame_10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part[:300]), part) if part.isdigit() and part.isascii() else (1, 0, part) for part in parts]


def _groups(items: Sequence[Item], group_by: str) -> tuple[list[str], str]:
    folders = [item.group for item in items]
    if group_by == "none":
        return [item.group for item in items], "frame"
    if group_by == "folder" or (group_by == "auto" and len(set(folders)) > 1):
        return folders, "folder"
    prefixes = [prefix(item.stem) for item in items]
    return ["/".join(filter(None, pair)) for pair in zip(folders, prefixes, strict=True)], "name prefix"


def _choose(items, units, classes, wanted, seed, how) -> tuple[list[str], str]:
    """Return the split of each item, and how it was chosen; what has the same unit stays together."""
    sizes = Counter(units)
    total = len(units)
    number = f"{len(sizes)} {how}" if len(sizes) == 1 else f"{len(sizes)} {_SEVERAL[how]}"
    needed = 1 + sum(share > 0 for share in wanted.values())
    shares = ", ".join(f"{share:.0%} {split}" for split, share in wanted.items() if share)
    if len(sizes) < needed:
        found = f"Only {number}, too few to keep neighbours apart"
        note = (
            f"{found}: the frames are cut in order of their names ({shares}), so frames next to a cut resemble each "
            "other and scores on val are optimistic. Import frames of more recordings, or pass --group-by none if they "
            "are independent."
        )
        return _cut(items, wanted), note
    seen: dict[object, set[int]] = {}
    for unit, found in zip(units, classes, strict=True):
        seen.setdefault(unit, set()).update(found)
    tries = range(max(5, min(TRIES, 100_000 // len(sizes))))
    best = min((_draw(sizes, seen, wanted, total, f"{seed} {turn}") for turn in tries), key=lambda each: each[0])
    splits = [best[1][unit] for unit in units]
    got = ", ".join(f"{splits.count(split) / total:.0%} {split}" for split, share in wanted.items() if share)
    note = f"Divided by {how} with seed {seed}: {number}, none of them in two splits; wanted {shares}, got {got}."
    return splits, note


def _draw(sizes, seen, wanted, total, seed) -> tuple[float, dict]:
    """Return the cost and the split of each unit for one random order."""
    order = sorted(sizes, key=str)
    random.Random(seed).shuffle(order)
    split_of = dict.fromkeys(order, "train")
    cost = 0.0
    left = len(order)
    for split, share in wanted.items():
        target, count = share * total, 0
        reserve = 1 + (split == "val" and wanted["test"] > 0)  # units for train, and for the split that comes next
        for unit in order if share else ():
            if split_of[unit] != "train" or left <= reserve:
                continue
            if count == 0 or abs(count + sizes[unit] - target) < abs(count - target):
                split_of[unit] = split
                count += sizes[unit]
                left -= 1
        cost += abs(count - target) / total
    everything = set().union(*seen.values())
    for split in ("train", "val"):
        shown = set().union(*(seen[unit] for unit in order if split_of[unit] == split))
        cost += SHARE_OF_A_CLASS * len(everything - shown)
    return cost, split_of


def _cut(items: Sequence[Item], wanted: dict[str, float]) -> list[str]:
    """Cut the frames in order of their names: first train, then val, then test."""
    order = sorted(range(len(items)), key=lambda at: natural(f"{items[at].group}/{items[at].stem}"))
    counts = {split: max(1, round(share * len(items))) if share else 0 for split, share in wanted.items()}
    counts["test"] = min(counts["test"], max(0, len(items) - 2))
    counts["val"] = min(counts["val"], len(items) - counts["test"] - 1)
    splits = [""] * len(items)
    for place, at in enumerate(order):
        left = len(items) - place
        splits[at] = "test" if left <= counts["test"] else "val" if left <= counts["test"] + counts["val"] else "train"
    return splits


def folder_name(group: str, stem: str) -> str:
    """Return the name of a group's folder in the data set: one component, not hidden, never empty."""
    name = re.sub(r"[/\\\0]+", "_", group).strip(" ").lstrip(".")
    return name or "all" if Path(name).name == name else "all"
