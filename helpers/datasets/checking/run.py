"""Check a data set: read every frame in parallel, then run all diagnoses."""

from __future__ import annotations

from pathlib import Path

from helpers.common.parallel import in_processes
from helpers.datasets.checking.balance import check_balance, check_sizes
from helpers.datasets.checking.duplicates import find_duplicates
from helpers.datasets.checking.facts import gather
from helpers.datasets.checking.findings import sort_key
from helpers.datasets.checking.names import check_names
from helpers.datasets.checking.report import Report, class_table, split_table
from helpers.datasets.checking.values import check_values
from helpers.datasets.dataset import SPLITS, Dataset, open_dataset


def check(dataset: Dataset | str | Path, *, workers: int | None = None) -> Report:
    """Check the files, values and balance of a data set, given as `Dataset` or its root, and return a report.

    workers: number of processes, see `in_processes`. No file is changed. Raise CourseError if the root is not a data
    set or its dataset.toml is invalid.
    """
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset)
    by_split = {split: dataset.list_frames(split) for split in SPLITS}
    frames = [frame for members in by_split.values() for frame in members]
    facts = []
    for part in in_processes(gather, list(enumerate(frames)), workers=workers, desc="check"):
        facts += part
    facts.sort(key=lambda each: each.index)
    findings = check_names(dataset, by_split) + [finding for each in facts for finding in each.findings]
    labelled = [each for each in facts if each.counts is not None]
    label_frames = [frames[each.index] for each in labelled]
    values, misfit = check_values(dataset, label_frames, labelled)
    findings += values
    if not misfit:  # shares of classes mean nothing if the values mean others
        findings += check_balance(dataset, label_frames, labelled)
    with_size = [each for each in facts if each.size]
    findings += check_sizes([frames[each.index] for each in with_size], with_size)
    findings += find_duplicates(frames, [each.signature for each in facts])
    findings.sort(key=sort_key)
    return Report(
        dataset=dataset,
        findings=tuple(findings),
        classes=class_table(dataset, label_frames, labelled),
        splits=split_table(dataset, frames, facts, findings),
    )
