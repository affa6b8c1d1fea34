"""Fixtures of the tests of MiniScapes."""

from pathlib import Path

import pytest
from small_miniscapes import SMOKE

from helpers.miniscapes import generate


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp("miniscapes") / "smoke", **SMOKE, workers=1)
