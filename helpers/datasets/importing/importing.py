"""Import a data set: find its frames, look at them, choose classes and splits, write."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.common.errors import CourseError
from helpers.common.files import read_json
from helpers.datasets.classes import IGNORE, Classes
from helpers.datasets.dataset import SPLITS, Dataset, open_dataset
from helpers.datasets.importing.finding import open_source
from helpers.datasets.importing.items import Item, Skipped
from helpers.datasets.importing.mapping import Chosen, Rules, choose_classes
from helpers.datasets.importing.splitting import Division, divide, folder_name
from helpers.datasets.importing.survey import Seen, count, survey
from helpers.datasets.importing.tables import find_table, read_table
from helpers.datasets.importing.writing import REPORT, Job, already_done, write


@dataclass(frozen=True)
class Imported:
    """Result of `import_data`.

    Attributes
    ----------
    root : Path
        Folder of the data set.
    dataset : Dataset
        The data set; after a dry run its files do not exist.
    counts : dict
        Number of frames of each split.
    pixels : dict
        Number of pixels of each class, and of "ignored".
    skipped : list of Skipped
        Files that were not imported, each with its reason.
    notes : list of str
        Sentences on what was chosen.
    new : bool
        False if the same import was finished before, so nothing was done.
    """

    root: Path
    dataset: Dataset
    counts: dict[str, int]
    pixels: dict[str, int]
    skipped: list[Skipped]
    notes: list[str]
    new: bool = True

    @property
    def table(self) -> pd.DataFrame:
        """The pixels of each class, in all splits together."""
        total = max(1, sum(self.pixels.values()))
        shares = {name: 100 * pixels / total for name, pixels in self.pixels.items()}
        return pd.DataFrame({"pixels": self.pixels, "%": shares}).rename_axis("class")


def import_data(
    source: str | Path,
    to: str | Path,
    *,
    images: str | Path | None = None,
    labels: str | Path | None = None,
    kind: str = "auto",
    separator: str | None = None,
    classes: str | Path | Classes | Sequence[str] | None = None,
    ignore: Iterable[str | int] | str | int = (),
    background: str | None = None,
    rename: Mapping[str, str] | None = None,
    unknown: str = "refuse",
    seed: int = 0,
    val: float = 0.2,
    test: float = 0.0,
    group_by: str = "auto",
    name: str | None = None,
    link: bool = False,
    dry_run: bool = False,
    workers: int | None = None,
) -> Imported:
    """Import annotated images into a data set of the course, with a dataset.toml.

    Parameters
    ----------
    source : path
        Folder or file: LabelMe, COCO, Pascal VOC or CVAT masks, folders of masks, or list files of PaddleSeg.
    to : path
        Folder of the data set; it must be new, empty, or the result of the same import.
    images, labels : path, optional
        Folders of the images and labels, if they are not found in the source.
    kind : str
        Format of the source: "auto", or one of `finding.FORMATS`.
    separator : str, optional
        Between image and label in list files; by default white space, a comma or a semicolon.
    classes : path, Classes or sequence of str, optional
        The classes: names, and colours or values in masks. By default a table in the source, or what its labels hold.
    ignore : str or int, or several, optional
        Names, values, or colours "r,g,b" that are not trained on, in addition to 255 and names such as void.
    background : str, optional
        Name of the class of pixels in no polygon, or of the value 0 in masks without a table.
    rename : dict, optional
        Other names for classes; two with the same name are merged.
    unknown : str
        "refuse" values that a table lacks, or "ignore" their pixels.
    seed, val, test, group_by
        See `divide`.
    name : str, optional
        Name of the data set, by default that of the folder `to`.
    link : bool
        Hard-link images instead of copying them.
    dry_run : bool
        Write nothing.
    workers : int, optional
        Number of processes, see `in_processes`.

    Raises CourseError with the file at fault; nothing is written then, or the next run resumes.
    """
    source, root = Path(source).expanduser(), Path(to).expanduser()
    if unknown not in ("refuse", "ignore"):
        raise CourseError(f"Expected refuse or ignore for unknown values, got {unknown!r}.")
    ignore = tuple(map(str, [ignore] if isinstance(ignore, (str, int)) else ignore))
    arguments = {
        "source": str(source.resolve()),
        "images": _text(images),
        "labels": _text(labels),
        "kind": kind,
        "separator": separator,
        "classes": _text(classes),
        "ignore": list(ignore),
        "background": background,
        "rename": dict(rename or {}),
        "unknown": unknown,
        "seed": seed,
        "val": val,
        "test": test,
        "group_by": group_by,
        "name": name,
        "link": link,
    }
    if root.resolve().is_relative_to(source.resolve()):
        raise CourseError(f"{root} lies in the source {source}, where it would be found again: pass another --to.")
    if not dry_run and already_done(root, arguments):
        return _earlier(root)
    opened = open_source(source, _path(images), _path(labels), kind, separator)
    table = classes if classes is not None else opened.classes
    if table is None and opened.kind in ("VOC", "masks", "lists"):
        table = find_table(source)
    rules = Rules(
        tuple(read_table(table)) if table is not None else None,
        ignore,
        background,
        dict(rename or {}),
        unknown,
        str(table) if isinstance(table, (str, Path)) else "the table of classes",
    )
    if not opened.items:
        raise CourseError(_nothing(source, opened.kind, opened.skipped))
    seen, unusable = survey(opened.items, workers)
    skipped = [*opened.skipped, *unusable]
    labelled = [each for each in seen if each.item.label is not None]
    if not labelled:
        raise CourseError(_nothing(source, opened.kind, skipped))
    found = count(labelled)
    chosen = choose_classes(found, rules, opened.names)
    if isinstance(classes, Classes) and chosen.classes.names == classes.names:
        chosen = Chosen(classes, chosen.train_ids, chosen.notes)
    classes_of = [frozenset(chosen.train_ids[key] for key in each.pixels) - {IGNORE} for each in seen]
    items = [each.item for each in seen]
    division = divide(items, classes_of, val=val, test=test, seed=seed, group_by=group_by)
    dataset, jobs = _plan(root, name, chosen, seen, division)
    notes = [*opened.notes, *chosen.notes, *division.notes, *_remarks(seen)]
    counts = Counter(division.splits)
    done = Imported(root, dataset, {split: counts[split] for split in SPLITS if counts[split]},
                    _pixels(found, chosen), skipped, notes)  # fmt: skip
    if not dry_run:
        report = {
            "arguments": arguments,
            "format": opened.kind,
            "counts": done.counts,
            "pixels": done.pixels,
            "skipped": [each._asdict() for each in skipped],
            "notes": notes,
            "frames": {job.image: str(job.seen.item.file) for job in jobs},
        }
        write(dataset, jobs, chosen.train_ids, report, command_of(arguments, root), link=link, workers=workers)
    return done


def command_of(arguments: Mapping, root: Path) -> str:
    """Return the command with these arguments."""
    words = ["python", "-m", "helpers.datasets", "import", arguments["source"], "--to", str(root)]
    usual = {"kind": "auto", "unknown": "refuse", "seed": 0, "val": 0.2, "test": 0.0, "group_by": "auto"}
    for key, value in arguments.items():
        option = f"--{key.replace('_', '-').replace('kind', 'format')}"
        if key == "source" or value in (None, False) or value == usual.get(key):
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, dict):
            words += [word for pair in value.items() for word in (option, "=".join(pair))]
        elif isinstance(value, list):
            words += [word for each in value for word in (option, str(each))]
        else:
            words += [option, str(value)]
    return shlex.join(words)


def _plan(root: Path, name: str | None, chosen: Chosen, seen: Sequence[Seen], division: Division):
    """Return the description of the result, and the frames with unique stems."""
    dataset = Dataset(
        root=root,
        name=name or root.resolve().name,
        classes=chosen.classes if chosen.classes.stored_as_train_ids else _by_train_id(chosen.classes),
        images="images/{split}/{group}/{stem}.*",
        labels="labels/{split}/{group}/{stem}.png",
        splits=tuple((split, split) for split in SPLITS if split in division.splits),
    )
    stems = _unique_stems([each.item for each in seen])
    jobs = []
    for each, split, group, stem in zip(seen, division.splits, division.groups, stems, strict=True):
        folder = f"{split}/{folder_name(group, stem)}"
        suffix = each.item.image.suffix if each.plain else ".png"
        label = "" if each.item.label is None else f"labels/{folder}/{stem}.png"
        jobs.append(Job(each, f"images/{folder}/{stem}{suffix}", label))
    return dataset, jobs


def _by_train_id(classes: Classes) -> Classes:
    return Classes(classes.names, classes.colours, categories=classes.categories, groups=classes.groups)


def _unique_stems(items: Sequence[Item]) -> list[str]:
    """Return the stems; those that two frames share, in any case, get their folder in front, or a number behind."""
    shared = Counter(item.stem.casefold() for item in items)
    used: set[str] = set()
    stems = []
    for item in items:
        stem = item.stem.lstrip(".") or "frame"
        if shared[item.stem.casefold()] > 1 and item.group:
            stem = f"{item.group.replace('/', '_')}_{stem}"
        first, number = stem, 2
        while stem.casefold() in used:
            stem, number = f"{first}_{number}", number + 1
        used.add(stem.casefold())
        stems.append(stem)
    return stems


def _pixels(found: Mapping, chosen: Chosen) -> dict[str, int]:
    pixels = dict.fromkeys([*chosen.classes.names, "ignored"], 0)
    for key, each in found.items():
        train_id = chosen.train_ids[key]
        pixels["ignored" if train_id == IGNORE else chosen.classes.names[train_id]] += each.pixels
    return pixels


def _remarks(seen: Sequence[Seen]) -> list[str]:
    return [f"{each.item.label.file}: {note}." for each in seen for note in each.notes]


def _nothing(source: Path, kind: str, skipped: Sequence[Skipped]) -> str:
    if skipped and kind != "masks":
        file, reason = skipped[0]
        return f"No usable frame in {source} ({kind}), {len(skipped)} skipped: {file} {reason}."
    first = f" ({skipped[0].file} {skipped[0].reason})" if skipped else ""
    return (
        f"No images with labels in {source}{first}: expected LabelMe or COCO files, or two folders such as images/ "
        "and masks/ with equal names in them, so pass the folder above both, or --images and --labels."
    )


def _earlier(root: Path) -> Imported:
    content = read_json(root / REPORT)
    skipped = [Skipped(**each) for each in content["skipped"]]
    return Imported(
        root, open_dataset(root), content["counts"], content["pixels"], skipped, content["notes"], new=False
    )


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value).expanduser()


def _text(value) -> str | list[str] | None:
    if value is None:
        return None
    if isinstance(value, Classes):
        return list(value.names)
    return str(Path(value).expanduser().resolve()) if isinstance(value, (str, Path)) else list(map(str, value))
