"""Diagnose the balance of classes: never shown, dominant, ignored, tiny; and unusual sizes of images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from os.path import commonprefix

import numpy as np

from helpers.datasets.checking.facts import Facts
from helpers.datasets.checking.findings import Finding
from helpers.datasets.dataset import SPLITS, Dataset, Frame

DOMINANT, IGNORED, TINY = 0.99, 0.5, 0.001  # shares of the pixels
RARE = 0.1  # ratio of the frames of a misspelt class to those of the other
SMALLEST, LONGEST = 32, 8  # pixels of the shorter side; ratio of the sides
_AREAS = 16  # ratio to the median area
_SHAPES = 1.5  # ratio of the aspect ratios of two shapes


def check_balance(dataset: Dataset, frames: Sequence[Frame], facts: Sequence[Facts]) -> list[Finding]:
    """Return the findings about classes; `facts` are those of the frames with a readable label, as in `frames`."""
    classes = dataset.classes
    values = list(classes.values)
    findings = []
    pixels = {}  # per split: pixels of each class
    for split in SPLITS:
        members = [(frame, each) for frame, each in zip(frames, facts, strict=True) if frame.split == split]
        if not members:
            continue
        counts = np.array([each.counts for _, each in members])
        labelled = counts[:, values]
        if split == "test" and not labelled.any():
            continue  # official test labels are all ignored
        pixels[split] = labelled.sum(axis=0)
        total, known = counts.sum(), pixels[split].sum()
        ignored = counts[:, list(classes.ignored)].sum(axis=1)
        if ignored.sum() > IGNORED * total:
            text = f"{ignored.sum() / total:.0%} of the pixels are ignored: check `ignore` in dataset.toml"
            findings.append(Finding("mostly-ignored", text, split))
        share = pixels[split].max() / max(1, known)
        if share > DOMINANT:
            name = classes.names[pixels[split].argmax()]
            text = (
                f"{name} has {100 * share:.2f} % of the labelled pixels, so that predicting nothing else scores well: "
                "crop the images to what matters, or weigh the rare classes in the loss"
            )
            findings.append(Finding("dominant-class", text, split))
        for (frame, _), all_ignored in zip(members, ignored == counts.sum(axis=1), strict=True):
            if all_ignored:
                text = "has only ignored pixels, from which nothing is learned: label it or remove the frame"
                findings.append(Finding("all-ignored", text, split, frame.label))
    return (
        findings
        + _check_coverage(dataset, pixels)
        + _check_regions(dataset, facts)
        + _check_spelling(dataset, frames, facts)
    )


def _check_coverage(dataset: Dataset, pixels: dict[str, np.ndarray]) -> list[Finding]:
    findings = []
    for position, name in enumerate(dataset.classes.names):
        shown = [split for split, counts in pixels.items() if counts[position]]
        if not shown and pixels:
            text = f"no label shows {name}: remove the class from dataset.toml, or add frames with it"
            findings.append(Finding("absent-class", text))
            continue
        for split in pixels:
            if split not in shown:
                effect = "a network cannot learn it" if split == "train" else "its score is not defined"
                text = f"{name} is in {' and '.join(shown)} but never here, so {effect}: move frames with it here"
                findings.append(Finding(f"not-in-{split}", text, split))
    return findings


def _check_regions(dataset: Dataset, facts: Sequence[Facts]) -> list[Finding]:
    if not facts:
        return []
    findings = []
    shares = np.max([each.largest / max(1, each.counts.sum()) for each in facts], axis=0)
    for name, value in zip(dataset.classes.names, dataset.classes.values, strict=True):
        if 0 < shares[value] < TINY:
            text = (
                f"the largest region of {name} covers {1000 * shares[value]:.2f} per mille of its image: train on "
                "crops at full size, or remove these pixels if they are slips of the pen"
            )
            findings.append(Finding("tiny-regions", text))
    return findings


def _check_spelling(dataset: Dataset, frames: Sequence[Frame], facts: Sequence[Facts]) -> list[Finding]:
    """Return the rare classes whose name is that of a common class but for one slip, as tools for polygons allow.

    A finding names the label of the first frame that shows the class.
    """
    if not facts:
        return []
    names = dataset.classes.names
    shown = np.array([each.counts[list(dataset.classes.values)] > 0 for each in facts])  # (frames, classes)
    counts = shown.sum(axis=0)
    findings = []
    for rare, common in permutations(range(len(names)), 2):
        if 0 < counts[rare] < RARE * counts[common] and differ_by_a_slip(names[rare], names[common]):
            number = f"{counts[rare]} frame{'s' * (counts[rare] != 1)}"
            text = (
                f"{names[rare]} ({number}) looks like a misspelling of {names[common]} ({counts[common]} "
                f"frames): if so, import again with `--rename {names[rare]}={names[common]}`, or merge them"
            )
            first = frames[shown[:, rare].argmax()]
            findings.append(Finding("similar-names", text, first.split, first.label))
    return findings


def differ_by_a_slip(one: str, other: str) -> bool:
    """Return whether two names are the same but for case, spaces, or one letter added, changed or swapped.

    Names of three letters or fewer, such as car and cat, may differ in case only.
    """
    one, other = ("".join(filter(str.isalnum, name.casefold())) for name in (one, other))
    if one == other or min(len(one), len(other)) <= 3:
        return one == other
    start = len(commonprefix([one, other]))
    one, other = one[start:], other[start:]
    end = len(commonprefix([one[::-1], other[::-1]]))
    one, other = one[: len(one) - end], other[: len(other) - end]
    return max(len(one), len(other)) <= 1 or (len(one) <= 4 and sorted(one) == sorted(other))


def check_sizes(frames: Sequence[Frame], facts: Sequence[Facts]) -> list[Finding]:
    """Return the findings about sizes of images; `facts` are those of the frames with a readable image."""
    if not facts:
        return []
    findings = []
    sizes = np.array([each.size for each in facts], dtype=np.float64)
    areas, ratios = sizes.prod(axis=1), sizes[:, 0] / sizes[:, 1]
    for frame, (width, height), area in zip(frames, sizes, areas, strict=True):
        factor = area / np.median(areas)
        odd = (
            f"less than {SMALLEST} pixels on a side"
            if min(width, height) < SMALLEST
            else f"one side {LONGEST} times the other"
            if max(width, height) >= LONGEST * min(width, height)
            else f"{factor:.2g} times as many as the median"
            if not 1 / _AREAS < factor < _AREAS
            else ""
        )
        if odd:
            text = f"has {width:.0f} x {height:.0f} pixels, {odd}: crop or scale it with its label, or remove it"
            findings.append(Finding("unusual-size", text, frame.split, frame.image))
    usual = np.median(ratios)
    other = np.flatnonzero(np.maximum(ratios / usual, usual / ratios) > _SHAPES)
    if other.size and not findings:
        frame, (width, height) = frames[other[0]], sizes[other[0]]
        text = (
            f"has {width:.0f} x {height:.0f} pixels, and {other.size} of {len(frames)} images differ in shape from the "
            "usual one: choose a crop that fits both, and check that none of them lies on its side"
        )
        findings.append(Finding("mixed-shapes", text, frame.split, frame.image))
    return findings
