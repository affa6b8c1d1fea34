"""Diagnose the values of labels: masks of 0 and 255, label ids, values off by one, blurred masks, unknown values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.datasets.checking.facts import Facts
from helpers.datasets.checking.findings import Finding
from helpers.datasets.classes import IGNORE
from helpers.datasets.dataset import Dataset, Frame

# Label ids of Cityscapes: road, sidewalk, building, vegetation, sky and car are in nearly every frame, 33 is the last.
_TYPICAL_IDS, _LAST_ID = {7, 8, 11, 21, 23, 26}, 33
_BLURRED = 0.1  # share of steps with a value in between; up to 0.03 in the sharp labels of street scenes


def check_values(dataset: Dataset, frames: Sequence[Frame], facts: Sequence[Facts]) -> tuple[list[Finding], bool]:
    """Return the findings about values, and whether the table of classes does not fit the labels at all.

    `facts` are those of the frames with a readable label, in the order of `frames`. If one mistake explains all
    labels, it is the only finding.
    """
    valid = dataset.classes.valid
    sharp, findings = [], []
    for frame, each in zip(frames, facts, strict=True):
        unknown = bool((each.counts[~valid] > 0).any())
        if each.between > _BLURRED and (each.middle >= 2 or unknown):
            findings.append(_blurred(frame, each))
        else:
            sharp.append((frame, each))
    if not sharp:
        return findings, bool(findings)
    seen = set(np.flatnonzero(np.sum([each.counts for _, each in sharp], axis=0)).tolist())
    explanation = _explain(dataset, seen)
    if explanation is not None:
        kind, text = explanation
        folder = dataset.labels.split("{")[0].rstrip("/")
        return [*findings, Finding(kind, text, path=dataset.root / folder)], True
    unknown = [finding for frame, each in sharp for finding in _unknown(frame, each)]
    return [*findings, *unknown, *_some_binary(dataset, sharp)], len(unknown) > len(sharp) / 2


def _explain(dataset: Dataset, seen: set[int]) -> tuple[str, str] | None:
    """Return the kind and text of the one mistake behind the values in all labels, or None."""
    classes = dataset.classes
    count, names = len(classes), classes.names
    train_ids = set(range(count))
    ordered = classes.values == tuple(range(count))
    unknown = {value for value in seen if not classes.valid[value]}
    inside = seen - {IGNORE} - set(classes.ignored)
    if seen == {0, IGNORE} and IGNORE not in classes.values:
        ignored = "is ignored" if IGNORE in classes.ignored else "is not a class"
        zero = f"0 is {names[classes.lookup[0]]}" if classes.valid[0] and 0 in classes.values else "0 is no class"
        last = names[1 if classes.values[0] == 0 else 0]
        return (
            "binary-labels",
            f"all labels hold only 0 and 255: {zero}, but 255 {ignored}, so that a network never learns {last}; set "
            f"`value = 255` for {last} and `ignore = []` in dataset.toml",
        )
    if ordered and unknown and seen - {IGNORE} <= set(range(_LAST_ID + 1)) and len(seen & _TYPICAL_IDS) >= 3:
        return (
            "label-ids",
            f"values up to {max(seen - {IGNORE})}, with {_join(seen & _TYPICAL_IDS)}, are label ids of Cityscapes, not "
            "train ids: take the files ..._labelTrainIds.png, or set the `value` of each class in dataset.toml, such "
            "as 7 for road",
        )
    if not ordered and unknown and seen <= train_ids | set(classes.ignored) | {IGNORE}:
        return (
            "train-ids",
            f"the values {_join(inside)} are the positions of the classes, but dataset.toml states others "
            f"({_join(set(classes.values))}): remove `value` from the classes there",
        )
    if ordered and unknown == {count}:
        if 0 not in seen:
            return (
                "off-by-one",
                f"values run from 1 to {count}, but dataset.toml counts from 0, so that {names[0]} is learned as "
                f"{names[1]}: set `value = 1` for {names[0]} and so on, up to {count} for {names[-1]}",
            )
        return (
            "off-by-one",
            f"values run from 0 to {count}, one more than the {count} classes of dataset.toml: add the class that is "
            "missing there, most often 0 for background, or ignore 0 and set `value = 1` for the first class and so on",
        )
    if ordered and count > 2 and inside == train_ids - {count - 1}:
        return (
            "shifted-table",
            f"labels show the values 0 to {count - 2}, each of them, but never {count - 1} ({names[-1]}): if 0 in them "
            f"is not {names[0]}, the table starts with a class that they lack; remove it from dataset.toml, or add "
            f"frames with {names[-1]}",
        )
    return None


def _unknown(frame: Frame, facts: Facts) -> list[Finding]:
    classes = frame.dataset.classes
    unknown = np.flatnonzero((facts.counts > 0) & ~classes.valid)
    if not unknown.size:
        return []
    pixels = int(facts.counts[unknown].sum())
    present = np.flatnonzero(facts.counts)
    text = f"has {_join(unknown)} in {pixels} of {facts.counts.sum()} pixels, which no class of dataset.toml has"
    steps = np.unique(np.diff(present))
    if present.size > 1 and steps.size == 1 and steps[0] > 1 and present.size <= len(classes) and present[0] == 0:
        text += f", and its values {_join(present)} are spread out for viewing: set the `value` of each class to them"
    else:
        text += ": correct the label, add the class, or add the value to `ignore`"
    return [Finding("unknown-value", text, frame.split, frame.label)]


def _blurred(frame: Frame, facts: Facts) -> Finding:
    text = (
        f"has values between those of neighbouring areas at {facts.between:.0%} of its borders ({facts.middle} "
        "different ones), as after JPEG compression or resizing with interpolation: export it again as PNG, and resize "
        "with nearest neighbour"
    )
    return Finding("blurred-label", text, frame.split, frame.label)


def _some_binary(dataset: Dataset, sharp: Sequence[tuple[Frame, Facts]]) -> list[Finding]:
    """Return the labels of 0 and 255 only, if no other label has 255: someone drew these in another way."""
    if IGNORE in dataset.classes.values:
        return []
    with_255 = [(frame, set(np.flatnonzero(each.counts).tolist())) for frame, each in sharp if each.counts[IGNORE]]
    with_255 = [(frame, values) for frame, values in with_255 if values != {IGNORE}]
    if not with_255 or not all(values == {0, IGNORE} for _, values in with_255):
        return []
    text = "holds only 0 and 255, but 255 is ignored and no other label has it: if it marks a class, replace it by its "
    return [Finding("some-binary-labels", f"{text}value", frame.split, frame.label) for frame, _ in with_255]


def _join(values) -> str:
    ordered = sorted(int(value) for value in values)
    shown = ", ".join(map(str, ordered[:8]))
    return shown + (f" and {len(ordered) - 8} more values" if len(ordered) > 8 else "")
