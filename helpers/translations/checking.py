"""What a translation must share with the English text: links, code, formulas, numbers, headings, lists and tables.

Such a check finds most slips without knowing either language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from helpers.translations.files import NONE, TODO, Translation, is_current

_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_FORMULA = re.compile(r"\$\$.+?\$\$|(?<![\\$])\$[^$\n]+\$", re.DOTALL)
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
_TAG = re.compile(r"</?[a-z]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_HAN = "\u4e00-\u9fff"
_HALF_WIDTH = re.compile(rf"[{_HAN}] ?[,;:?!](?=[\s{_HAN}]|$)|[{_HAN}]\.(?=\s|$)", re.MULTILINE)
_NO_SPACE = re.compile(rf"[{_HAN}][A-Za-z0-9`$]|[A-Za-z0-9%`$][{_HAN}]")


def is_chinese(text: str) -> bool:
    """Return whether a text has Chinese characters."""
    return re.search(f"[{_HAN}]", text) is not None


def outdated(english: dict[str, str], translations: dict[str, Translation]) -> dict[str, str]:
    """Return "missing" or "stale" for each cell id of the notebook without a current translation."""
    return {
        cell: "missing" if translations.get(cell, NONE).english == TODO else "stale"
        for cell, text in english.items()
        if not is_current(translations.get(cell), text)
    }


def slips(english: dict[str, str], translations: dict[str, Translation]) -> list[str]:
    """Return one sentence for each difference between a current translation and its English text."""
    found = [f"{cell}: the notebook has no such cell" for cell in translations if cell not in english]
    for cell, text in english.items():
        if is_current(translations.get(cell), text):
            found += [f"{cell}: {each}" for each in _differences(text, translations[cell].text)]
    return found


def _differences(english: str, translation: str) -> list[str]:
    ours, theirs = _parts(english), _parts(translation)
    found = [f"{name} {_shown(ours[name], theirs[name])}" for name in ours if ours[name] != theirs[name]]
    prose = _prose(translation)
    if not is_chinese(prose):
        found.append("no Chinese text")
    found += [f"asterisks that do not make text bold: {each}" for each in _not_bold(prose)]
    for name, pattern in (
        ("punctuation of half width", _HALF_WIDTH),
        ("no space between Chinese and Latin letters, digits, code or formulas", _NO_SPACE),
    ):
        found += [f"{name}: {_around(prose, match)}" for match in pattern.finditer(prose)]
    return found


def _parts(text: str) -> dict[str, Counter | list]:
    prose = _FENCE.sub("", text)
    plain = _CODE.sub("", prose)
    lines = prose.splitlines()
    return {
        "code blocks": _FENCE.findall(text),
        "code": Counter(_CODE.findall(prose)),
        "links": Counter(_LINK.findall(plain)),
        "formulas": Counter(_FORMULA.findall(plain)),
        "tags": _TAG.findall(plain),
        "numbers": Counter(each.replace(",", "") for each in _NUMBER.findall(_FORMULA.sub("", _LINK.sub("]", plain)))),
        "headings": re.findall(r"^(#+) ", prose, re.MULTILINE),
        "list items": [indent for indent in re.findall(r"^( *)(?:[-*]|\d+\.) ", prose, re.MULTILINE)],
        "columns of tables": [line.count("|") for line in lines if line.lstrip().startswith("|")],
    }


def _not_bold(prose: str) -> list[str]:
    """Return the places where CommonMark shows asterisks: **重点：**下一句 must be **重点**：下一句."""
    found = []
    for paragraph in re.sub(r"^ *\* ", "", prose, flags=re.MULTILINE).split("\n\n"):
        for number, mark in enumerate(re.finditer(r"\*+", paragraph)):
            before, after = paragraph[: mark.start()][-1:], paragraph[mark.end() :][:1]
            outside, inside = (before, after) if number % 2 == 0 else (after, before)
            if inside and not inside.isalnum() and outside.isalnum():
                found.append(_around(paragraph, mark))
    return found


def _shown(english: Iterable, translation: Iterable) -> str:
    if isinstance(english, Counter):
        lost, added = english - translation, translation - english
        sides = (("only in English", lost), ("only in the translation", added))
        return "; ".join(f"{side}: {', '.join(sorted(each.elements()))}" for side, each in sides if each)
    return f"differ: English {english}, translation {translation}"


def _prose(text: str) -> str:
    """Return the text without code blocks and link targets; code and formulas keep one letter between their marks."""
    text = _CODE.sub("`x`", _FENCE.sub("", text))
    return _LINK.sub("]", _FORMULA.sub("$x$", text))


def _around(text: str, match: re.Match) -> str:
    return text[max(0, match.start() - 8) : match.end() + 8].replace("\n", " ")
