"""The classes of a data set: names, colours, their values in label files, and named groups of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from helpers.common.errors import CourseError

# Train id of pixels that belong to no class, in every label that `read_label` returns.
IGNORE = 255
MOST = 254  # classes; train ids are bytes, and 255 is IGNORE
PALETTES = ("own", "distinct")


@dataclass(frozen=True)
class Classes:
    """The classes of a data set; the train id of a class is its position.

    Attributes
    ----------
    names : tuple of str
        Unique names, in the order of their train ids.
    colours : tuple of (int, int, int)
        A unique RGB colour for each class, 0 to 255.
    values : tuple of int
        Value of each class in label files, 0 to 255; by default its train id.
    ignored : tuple of int
        Values in label files of pixels that belong to no class; they become IGNORE.
    categories : tuple of str
        The category of each class, for scores after merging; empty if there are none.
    groups : tuple of (str, tuple of str)
        Named sets of classes, such as ("thin", ("pole", "rider")).

    Raises CourseError if there are fewer than 2 or more than 254 classes, or if these disagree.
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    values: tuple[int, ...] = ()
    ignored: tuple[int, ...] = (IGNORE,)
    categories: tuple[str, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self):
        if not self.values:
            object.__setattr__(self, "values", tuple(range(len(self.names))))
        _check(self)

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Return the train id of a class. Raise CourseError for an unknown name."""
        if name not in self.names:
            raise CourseError(f"There is no class {name!r}: choose one of {', '.join(self.names)}.")
        return self.names.index(name)

    def group(self, name: str) -> tuple[int, ...]:
        """Return the train ids of a group; an empty tuple if the data set does not define it."""
        return tuple(self.index(each) for each in dict(self.groups).get(name, ()))

    @cached_property
    def palette(self) -> np.ndarray:
        """The colours as uint8 (classes, 3)."""
        return np.array(self.colours, dtype=np.uint8)

    def with_palette(self, palette: str) -> Classes:
        """Return the same classes with other colours; raise CourseError for an unknown palette.

        "own": the colours they have. "distinct": colours that people with colour-vision deficiency can tell apart, see
        `helpers.datasets.palettes`.
        """
        if palette not in PALETTES:
            raise CourseError(f"There is no palette {palette!r}: choose one of {', '.join(PALETTES)}.")
        if palette == "own":
            return self
        from helpers.datasets.palettes import distinct_colours  # takes SciPy's optimisation, which is slow to import

        return replace(self, colours=distinct_colours(self.names, self.colours))

    @cached_property
    def lookup(self) -> np.ndarray:
        """The train id of each value in label files, uint8 (256,); IGNORE for values that are not valid."""
        table = np.full(256, IGNORE, dtype=np.uint8)
        table[list(self.values)] = np.arange(len(self))
        return table

    @cached_property
    def valid(self) -> np.ndarray:
        """Whether a value may occur in label files, bool (256,)."""
        table = np.zeros(256, dtype=bool)
        table[[*self.values, *self.ignored]] = True
        return table

    @property
    def stored_as_train_ids(self) -> bool:
        """Whether label files hold train ids, and 255 for ignored pixels, so that `lookup` changes nothing."""
        return self.values == tuple(range(len(self))) and set(self.ignored) <= {IGNORE}

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        """The distinct categories, in the order of their first class."""
        return tuple(dict.fromkeys(self.categories))

    def colorize(self, train_ids: np.ndarray) -> np.ndarray:
        """Return the colours of integer train ids (H, W) as uint8 (H, W, 3) RGB; IGNORE is black."""
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(self)] = self.palette
        return table[train_ids]


def _check(classes: Classes) -> None:
    names, count = classes.names, len(classes.names)
    if count < 2:
        raise CourseError(
            f"Expected at least two classes, got {', '.join(names) or 'none'}: a network needs something to tell it "
            "apart from, so add a class for the rest, such as background."
        )
    if count > MOST:
        raise CourseError(f"Expected at most {MOST} classes, since labels are 8-bit, got {count}: merge some.")
    for name in (*names, *classes.categories):
        if not name.strip() or len(name.splitlines()) != 1:
            raise CourseError(f"Expected a line of text as the name of each class and category, got {name!r}.")
    for what, given in (("colours", classes.colours), ("values", classes.values)):
        if len(given) != count:
            raise CourseError(f"Expected {what} for all {count} classes, got {len(given)}: add the missing ones.")
    for what, given in (("name", names), ("color", classes.colours), ("value", classes.values)):
        for position, each in enumerate(given):
            if given.index(each) < position:
                first = names[given.index(each)]
                raise CourseError(
                    f"Expected a different {what} for each class, got {each!r} for class {given.index(each)} ({first}) "
                    f"and class {position} ({names[position]}): change one of them."
                )
    named = [*zip(names, classes.values, strict=True), *(("ignore", value) for value in classes.ignored)]
    for name, value in named:
        if not 0 <= value <= 255:
            raise CourseError(f"Expected label values from 0 to 255, got {value} for {name}: correct it.")
    for value in set(classes.values) & set(classes.ignored):
        owner = names[classes.values.index(value)]
        raise CourseError(f"The value {value} belongs to the class {owner} and is ignored: remove it from one of them.")
    for name, colour in zip(names, classes.colours, strict=True):
        if len(colour) != 3 or not all(0 <= channel <= 255 for channel in colour):
            raise CourseError(f"Expected a color of three numbers from 0 to 255 for {name}, got {list(colour)}.")
    if classes.categories and len(classes.categories) != count:
        raise CourseError(
            f"Expected a category for all {count} classes or for none, got {len(classes.categories)}: add the others."
        )
    for group, members in classes.groups:
        for member in members:
            if member not in names:
                raise CourseError(f"The group {group} contains {member!r}, which is not a class: correct the name.")
