"""The deployment demo without a front end: set a control, read its outputs."""

import cv2
import numpy as np
import pytest
from small_networks import frames, tiny

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.deployment import Predictor, export
from helpers.plotting.base import overlay
from helpers.widgets.deploy_demo import DeployDemo


def shown(demo) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(demo.picture.value, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_each_control_updates_the_labels(tmp_path):
    folders = {
        f"tiny{seed}": export(tiny(seed=seed), tmp_path / f"{seed}", network="tiny", classes=CITYSCAPES)
        for seed in (1, 2)
    }
    images = list(frames(64, 96, batch=2))
    demo = DeployDemo(folders, images)
    labels = {name: [Predictor(folder)(image) for image in images] for name, folder in folders.items()}
    np.testing.assert_array_equal(demo.labels, labels["tiny1"][0])
    demo.number.value = 1
    np.testing.assert_array_equal(demo.labels, labels["tiny1"][1])
    demo.network.value = "tiny2"
    np.testing.assert_array_equal(demo.labels, labels["tiny2"][1])
    demo.engine.value = "paddle"
    assert (demo.labels == labels["tiny2"][1]).mean() > 0.999
    assert demo.latency_ms > 0 and f"{demo.latency_ms:.1f} ms" in demo.status.value and "96 x 64" in demo.status.value
    demo.opacity.value = 1.0
    errors = [
        np.abs(shown(demo).astype(int) - overlay(images[1], demo.labels, CITYSCAPES, share)).mean()
        for share in (1.0, 0.3)
    ]
    assert errors[0] < errors[1]  # JPEG blurs noise
    demo.palette.value = "distinct"
    errors = [
        np.abs(shown(demo).astype(int) - classes.colorize(demo.labels)).mean()
        for classes in (CITYSCAPES.with_palette("distinct"), CITYSCAPES)
    ]
    assert errors[0] < errors[1]
    assert len(demo._predictors) == 3
    demo.close_all()
    demo.number.value = 0
    assert (demo.labels == labels["tiny2"][0]).mean() > 0.999
    demo.close_all()


def test_failing_engine_is_reported(tmp_path):
    folder = export(tiny(seed=1), tmp_path / "tiny", network="tiny", classes=CITYSCAPES)
    demo = DeployDemo({"tiny": folder}, list(frames(32, 32)))
    (folder / "model.pdiparams").unlink()
    demo.engine.value = "paddle"
    assert "is missing" in demo.status.value
    with pytest.raises(CourseError, match="at least one exported network and one image"):
        DeployDemo({}, [])


def test_export_without_classes_is_reported(tmp_path):
    demo = DeployDemo({"tiny": export(tiny(seed=1), tmp_path / "tiny", network="tiny")}, list(frames(32, 32)))
    assert "export the network with its classes" in demo.status.value and demo.labels is None
