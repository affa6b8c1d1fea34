"""Fixtures of the tests of training."""

import pytest
from tiny_cityscapes import write_set

from helpers.datasets import open_dataset


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return open_dataset(write_set(tmp_path_factory.mktemp("set"), size_hw=(64, 128))).frames("train")
