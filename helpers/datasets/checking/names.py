"""Diagnose names and splits: pairs of image and label, repeated names, shared groups, empty splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from helpers.datasets.checking.findings import Finding
from helpers.datasets.dataset import SPLITS, Dataset, Frame, missing_label
from helpers.datasets.finding import find_files

BATCH = 2  # the smallest one that training uses, because of batch normalisation


def check_names(dataset: Dataset, frames: dict[str, list[Frame]]) -> list[Finding]:
    """Return the findings about names and numbers of files; nothing is opened. `frames` holds those of each split."""
    findings = _check_splits(dataset, frames)
    for split, members in frames.items():
        findings += _check_repeated(dataset, split, members)
        findings += _check_pairs(dataset, split, members)
    return findings + _check_groups(frames)


def _check_splits(dataset: Dataset, frames: dict[str, list[Frame]]) -> list[Finding]:
    findings = []
    for split in ("train", "val"):
        if not frames.get(split):
            expected = dataset.images.format(split=dict(dataset.splits).get(split, split), group="*", stem="*")
            text = f"has no frames: add images as {expected}, with their labels"
            findings.append(Finding("empty-split", text, split))
    count = len(frames.get("train", ()))
    if 0 < count < BATCH:
        text = f"has {count} frame, but training needs a batch of at least {BATCH}: add frames"
        findings.append(Finding("small-train", text, "train"))
    return findings


def _check_repeated(dataset: Dataset, split: str, members: Sequence[Frame]) -> list[Finding]:
    findings = []
    first: dict[str, Frame] = {}
    for frame in members:
        other = first.setdefault(frame.stem.casefold(), frame)
        if other is frame:
            continue
        name = other.image.relative_to(dataset.root)
        if other.stem == frame.stem:
            text = f"has the stem of {name}: rename one, stems must be unique in a split"
            findings.append(Finding("repeated-stem", text, split, frame.image, other.image))
        else:
            text = f"differs from {name} only in case, and Windows and macOS keep one of them: rename one"
            findings.append(Finding("case-twins", text, split, frame.image, other.image))
    return findings


def _check_pairs(dataset: Dataset, split: str, members: Sequence[Frame]) -> list[Finding]:
    labels = _labels(dataset, split)
    images = {(frame.group, frame.stem) for frame in members}
    missing = [frame for frame in members if not frame.label.is_file()]
    orphans = {key: path for key, path in labels.items() if key not in images}
    if split == "test" and len(missing) == len(members) and not orphans:
        return []  # without labels, as usual
    findings = []
    by_case = {(group.casefold(), stem.casefold()): path for (group, stem), path in labels.items()}
    for frame in list(missing):
        path = by_case.get((frame.group.casefold(), frame.stem.casefold()))
        if path is not None:
            text = f"differs in case from the name that its image requires: rename it to {frame.label.name}"
            findings.append(Finding("name-case", text, split, path))
            missing.remove(frame)
            orphans = {key: each for key, each in orphans.items() if each != path}
    if missing and (pattern := _pattern(dataset, missing, orphans)):
        text = f'is not a name that dataset.toml expects, nor are {len(orphans) - 1} others: set labels = "{pattern}"'
        return [*findings, Finding("name-pattern", text, split, next(iter(orphans.values())))]
    for frame in missing:
        text = f"has no label {frame.label.relative_to(dataset.root)}: {_find_label(frame)}"
        findings.append(Finding("missing-label", text, split, frame.image))
    for path in orphans.values():
        text = "has no image of this name: add the image, or remove the label"
        findings.append(Finding("orphan-label", text, split, path))
    return findings


def _labels(dataset: Dataset, split: str) -> dict[tuple[str, str], Path]:
    """Return the files that look like labels of a split, by group and stem."""
    folder = dict(dataset.splits).get(split)
    if folder is None:
        return {}
    return {
        (group, stem): path for group, stem, path in find_files(dataset.root, dataset.labels.replace("{split}", folder))
    }


def _pattern(dataset: Dataset, missing: list[Frame], orphans: dict[tuple[str, str], Path]) -> str | None:
    """Return a path of labels that fits all missing ones, if their names differ from the images by the same text."""
    if len(missing) != len(orphans):
        return None
    wanted = sorted((frame.group, frame.stem) for frame in missing)
    for ours, theirs in zip(wanted, sorted(orphans), strict=True):
        start, _, end = theirs[1].partition(ours[1])
        found = {(group, f"{start}{stem}{end}") for group, stem in wanted}
        if found == set(orphans):
            return dataset.labels.replace("{stem}", f"{start}{{stem}}{end}")
    return None


def _find_label(frame: Frame) -> str:
    folder = frame.label.parent
    others = [path.name for path in folder.iterdir() if path.stem == frame.label.stem] if folder.is_dir() else []
    if others:
        return f"save {sorted(others)[0]} in its folder as {frame.label.name}"
    return missing_label(frame)


def _check_groups(frames: dict[str, list[Frame]]) -> list[Finding]:
    splits = defaultdict(Counter)
    for split, members in frames.items():
        for frame in members:
            if frame.group:
                splits[frame.group][split] += 1
    findings = []
    for group, counts in sorted(splits.items()):
        if len(counts) > 1:
            where = " and ".join(f"{split} ({counts[split]} frames)" for split in SPLITS if counts[split])
            text = f"the group {group} is in {where}: keep it in one, or scores will be too high"
            findings.append(Finding("shared-group", text, max(counts, key=SPLITS.index)))
    return findings
