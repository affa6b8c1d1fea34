"""Class names as matplotlib can draw them: of limited length, without mathematics, in a font that has their letters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache

import matplotlib.pyplot as plt
from matplotlib import font_manager

LONGEST = 24  # characters of a name in a figure
_BOXES = "Last Resort"  # comes with matplotlib, has a box for every letter


def drawable(names: Iterable[str]) -> list[str]:
    """Return class names as figures show them: at most LONGEST characters, see `plain`."""
    return [plain(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…") for name in names]


def plain(text: str) -> str:
    """Return a text with `$` escaped, which would start a formula.

    If the font lacks letters, such as Chinese ones, add an installed font that has them to matplotlib's families. If
    there is none, warn once: figures then show a box for each of these letters.
    """
    _add_font(frozenset(text))
    return text.replace("$", r"\$")


@cache
def _add_font(letters: frozenset[str]) -> None:
    families = plt.rcParams["font.family"]
    missing = {each for each in letters if each.isprintable()}
    for family in families:
        missing -= _letters(font_manager.findfont(font_manager.FontProperties(family=[family])))
    for entry in font_manager.fontManager.ttflist if missing else ():
        if not entry.name.startswith(_BOXES) and missing <= _letters(entry.fname):
            plt.rcParams["font.family"] = [*families, entry.name]
            return
    if missing:
        _ask_for("".join(sorted(missing)))


@cache
def _ask_for(letters: str) -> None:
    warnings.warn(
        f"No installed font has the letters {letters[:8]} of the names, so figures show boxes instead: install one, "
        "such as the package fonts-noto-cjk for Chinese, Japanese and Korean, and restart the kernel.",
        stacklevel=2,
    )
    warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # matplotlib's, one per letter


@cache
def _letters(path: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()  # a bitmap or damaged font
