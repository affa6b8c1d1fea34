"""Names of classes in figures: length, formulas, and letters that the font lacks."""

import warnings

import matplotlib.pyplot as plt
import pytest
from matplotlib import font_manager

from helpers.plotting import names


@pytest.fixture(autouse=True)
def forget():
    """Start with the font of Matplotlib alone; a test before may have drawn names that needed another one."""
    with plt.rc_context({"font.family": ["sans-serif"]}), warnings.catch_warnings():
        _forget()
        yield
    _forget()


def _forget() -> None:
    names._add_font.cache_clear()
    names._ask_for.cache_clear()


def test_long_names_are_shortened_and_dollars_escaped():
    assert names.drawable(["road", "a" * 24, "a" * 25, "$x$"]) == ["road", "a" * 24, "a" * 23 + "…", r"\$x\$"]


def test_known_letters_need_no_other_font():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names.drawable(["Straße", "дорога", "δρόμος"])  # DejaVu Sans has Latin, Cyrillic and Greek
    assert plt.rcParams["font.family"] == ["sans-serif"]


def test_missing_letters_are_reported_once(monkeypatch):
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])  # no font but the default
    with pytest.warns(UserWarning, match="No installed font has the letters 路道 .*fonts-noto-cjk"):
        assert names.drawable(["道路"]) == ["道路"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names.drawable(["道路", "road"])


def test_a_font_with_the_missing_letters_is_added(monkeypatch):
    symbols = next(entry for entry in font_manager.fontManager.ttflist if entry.name == "STIXSizeOneSym")
    monkeypatch.setattr(names, "_letters", lambda path: {"路"} if path == symbols.fname else set())
    names.drawable(["路"])
    assert plt.rcParams["font.family"] == ["sans-serif", "STIXSizeOneSym"]
