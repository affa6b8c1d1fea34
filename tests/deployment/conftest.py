"""Fixtures of the tests of deployment."""

from pathlib import Path

import pytest
from videos import grey_frames, write_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "in.mp4", grey_frames())
