"""ONNX files: correct, or not written."""

import numpy as np
import pytest
from small_networks import assert_same_labels, frames, tiny, varied_fastscnn

from helpers.common.errors import CourseError
from helpers.deployment import Predictor, export, onnx

pytest.importorskip("onnxruntime")
pytest.importorskip("paddle2onnx")


def test_adaptive_bins_by_hand():
    # 5 lines in 3 bins: 0-1, 1-3, 3-4, as `AdaptiveAvgPool2D` overlaps them.
    expected = [[1 / 2, 1 / 2, 0, 0, 0], [0, 1 / 3, 1 / 3, 1 / 3, 0], [0, 0, 0, 1 / 2, 1 / 2]]
    np.testing.assert_allclose(onnx._averages(5, 3), expected, atol=1e-7)


def test_onnxruntime_predicts_the_labels_of_the_network(tmp_path):
    net = varied_fastscnn()
    # 7 columns of the pooled map, of 224 padded ones, are not a multiple of its 2, 3 and 6 bins.
    folder = export(net, tmp_path / "fastscnn", network="fastscnn", onnx_hw=[(128, 208)])
    batch = frames(128, 208, batch=2)
    with Predictor(folder, "onnxruntime") as predictor:
        for frame, labels in zip(batch, predictor(batch), strict=True):
            assert_same_labels(labels, net, frame)
        with pytest.raises(CourseError, match=r"for 128 x 224, not for 64 x 64: export .* onnx_hw=\[\(64, 64"):
            predictor(frames(64, 64)[0])


def test_logits_of_a_size_that_the_stride_does_not_divide(tmp_path):
    """The graph pads and crops itself; the graph "coarse" above takes the padded size."""
    net, frame = varied_fastscnn(), frames(90, 120)[0]
    folder = export(net, tmp_path / "x", network="fastscnn", graph="logits", onnx_hw=[(90, 120)])
    with Predictor(folder, "onnxruntime") as predictor:
        assert_same_labels(predictor(frame), net, frame)


def test_a_conversion_that_differs_is_not_written(tmp_path, monkeypatch):
    run = onnx._run
    monkeypatch.setattr(onnx, "_run", lambda path, x: 1.001 * run(path, x))
    with pytest.raises(CourseError, match=r"differs from the original: .*Nothing was written"):
        onnx.write_onnx(tiny(seed=1), tmp_path / "tiny.onnx", (16, 24))
    assert not list(tmp_path.iterdir())


def test_a_converter_that_aborts_leaves_this_process_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "_CONVERT", "import os; os.abort()")
    with pytest.raises(CourseError, match=r"could not convert this network \(exit code -6"):
        onnx.write_onnx(tiny(seed=1), tmp_path / "tiny.onnx", (16, 24))
    assert not list(tmp_path.iterdir())


def test_missing_files_and_packages(tmp_path, monkeypatch):
    folder = export(tiny(seed=1), tmp_path / "tiny", network="tiny")
    with pytest.raises(CourseError, match="has no ONNX file: export the network with onnx_hw"):
        Predictor(folder, "onnxruntime")
    with pytest.raises(CourseError, match="ONNX files hold logits"):
        onnx.write_onnx(tiny(seed=1), tmp_path / "x.onnx", (16, 24), graph="labels")
    monkeypatch.setattr(onnx, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(CourseError, match="needs onnxruntime: pip install onnxruntime"):
        onnx.write_onnx(tiny(seed=1), tmp_path / "x.onnx", (16, 24))
