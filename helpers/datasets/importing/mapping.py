"""Decide the classes: which train id each name, value or colour of a source becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from helpers.common.errors import CourseError
from helpers.datasets.classes import IGNORE, MOST, Classes
from helpers.datasets.importing.colours import distinct_colours
from helpers.datasets.importing.items import IGNORED, NOTHING, Key
from helpers.datasets.importing.tables import Row

IGNORED_NAMES = ("void", "ignore", "ignored", "_ignore_", "__ignore__", "unlabelled", "unlabeled", "don't care")
BACKGROUND_NAMES = ("background", "_background_", "__background__", "bg")
VOC_BORDER = (224, 224, 192)  # colour of ignored pixels in Pascal VOC
RARE = 1e-4  # share of the pixels below which a colour is suspicious


@dataclass
class Found:
    """How often a key occurs, and the first file that has it."""

    pixels: int
    frames: int
    file: str


@dataclass(frozen=True)
class Rules:
    """What the user asked for about the classes."""

    table: tuple[Row, ...] | None = None
    ignore: tuple[str, ...] = ()
    background: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    unknown: str = "refuse"
    table_name: str = "the table of classes"

    def ignores(self, key: Key, name: str = "") -> bool:
        """Return whether a key, or a class with this name, is not trained on."""
        value = None if key.value is None else str(key.value)
        texts = {name or None, key.name, value, key.colour and ",".join(map(str, key.colour))}
        return name.casefold() in IGNORED_NAMES or not texts.isdisjoint(text.replace(", ", ",") for text in self.ignore)

    def refuse(self, what: str, found: Found, option: str) -> CourseError:
        """Return the error for something that the table lacks."""
        return CourseError(
            f"{found.file} has {what} (in {found.frames} frame{'s' * (found.frames > 1)}, {found.pixels} pixels), "
            f"which {self.table_name} lacks: add it there, or pass --ignore or {option}."
        )


@dataclass(frozen=True)
class Chosen:
    """The classes, the train id of each key of the source, and sentences on how they were chosen."""

    classes: Classes
    train_ids: dict[Key, int]
    notes: tuple[str, ...]


def choose_classes(found: Mapping[Key, Found], rules: Rules, names: Sequence[str] = ()) -> Chosen:
    """Return the classes of a source; `names` are those it declares, in order.

    Raise CourseError if something occurs that the table lacks, or there are fewer than 2 or more than 254 classes.
    """
    notes: list[str] = []
    alias = _grey_as_values(found)
    merged: dict[Key, Found] = {}
    for key, each in found.items():
        entry = merged.setdefault(alias[key], Found(0, 0, each.file))
        entry.pixels, entry.frames = entry.pixels + each.pixels, entry.frames + each.frames
    rename = lambda row: row._replace(name=rules.rename.get(row.name, row.name))  # noqa: E731
    table = None if rules.table is None else [rename(row) for row in rules.table]
    if any(key.value is None and key.colour is None for key in merged):
        known = _of_polygons(merged, rules, table, names, notes)
    else:
        known = _proposed(merged, rules, notes) if table is None else _of_masks(merged, rules, table, notes)
    _check_ignore(rules, {row.name for row in (*known.values(), *(table or ()))} | {key.name for key in merged})
    ignored = {key for key, row in known.items() if rules.ignores(key, row.name)}
    if named := sorted({known[key].name for key in ignored if known[key].name}):
        notes.append(f"Ignored, so they become {IGNORE}: {', '.join(named)}.")
    rows = _order(known, ignored, rules, table, names)
    _check_count(rows, merged)
    if unused := [row.name for row in rows if row.name not in {known[key].name for key in known}]:
        notes.append(f"Classes without a pixel: {', '.join(unused)}.")
    position = {row.name: place for place, row in enumerate(rows)}
    train_ids = {key: position[row.name] for key, row in known.items() if key not in ignored}
    _warn_about_names(position, notes)
    by_key = {key: train_ids.get(alias[key], IGNORE) for key in found}
    return Chosen(Classes(tuple(position), distinct_colours(rows)), by_key, tuple(notes))


def _grey_as_values(found: Iterable[Key]) -> dict[Key, Key]:
    """Return what each key means: a value instead of a colour if all are grey, as in label images saved as RGB."""
    alias = {
        key: Key(value=key.colour[0]) if key.value is None and key.colour and len({*key.colour}) == 1 else key
        for key in found
    }
    return {key: key for key in found} if any(key.value is None for key in alias.values()) else alias


def _of_polygons(found, rules: Rules, table, names, notes: list[str]) -> dict[Key, Row]:
    by_name = {row.name: row for row in table or ()}
    known = {}
    for key in (key for key in found if key not in (NOTHING, IGNORED)):
        name = rules.rename.get(key.name, key.name)
        if table is None or name in by_name or key.name in rules.ignore:
            known[key] = by_name.get(name, Row(name))
        elif rules.unknown != "ignore":
            raise rules.refuse(f"the class {key.name!r}", found[key], f"--rename {key.name!r}=...")
    if NOTHING in found:
        listed = [*by_name, *(row.name for row in known.values()), *names]
        usual = next((name for name in listed if name.casefold() in BACKGROUND_NAMES), BACKGROUND_NAMES[0])
        name = rules.background or usual
        known[NOTHING] = by_name.get(name, Row(name))
        share = found[NOTHING].pixels / sum(each.pixels for each in found.values())
        if name not in rules.ignore:
            notes.append(
                f"{share:.1%} of the pixels are in no polygon and become the class {name}: pass --ignore {name} if "
                "they are merely unlabelled."
            )
    return known


def _of_masks(found, rules: Rules, table, notes: list[str]) -> dict[Key, Row]:
    by_colour = {row.colour: row for row in table if row.colour is not None}
    by_value = _by_value(table, found)
    value = attrgetter("value")
    explained = lambda part, rows: sum(each.pixels for key, each in found.items() if part(key) in rows)  # noqa: E731
    coloured = all(key.value is None for key in found) or (
        by_colour and explained(_colour, by_colour) >= explained(value, by_value)
    )
    part, rows = (_colour, by_colour) if coloured else (value, by_value)
    if not rows:
        raise CourseError(f"The masks are coloured, but {rules.table_name} has no colours: add red, green and blue.")
    known = {key: rows[part(key)] for key in found if part(key) in rows}
    lacking = [key for key in found if key not in known and not rules.ignores(key) and not _usually_ignored(key)]
    if not lacking:
        return known
    total = sum(found[key].pixels for key in lacking)
    if rules.unknown == "ignore":
        notes.append(f"{total} pixels whose {len(lacking)} values or colours the table lacks become {IGNORE}.")
        return known
    worst = max(lacking, key=lambda key: found[key].pixels)
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    if coloured and len(lacking) > 16:
        raise CourseError(
            f"{found[worst].file} has {worst}{more}, which {rules.table_name} lacks, in {total} pixels together: "
            "smoothed edges or JPEG mix the colours, and the nearest class would be a guess, so export the masks "
            "again as PNG without smoothing, or pass --unknown ignore."
        )
    raise rules.refuse(f"{worst}{more}", found[worst], "--unknown ignore")


def _proposed(found, rules: Rules, notes: list[str]) -> dict[Key, Row]:
    """Propose class_0, class_1 and so on for masks without a table."""
    values = {key.value for key in found}
    on_and_off = values == {0, 255}
    keep_all = on_and_off or len(values) == 1
    left = [key for key in found if not rules.ignores(key) and (keep_all or not _usually_ignored(key))]
    coloured = any(key.value is None for key in left)
    total = sum(each.pixels for each in found.values())
    if coloured and (rare := [key for key in left if found[key].pixels < RARE * total]) and len(rare) > 3:
        notes.append(
            f"{len(rare)} of {len(left)} colours cover less than {RARE:.2%} of the pixels: if they are smoothed edges, "
            "pass the true colours as --classes, with --unknown ignore."
        )
    left.sort(key=lambda key: (key.value, key.colour or ()) if not coloured else (-found[key].pixels, _colour(key)))
    known = {}
    for place, key in enumerate(left):
        number = place if coloured or on_and_off else key.value
        name = f"class_{number}"
        if rules.background and (key.value == 0 or key.colour == (0, 0, 0)):
            name = rules.background
        known[key] = Row(rules.rename.get(name, name), _colour(key) if key.colour else None)
    if known:
        notes.append(
            "The masks do not say what their values mean: the names class_... can be changed in dataset.toml, or "
            "passed as --classes."
        )
    return known


def _by_value(table: Sequence[Row], found) -> dict[int, Row]:
    if any(row.value is not None for row in table):
        return {row.value: row for row in table if row.value is not None}
    values = {key.value for key in found}
    if len(table) == 2 and values == {0, 255}:
        return dict(zip((0, 255), table, strict=True))
    return dict(enumerate(table))


def _colour(key: Key) -> tuple[int, int, int]:
    return key.colour if key.colour is not None else (key.value,) * 3


def _usually_ignored(key: Key) -> bool:
    return key.value == IGNORE or key.colour == VOC_BORDER


def _check_ignore(rules: Rules, listed: set[str | None]) -> None:
    """Raise CourseError for a name to ignore that does not occur."""
    for name in rules.ignore:
        if name not in listed and not set(name) <= set("0123456789, "):
            choice = ", ".join(sorted(filter(None, listed - {IGNORED.name}))[:20])
            raise CourseError(f"There is no class {name!r} to ignore: choose from {choice}.")


def _order(known, ignored, rules: Rules, table, names) -> list[Row]:
    """Return the classes in the order of the table or of the source; the background of polygons comes first."""
    left = {row.name: row for key, row in known.items() if key not in ignored}
    background = known[NOTHING].name if NOTHING in known else None
    if table is not None:
        dropped = {known[key].name for key in ignored}
        dropped |= {row.name for row in table if rules.ignores(Key(None, row.value, row.colour), row.name)}
        rows = [row for row in table if row.name in left or row.name not in dropped]
        if background in left and background not in {row.name for row in table}:
            rows.insert(0, left[background])
    elif background is not None or any(key.name is not None for key in known):
        place = {name: at for at, name in enumerate(names)}
        rows = sorted(
            left.values(), key=lambda row: (row.name != background, place.get(row.name, len(place)), row.name)
        )
    else:
        rows = list(left.values())
    unique: dict[str, Row] = {}
    for row in rows:
        unique.setdefault(row.name, row)  # two with the same name after --rename are one class
    return list(unique.values())


def _check_count(rows: Sequence[Row], found: Mapping[Key, Found]) -> None:
    file = next(iter(found.values())).file if found else ""
    if len(rows) > MOST:
        raise CourseError(
            f"Found {len(rows)} classes, in {file} and others, but 8-bit labels hold {MOST}: "
            "coloured masks with smoothed edges or JPEG have such numbers, so export them again, or pass the classes "
            "as --classes, with --unknown ignore."
        )
    if len(rows) < 2:
        what = f"only one class, {rows[0].name}" if rows else "no class"
        raise CourseError(
            f"Found {what}, in {file} and all others: a network needs something to tell it apart from, so label a "
            "second class, or check --ignore and --background."
        )


def _warn_about_names(position: Mapping[str, int], notes: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in position:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            notes.append(f"The classes {other} and {name} differ only in case: --rename {name}={other} merges them.")
