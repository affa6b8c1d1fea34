"""The result of a check: findings, a table of the classes, a table of the splits, and their text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.datasets.checking.facts import Facts
from helpers.datasets.checking.findings import SEVERITIES, Finding
from helpers.datasets.dataset import SPLITS, Dataset, Frame

SHOWN = 3  # findings of each kind that are printed by default


@dataclass(frozen=True)
class Report:
    """Result of `check`.

    Attributes
    ----------
    dataset : Dataset
        The data set.
    findings : tuple of Finding
        What was found, errors first.
    classes : DataFrame
        Per class and split: its share of the labelled pixels and of the frames, in percent.
    splits : DataFrame
        Per split: frames, labels, groups, sizes, ignored pixels in percent, errors, warnings.
    """

    dataset: Dataset
    findings: tuple[Finding, ...]
    classes: pd.DataFrame
    splits: pd.DataFrame

    @property
    def ok(self) -> bool:
        """Whether there are no errors; there may be warnings and notes."""
        return not self.count("error")

    @property
    def table(self) -> pd.DataFrame:
        """The findings as a table: severity, kind, split, file, text."""
        rows = [each.to_json(self.dataset.root) for each in self.findings]
        return pd.DataFrame(rows, columns=["severity", "kind", "split", "file", "text"]).fillna("")

    def count(self, severity: str) -> int:
        """Return the number of findings of this severity: "error", "warning" or "note"."""
        return sum(each.severity == severity for each in self.findings)

    def sheet(self, frames: int = 12) -> Figure:
        """Return a figure of up to this many frames with their labels; those with findings come first, marked."""
        from helpers.datasets.checking.sheet import draw_sheet

        return draw_sheet(self.dataset, self.findings, frames)

    def to_json(self) -> dict[str, Any]:
        """Return the report as numbers, text, lists and dictionaries; missing numbers are None."""
        tables = {}
        for name, table in (("splits", self.splits), ("classes", self.classes)):
            tables[name] = table.astype(object).where(table.notna(), None).to_dict("index")
        return {
            "root": str(self.dataset.root),
            "name": self.dataset.name,
            "ok": self.ok,
            **tables,
            "findings": [each.to_json(self.dataset.root) for each in self.findings],
        }

    def describe(self, shown: int | None = SHOWN) -> str:
        """Format the report as text, with at most `shown` findings of each kind (None: all)."""
        parts = [_format(self.classes), _format(self.splits)]
        for _, group in groupby(self.findings, key=lambda each: each.kind):
            members = list(group)
            first = members[0]
            lines = [f"{first.severity}: {first.title} [{first.kind}], {len(members)} found"]
            lines += [f"  {each.place(self.dataset.root)}: {each.text}" for each in members[:shown]]
            if shown is not None and len(members) > shown:
                lines.append(f"  ... and {len(members) - shown} more, use --all to print them")
            parts.append("\n".join(lines))
        counts = [f"{self.count(each)} {each}{'s' * (self.count(each) != 1)}" for each in SEVERITIES]
        summary = ", ".join(counts) if self.findings else "no problems found"
        return "\n\n".join([*parts, f"Checked {self.splits['frames'].sum()} frames of {self.dataset.root}: {summary}."])

    def __str__(self) -> str:
        return self.describe()


def class_table(dataset: Dataset, frames: Sequence[Frame], facts: Sequence[Facts]) -> pd.DataFrame:
    """Return the shares of each class per split, from the facts of the frames with a readable label."""
    table = pd.DataFrame(index=pd.Index(dataset.classes.names, name="class"))
    for split in SPLITS:
        counts = [each.counts for frame, each in zip(frames, facts, strict=True) if frame.split == split]
        if counts:
            pixels = np.array(counts)[:, list(dataset.classes.values)]
            table[f"{split} pixels %"] = 100 * pixels.sum(axis=0) / max(1, pixels.sum())
            table[f"{split} frames %"] = 100 * (pixels > 0).mean(axis=0)
    return table


def split_table(
    dataset: Dataset, frames: Sequence[Frame], facts: Sequence[Facts], findings: Sequence[Finding]
) -> pd.DataFrame:
    """Return one row per split that has frames or is required, from the facts of all frames."""
    rows = {}
    for split in SPLITS:
        members = [(frame, each) for frame, each in zip(frames, facts, strict=True) if frame.split == split]
        if not members and split == "test":
            continue
        counts = [each.counts for _, each in members if each.counts is not None]
        ignored = np.array(counts)[:, list(dataset.classes.ignored)].sum() if counts else 0
        severities = Counter(each.severity for each in findings if each.split == split)
        rows[split] = {
            "frames": len(members),
            "labelled": sum(frame.label.is_file() for frame, _ in members),
            "groups": len({frame.group for frame, _ in members if frame.group}),
            "size": _sizes([each.size for _, each in members if each.size]),
            "ignored %": 100 * float(ignored) / sum(int(each.sum()) for each in counts) if counts else np.nan,
            "errors": severities["error"],
            "warnings": severities["warning"],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("split")


def _sizes(sizes: list[tuple[int, int]]) -> str:
    common = Counter(f"{width} x {height}" for width, height in sizes).most_common()
    if not common:
        return ""
    return common[0][0] + (f" and {len(common) - 1} others" if len(common) > 1 else "")


def _format(table: pd.DataFrame) -> str:
    return table.to_string(float_format=lambda number: f"{number:.4g}", na_rep="-")
