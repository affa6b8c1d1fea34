"""Decide the classes: which train id each name, value or colour of a source becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
    original, found, alias = found, *_grey_as_values(found)
    table = _renamed(rules.table, rules.rename)
    polygons = any(key.value is None and key.colour is None for key in found)
    known = (_of_polygons if polygons else _of_masks)(found, rules, table, names, notes)
    ignored = _ignored(known, found, rules, table)
    if named := sorted({known[key].name for key in ignored if key in known and known[key].name}):
        notes.append(f"Ignored, so they become {IGNORE}: {', '.join(named)}.")
    rows = _order(known, ignored, rules, table, names)
    _check_count(rows, found, rules)
    if unused := [row.name for row in rows if row.name not in {known[key].name for key in known}]:
        notes.append(f"Classes without a pixel: {', '.join(unused)}.")
    position = {row.name: place for place, row in enumerate(rows)}
    train_ids = {key: IGNORE if key in ignored else position[row.name] for key, row in known.items()}
    train_ids = {key: train_ids.get(alias[key], IGNORE) for key in original}
    _warn_about_names(position, notes)
    return Chosen(Classes(tuple(position), distinct_colours(rows)), train_ids, tuple(notes))


def _grey_as_values(found: Mapping[Key, Found]) -> tuple[Mapping[Key, Found], dict[Key, Key]]:
    """Take colours for values if all are grey, as in label images saved as RGB. Return what each key became, too."""
    alias = {
        key: Key(value=key.colour[0]) if key.value is None and key.colour and len({*key.colour}) == 1 else key
        for key in found
    }
    if any(key.value is None for key in alias.values()):
        return found, {key: key for key in found}
    merged: dict[Key, Found] = {}
    for key, each in found.items():
        entry = merged.setdefault(alias[key], Found(0, 0, each.file))
        entry.pixels, entry.frames = entry.pixels + each.pixels, entry.frames + each.frames
    return merged, alias


def _renamed(table: Sequence[Row] | None, rename: Mapping[str, str]) -> list[Row] | None:
    return None if table is None else [row._replace(name=rename.get(row.name, row.name)) for row in table]


def _of_polygons(found, rules: Rules, table, names, notes: list[str]) -> dict[Key, Row]:
    by_name = {row.name: row for row in table or ()}
    known = {}
    for key in found:
        if key in (NOTHING, IGNORED):
            continue
        name = rules.rename.get(key.name, key.name)
        if table is not None and name not in by_name:
            if key.name in rules.ignore:
                known[key] = Row(name)
                continue
            _refuse(f"the class {key.name!r}", found[key], rules, f"--rename {key.name!r}=...")
            continue
        known[key] = by_name.get(name, Row(name))
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


def _of_masks(found, rules: Rules, table, names, notes: list[str]) -> dict[Key, Row]:
    if table is None:
        return _proposed(found, rules, notes)
    by_colour = {row.colour: row for row in table if row.colour is not None}
    by_value = _by_value(table, found)
    explained = [
        sum(each.pixels for key, each in found.items() if part(key) in rows)
        for part, rows in ((_colour, by_colour), (lambda key: key.value, by_value))
    ]
    coloured = all(key.value is None for key in found) or (by_colour and explained[0] >= explained[1])
    part, rows = (_colour, by_colour) if coloured else (lambda key: key.value, by_value)
    if not rows:
        raise CourseError(f"The masks are coloured, but {rules.table_name} has no colours: add red, green and blue.")
    known, lacking = {}, {}
    ignored = _wanted(rules.ignore)
    for key in found:
        row = rows.get(part(key))
        if row is not None:
            known[key] = row
        elif not (_matches(key, None, ignored) or _usually_ignored(key)):
            lacking[key] = found[key]
    if lacking and rules.unknown != "ignore":
        worst = max(lacking, key=lambda key: lacking[key].pixels)
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        total = sum(each.pixels for each in lacking.values())
        if coloured and len(lacking) > 16:
            raise CourseError(
                f"{lacking[worst].file} has {worst}{more}, which {rules.table_name} lacks, in {total} pixels together: "
                "smoothed edges or JPEG mix the colours, and the nearest class would be a guess, so export the masks "
                "again as PNG without smoothing, or pass --unknown ignore."
            )
        _refuse(f"{worst}{more}", lacking[worst], rules, "--unknown ignore")
    if lacking:
        total = sum(each.pixels for each in lacking.values())
        notes.append(f"{total} pixels whose {len(lacking)} values or colours the table lacks become {IGNORE}.")
    return known


def _refuse(what: str, found: Found, rules: Rules, option: str) -> None:
    if rules.unknown == "ignore":
        return
    raise CourseError(
        f"{found.file} has {what} (in {found.frames} frame{'s' * (found.frames > 1)}, {found.pixels} pixels), which "
        f"{rules.table_name} lacks: add it there, or pass --ignore or {option}."
    )


def _proposed(found, rules: Rules, notes: list[str]) -> dict[Key, Row]:
    """Propose class_0, class_1 and so on for masks without a table."""
    ignored = {key for key in found if _matches(key, None, _wanted(rules.ignore))}
    values = {key.value for key in found}
    if len(values) > 1 and values != {0, 255}:  # 0 and 255 are two classes: off and on
        ignored |= {key for key in found if _usually_ignored(key)}
    left = [key for key in found if key not in ignored]
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
        number = place if coloured or values == {0, 255} else key.value
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


def _wanted(ignore: Iterable[str]) -> tuple[set[str], set[int], set[tuple[int, ...]]]:
    """Sort what is to be ignored into names, values and colours."""
    names, values, colours = set(), set(), set()
    for text in ignore:
        parts = text.split(",")
        if text.isdecimal():
            values.add(int(text))
        elif len(parts) == 3 and all(part.strip().isdecimal() for part in parts):
            colours.add(tuple(int(part) for part in parts))
        names.add(text)
    return names, values, colours


def _matches(key: Key, name: str | None, wanted) -> bool:
    names, values, colours = wanted
    return name in names or key.name in names or key.value in values or key.colour in colours


def _ignored(known, found, rules: Rules, table) -> set[Key]:
    """Return the keys that become IGNORE. Raise CourseError for a name to ignore that does not occur."""
    wanted = _wanted(rules.ignore)
    listed = {row.name for row in (*known.values(), *(table or ()))} | {key.name for key in found}
    for name in wanted[0]:
        if name not in listed and not set(name) <= set("0123456789, "):
            choice = ", ".join(sorted(filter(None, listed - {IGNORED.name}))[:20])
            raise CourseError(f"There is no class {name!r} to ignore: choose from {choice}.")
    return {IGNORED} & set(found) | {key for key, row in known.items() if _is_ignored(key, row, wanted)}


def _is_ignored(key: Key, row: Row, wanted) -> bool:
    return row.name.casefold() in IGNORED_NAMES or _matches(key, row.name, wanted)


def _order(known, ignored, rules: Rules, table, names) -> list[Row]:
    """Return the classes in the order of the table or of the source; the background of polygons comes first."""
    left = {row.name: row for key, row in known.items() if key not in ignored}
    background = known[NOTHING].name if NOTHING in known else None
    if table is not None:
        wanted = _wanted(rules.ignore)
        dropped = {known[key].name for key in ignored if key in known}
        dropped |= {row.name for row in table if _is_ignored(Key(None, row.value, row.colour), row, wanted)}
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


def _check_count(rows: Sequence[Row], found, rules: Rules) -> None:
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
