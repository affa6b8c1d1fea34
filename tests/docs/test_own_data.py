"""docs/own_data.md: its example is a valid description, and it names every format, key and setting that exists."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shlex
from pathlib import Path

from helpers.datasets import __main__ as command
from helpers.datasets import description
from helpers.datasets.checking import KINDS
from helpers.datasets.dataset import read_description
from helpers.datasets.importing.finding import FORMATS
from helpers.profiles import Recipe

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_data.md").read_text(encoding="utf-8")


def test_the_example_is_a_valid_description(tmp_path):
    (tmp_path / "dataset.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1], encoding="utf-8")
    data = read_description(tmp_path / "dataset.toml", tmp_path)
    assert (data.name, data.classes.names, data.classes.values) == ("Leaves", ("soil", "leaf"), (0, 7))


def test_every_key_of_a_description_is_explained():
    for key in (*description._KEYS, *description._CLASS_KEYS):
        assert re.search(rf"\b{key}\b", PAGE), key


def test_every_format_has_a_row():
    rows = re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE)
    assert set(FORMATS) - {"auto"} <= set(rows)


def test_settings_of_a_recipe_exist():
    keys = re.findall(r"^\| `(accumulate|ema|patience)` \|", PAGE, re.MULTILINE)
    assert len(keys) == 3 and set(keys) <= {field.name for field in dataclasses.fields(Recipe)}


def test_commands_are_accepted():
    for line in re.findall(r"python -m helpers\.datasets (.*)$", PAGE, re.MULTILINE):
        options = command.parser().parse_args(shlex.split(line))
        assert isinstance(options, argparse.Namespace)


def test_the_kinds_of_finding_that_it_lists_exist():
    titles = " ".join(title for _, title in KINDS.values())
    for words in ("without a label", "damaged", "empty", "different sizes", "JPEG", "0 and 255", "off by one",
                  "train never shows", "99 %", "ignored", "nearly the same", "two splits"):  # fmt: skip
        assert words in titles or words in " ".join(KINDS), words
