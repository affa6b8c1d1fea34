"""What `check` can find: the kinds of findings, how severe each is, and the finding itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEVERITIES = ("error", "warning", "note")  # an error stops training or makes it learn something else

# Severity and title by kind, in the order of the report.
KINDS = {
    "empty-split": ("error", "a split without frames"),
    "small-train": ("error", "fewer training frames than a batch"),
    "name-pattern": ("error", "names of labels that differ from their images by the same text"),
    "name-case": ("error", "label and image whose names differ in upper and lower case"),
    "missing-label": ("error", "an image without a label"),
    "repeated-stem": ("error", "several frames of one name in a split"),
    "empty-file": ("error", "an empty file"),
    "damaged-file": ("error", "a file that cannot be decoded"),
    "size-mismatch": ("error", "image and label of different sizes"),
    "colour-label": ("error", "a colour image in place of a label"),
    "deep-label": ("error", "a label with 16 bits"),
    "alpha-label": ("error", "a label with transparency"),
    "jpeg-label": ("error", "a label stored as JPEG"),
    "label-format": ("error", "a label in an unsuitable file format"),
    "binary-labels": ("error", "masks of 0 and 255"),
    "label-ids": ("error", "label ids of Cityscapes in place of train ids"),
    "train-ids": ("error", "train ids in place of the values of dataset.toml"),
    "off-by-one": ("error", "values that are off by one"),
    "blurred-label": ("error", "values between those of the classes, from compression or resizing"),
    "unknown-value": ("error", "a value that is not a class"),
    "orphan-label": ("warning", "a label without an image"),
    "case-twins": ("warning", "frames whose names differ only in upper and lower case"),
    "shared-group": ("warning", "a group in two splits"),
    "near-duplicate": ("warning", "nearly the same image in two splits"),
    "some-binary-labels": ("warning", "masks of 0 and 255 among other masks"),
    "shifted-table": ("warning", "a last class that no label shows"),
    "absent-class": ("warning", "a class that no label shows"),
    "not-in-train": ("warning", "a class that train never shows"),
    "not-in-val": ("warning", "a class that val never shows"),
    "similar-names": ("warning", "a rare class that may be another one, misspelt"),
    "dominant-class": ("warning", "a class with more than 99 % of the pixels"),
    "mostly-ignored": ("warning", "more than half of the pixels ignored"),
    "all-ignored": ("warning", "a label of which every pixel is ignored"),
    "unusual-size": ("warning", "an image of unusual size"),
    "mixed-shapes": ("note", "images of different shapes"),
    "tiny-regions": ("note", "a class whose regions are all tiny"),
    "not-in-test": ("note", "a class that test never shows"),
}


@dataclass(frozen=True)
class Finding:
    """One finding: its kind (see KINDS), a text that ends with what to do, and the split and file it is about.

    `split` is "" if it concerns the whole data set. `path` is the file or folder; `other` is a second file, such as the
    other one of two duplicates.
    """

    kind: str
    text: str
    split: str = ""
    path: Path | None = None
    other: Path | None = None

    @property
    def severity(self) -> str:
        """Whether it is an "error", a "warning" or a "note"."""
        return KINDS[self.kind][0]

    @property
    def title(self) -> str:
        """What all findings of this kind have in common."""
        return KINDS[self.kind][1]

    def place(self, root: Path) -> str:
        """Return the file relative to the root, else the split, else "data set"."""
        if self.path is None:
            return self.split or "data set"
        return str(self.path.relative_to(root) if self.path.is_relative_to(root) else self.path)

    def to_json(self, root: Path) -> dict[str, Any]:
        """Return the finding as a dictionary of text."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "split": self.split or None,
            "file": self.path and self.place(root),
            "text": self.text,
        }


def sort_key(finding: Finding) -> tuple:
    """Return the key that sorts findings by kind, in the order of KINDS, then by file."""
    return list(KINDS).index(finding.kind), str(finding.path or ""), finding.split, finding.text
