"""README.zh-CN.md has the same commands, numbers, links and tables as README.md, so that neither goes stale alone."""

from __future__ import annotations

import re

import pytest

from helpers.common.files import PROJECT
from helpers.translations.checking import slips
from helpers.translations.files import Translation, fingerprint

NAMES = ("README.md", "README.zh-CN.md")


def read(name: str) -> str:
    """The page without its links to the other language, and without comments in blocks of code."""
    page = re.sub(r"^.*\]\(README.*\n", "", (PROJECT / name).read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)

    def bare(block: re.Match) -> str:
        return re.sub(r"(?<=\S) {3,}[^-\n].*| {4,}.*", "", block[0])

    return re.sub(r"^ *```.*?^ *```", bare, page, flags=re.MULTILINE | re.DOTALL)


def test_both_pages_agree():
    english, chinese = map(read, NAMES)
    assert slips({"README": english}, {"README": Translation(chinese, fingerprint(english))}) == []


@pytest.mark.parametrize(("old", "new"), [("0.831", "0.832"), ("ONLY=02-04", "ONLY=02"), ("docs/training.md", "x.md")])
def test_a_change_of_one_page_is_found(old, new):
    english, chinese = map(read, NAMES)
    changed = english.replace(old, new)
    assert changed != english
    assert slips({"README": changed}, {"README": Translation(chinese, fingerprint(changed))}) != []


def test_each_page_links_to_the_other():
    for name, other in zip(NAMES, reversed(NAMES), strict=True):
        assert f"]({other})" in (PROJECT / name).read_text(encoding="utf-8").splitlines()[2]


def test_both_halves_of_the_page_on_ai_studio_agree():
    page = (PROJECT / "docs" / "aistudio.md").read_text(encoding="utf-8")
    _, chinese, english = re.split(r"^(?=## )(?=.*AI Studio)", page, flags=re.MULTILINE)
    assert slips({"page": english}, {"page": Translation(chinese, fingerprint(english))}) == []
