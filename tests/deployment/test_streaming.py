"""Frames in flight: every label, in order, without reading ahead."""

import numpy as np
import pytest
from small_networks import frames, tiny

from helpers.common.errors import CourseError
from helpers.deployment import Predictor, export, stream


def test_frames_in_flight_keep_their_order(tmp_path):
    folder = export(tiny(seed=1), tmp_path / "tiny", network="tiny")
    batch = frames(24, 32, batch=6)
    with Predictor(folder, "paddle", threads=1) as predictor:
        expected = predictor(batch)
        taken = []
        found = stream(predictor, (taken.append(i) or frame for i, frame in enumerate(batch)), in_flight=2)
        np.testing.assert_array_equal(next(found), expected[0])
        assert len(taken) <= 4  # frames are read as they are needed
        np.testing.assert_array_equal(np.stack(list(found)), expected[1:])
        assert list(stream(predictor, [], in_flight=2)) == []
        with pytest.raises(CourseError, match="at least one frame in flight, got 0"):
            list(stream(predictor, batch, in_flight=0))
        with pytest.raises(CourseError, match="Expected 8-bit RGB frames"):
            list(stream(predictor, [batch[0], batch[0, 0]], in_flight=2))
