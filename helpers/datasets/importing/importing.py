"""Import a data set: find its frames, look at them, choose classes and splits, write."""

from __future__ import annotations

import inspect
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from helpers.datasets.importing.writing import REPORT, Job, Plan, already_done, write


@dataclass(frozen=True)
class Imported:
    """Result of `import_data`."""

    root: Path
    dataset: Dataset  # after a dry run its files do not exist
    counts: dict[str, int]  # frames of each split
    pixels: dict[str, int]  # of each class, and of "ignored"
    skipped: list[Skipped]  # files that were not imported, each with its reason
    notes: list[str]  # sentences on what was chosen
    new: bool = True  # False if the same import was finished before, so nothing was done

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
    command = _command(**locals())
    source, root = Path(source).expanduser(), Path(to).expanduser()
    if unknown not in ("refuse", "ignore"):
        raise CourseError(f"Expected refuse or ignore for unknown values, got {unknown!r}.")
    ignore = [str(each) for each in ([ignore] if isinstance(ignore, (str, int)) else ignore)]
    if root.resolve().is_relative_to(source.resolve()):
        raise CourseError(f"{root} lies in the source {source}, where it would be found again: pass another --to.")
    if not dry_run and already_done(root, command):
        return _earlier(root)
    opened = open_source(source, _path(images), _path(labels), kind)
    table = classes if classes is not None else opened.classes
    if table is None and opened.kind in ("VOC", "masks", "lists"):
        table = find_table(source)
    seen, unusable = survey(opened.items, workers)
    skipped = [*opened.skipped, *unusable]
    labelled = [each for each in seen if each.item.label is not None]
    if not labelled:
        raise CourseError(_nothing(source, opened.kind, skipped))
    rules = Rules(
        tuple(read_table(table)) if table is not None else None,
        tuple(ignore),
        background,
        rename or {},
        unknown,
        str(table) if isinstance(table, (str, Path)) else "the table of classes",
    )
    found = count(labelled)
    chosen = choose_classes(found, rules, opened.names)
    if isinstance(classes, Classes) and chosen.classes.names == classes.names:
        chosen = replace(chosen, classes=classes)
    classes_of = [frozenset(chosen.train_ids[key] for key in each.pixels) - {IGNORE} for each in seen]
    items = [each.item for each in seen]
    division = divide(items, classes_of, val=val, test=test, seed=seed, group_by=group_by)
    dataset = Dataset(
        root=root,
        name=name or root.resolve().name,
        classes=replace(chosen.classes, values=(), ignored=(IGNORE,)),  # labels are written as train ids
        images="images/{split}/{group}/{stem}.*",
        labels="labels/{split}/{group}/{stem}.png",
        splits=tuple((split, split) for split in SPLITS if split in division.splits),
    )
    remarks = [f"{each.item.label.file}: {note}." for each in seen for note in each.notes]
    done = Imported(
        root,
        dataset,
        {split: division.splits.count(split) for split, _ in dataset.splits},
        _pixels(found, chosen),
        skipped,
        [*opened.notes, *chosen.notes, *division.notes, *remarks],
    )
    if not dry_run:
        jobs = _jobs(seen, division)
        report = {
            "command": command,
            "format": opened.kind,
            "counts": done.counts,
            "pixels": done.pixels,
            "skipped": [each._asdict() for each in skipped],
            "notes": done.notes,
            "frames": {job.image: str(job.seen.item.file) for job in jobs},
        }
        write(Plan(dataset, jobs, chosen.train_ids, link), report, workers)
    return done


def _command(source: str | Path, to: str | Path, dry_run: bool, workers: int | None, **options) -> str:
    """Return the command with these arguments of `import_data`, except for those that do not change its result."""
    words = ["python", "-m", "helpers.datasets", "import", _whole(source)]
    usual = inspect.signature(import_data).parameters
    for key, value in options.items():
        if value == usual[key].default:
            continue
        if isinstance(value, Classes):
            value = value.names
        elif isinstance(value, Mapping):
            value = map("=".join, value.items())
        elif not isinstance(value, Iterable) or isinstance(value, str):
            value = [_whole(value) if key in ("images", "labels", "classes") else value]
        option = f"--{key.replace('kind', 'format').replace('_', '-')}"
        for each in value:
            words += [option] if each is True else [option, str(each)]
    return shlex.join(words)


def _whole(path: str | Path) -> str:
    return str(Path(path).expanduser().resolve())


def _jobs(seen: Sequence[Seen], division: Division) -> list[Job]:
    """Return the frames with unique stems."""
    jobs = []
    stems = _unique_stems([each.item for each in seen])
    for each, split, group, stem in zip(seen, division.splits, division.groups, stems, strict=True):
        folder = f"{split}/{folder_name(group, stem)}"
        suffix = each.item.image.suffix if each.plain else ".png"
        label = "" if each.item.label is None else f"labels/{folder}/{stem}.png"
        jobs.append(Job(each, f"images/{folder}/{stem}{suffix}", label))
    return jobs


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
