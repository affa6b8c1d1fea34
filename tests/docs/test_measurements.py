"""The table of five seeds in docs/measurements.md says what the reference says."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from helpers.common.files import PROJECT

DOCUMENT = (PROJECT / "docs" / "measurements.md").read_text(encoding="utf-8")
SECTION = DOCUMENT.split("\n## Five seeds\n")[1].split("\n## ")[0]
LINES = [line.split("|") for line in SECTION.splitlines() if line.startswith("| ") and "`" in line]
ROWS = {cells[2].strip(): cells[3:-1] for cells in LINES}
REFERENCE = json.loads((PROJECT / "outputs" / "mini" / "reference.json").read_text())


def by_seed(metrics: str) -> np.ndarray:
    """Values of "`a`", or differences of "`a` - `b`", float (5,)."""
    values = [list(REFERENCE[name]["by_hardware"]["x86-avx2"].values()) for name in re.findall(r"`(.+?)`", metrics)]
    return np.subtract(*values) if len(values) == 2 else np.array(values[0])


def test_table_has_rows():
    assert len(ROWS) > 10


@pytest.mark.parametrize("metrics", ROWS)
def test_numbers_are_those_of_the_reference(metrics):
    expected = by_seed(metrics)
    assert [float(cell) for cell in ROWS[metrics]] == pytest.approx([*expected, expected.mean()], abs=0.00051)


def test_signs_are_those_of_the_text():
    assert list(by_seed("`02.uhrnet_w18_small.miou` - `02.hrnet_w18_small_v2.miou`") >= 0) == [True] + 4 * [False]
    price = by_seed("`04.miou.after` - `04.miou.control`")
    assert (price < 0).all() and price.mean() > -0.01
    assert (by_seed("`06.miou.weighted` - `06.miou.shipped`") < 0).all()
