"""ONNX files: correct, or not written."""

import numpy as np
import pytest
from small_networks import assert_same_labels, frames, tiny, varied_fastscnn

from helpers.common.errors import CourseError
from helpers.deployment import Predictor, agreement, export, onnx
from helpers.models import NAMES, build
from helpers.pruning import prune

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


# The same layers as W18-small and fastscnn, but half a minute to convert W18, and 270 MB for W48.
LARGE = [name for name in NAMES if "w48" in name or name in ("hrnet_w18", "hrnet_w18_ocr", "fastscnn_2020")]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE])
def test_every_network_converts(name, tmp_path):
    """`write_onnx` compares the logits with the network's; U-HRNet's resizes used to be refused."""
    net = build(name, seed=5)
    net.eval()
    assert onnx.write_onnx(net, tmp_path / "x.onnx", (64, 64)).is_file()


def test_frames_to_labels_in_one_file(tmp_path):
    net, frame = varied_fastscnn(), frames(90, 120)[0]
    folder = export(net, tmp_path / "x", network="fastscnn", graph="labels", onnx_hw=[(90, 120)])
    with Predictor(folder, "onnxruntime") as predictor, Predictor(folder, "eager") as paddle_graph:
        labels = predictor(frame)
        assert labels.shape == (90, 120) and labels.dtype == np.uint8
        assert_same_labels(labels, net, frame)
        assert agreement(labels, paddle_graph(frame)) > 0.999
        with pytest.raises(CourseError, match="for 90 x 120, not for 64 x 64"):
            predictor(frames(64, 64)[0])


@pytest.mark.parametrize("name", ["pruned", "hrnet_w18_small_v1", "uhrnet_w18_small"])
def test_other_networks_label_frames(name, tmp_path):
    net = prune(varied_fastscnn(), 0.51, (128, 256))[0] if name == "pruned" else build(name, seed=5)
    net.eval()
    frame = frames(60, 62)[0]
    path = onnx.write_onnx(net, tmp_path / "x.onnx", (60, 62), graph="labels")
    assert_same_labels(onnx._run(path, frame[np.newaxis])[0], net, frame)


def test_labels_are_compared_where_classes_do_not_tie():
    logits = np.array([[2.0, 1.0, 1.0], [1.0, 3.0, 1.00001]], np.float32).reshape(1, 2, 1, 3)
    onnx._compare_labels(np.array([[[0, 1, 0]]], np.uint8), logits)  # the last pixel ties up to rounding
    with pytest.raises(CourseError, match="differs from the original: .*largest difference 1,"):
        onnx._compare_labels(np.array([[[1, 1, 1]]], np.uint8), logits)
    with pytest.raises(CourseError, match=r"labels int32 \(1, 1, 3\) instead of uint8 \(1, 1, 3\)"):
        onnx._compare_labels(np.zeros((1, 1, 3), np.int32), logits)


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
    monkeypatch.setattr(onnx, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(CourseError, match="needs onnxruntime: pip install onnxruntime"):
        onnx.write_onnx(tiny(seed=1), tmp_path / "x.onnx", (16, 24))
