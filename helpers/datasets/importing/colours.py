"""Choose a colour for each class."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from helpers.datasets.importing.tables import Row

BACKGROUND = (70, 70, 70)  # dark grey: the overlay of what is not the subject should not catch the eye


def distinct_colours(rows: Sequence[Row]) -> tuple[tuple[int, int, int], ...]:
    """Return a colour for each class: its own if it has one that is free, else one of another hue.

    A class called background becomes dark grey.
    """
    used = {row.colour for row in rows if row.colour}
    colours: list[tuple[int, int, int]] = []
    turn = 0
    for row in rows:
        colour = row.colour or (BACKGROUND if row.name.casefold() == "background" else None)
        while colour is None or colour in colours or (colour in used and colour != row.colour):
            hue, shade = (turn * 0.618034) % 1, (0.95, 0.7, 0.5)[turn // 8 % 3]
            colour = tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, 0.75, shade))
            turn += 1
        colours.append(colour)
    return tuple(colours)
