"""Fixtures of the tests of preparation."""

import pytest
from tiny_cityscapes import write_set


@pytest.fixture
def raw(tmp_path):
    """Unpacked official archives: no labelTrainIds."""
    return write_set(tmp_path / "raw", train_ids=False)
