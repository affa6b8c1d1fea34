"""ONNX Runtime's runner for GPUs, run with the CPU provider; options and sentences for a machine without a GPU."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from small_networks import assert_same_labels, frames, tiny, varied_fastscnn

from helpers.common.errors import CourseError
from helpers.deployment import Predictor, agreement, card_engine, cards, eager, export
from helpers.deployment.card_engine import CPU, CUDA, TENSORRT, CardRunner
from helpers.deployment.exports import Export

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("paddle2onnx")
SIZE_HW = 64, 96


@pytest.fixture(scope="module")
def net():
    return varied_fastscnn()


@pytest.fixture(scope="module")
def exported(net, tmp_path_factory):
    target = tmp_path_factory.mktemp("card") / "labels"
    return Export.read(export(net, target, network="fastscnn", graph="labels", onnx_hw=[SIZE_HW]))


def test_labels_of_several_frames(net, exported):
    runner = CardRunner(exported, 1, provider=CPU)
    batch = frames(*SIZE_HW, batch=3)
    labels = runner(batch)
    assert labels.shape == (3, *SIZE_HW) and labels.dtype == np.uint8
    for frame, found in zip(batch, labels, strict=True):
        assert_same_labels(found, net, frame)
    before = labels.copy()
    runner(255 - batch)
    np.testing.assert_array_equal(labels, before)  # the next frame does not overwrite them
    with pytest.raises(CourseError, match="for 64 x 96, not for 32 x 32: export"):
        runner(frames(32, 32))


def test_half_precision_agrees_roughly(net, exported):
    frame = frames(*SIZE_HW)[0]
    labels = CardRunner(exported, 1, precision="float16", provider=CPU)(frame[np.newaxis])[0]
    assert 0.97 < agreement(labels, eager(net)(frame)) <= 1


def test_coarse_logits(tmp_path):
    exported = Export.read(export(tiny(seed=1), tmp_path / "coarse", network="tiny", onnx_hw=[SIZE_HW]))
    x = np.random.default_rng(0).normal(size=(2, 3, *SIZE_HW)).astype(np.float32)
    with Predictor(tmp_path / "coarse", "eager") as predictor:
        np.testing.assert_allclose(CardRunner(exported, 1, provider=CPU)(x), predictor.raw(x), rtol=1e-3, atol=1e-4)


def test_clones_run_at_once(exported):
    runner = CardRunner(exported, 1, provider=CPU)
    batch = frames(*SIZE_HW, batch=4)
    expected = runner(batch)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda clone, frame: clone(frame[np.newaxis])[0], [runner.clone() for _ in batch], batch)
        np.testing.assert_array_equal(np.stack(list(found)), expected)


def test_every_kernel_can_run_on_the_card(exported, tmp_path):
    """ONNX Runtime keeps the arithmetic of shapes on the CPU, and captures no CUDA graph then."""
    onnx = pytest.importorskip("onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(str(exported.onnx_file(SIZE_HW)), options, providers=[CPU])
    operators = {node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node}
    assert {"Conv", "Resize", "ArgMax"} <= operators
    assert not operators & {"Shape", "Slice", "Gather", "Reshape", "Loop", "If"}


def test_options_of_the_providers(exported, monkeypatch):
    monkeypatch.setattr(cards, "chosen", lambda: 2)
    assert card_engine.provider_options(exported, "float32", CPU, capture=False) == [CPU]
    exact = {"device_id": "2", "use_tf32": "0", "enable_cuda_graph": "1"}
    assert card_engine.provider_options(exported, "float32", CUDA, capture=True) == [(CUDA, exact), CPU]
    (_, tf32), _ = card_engine.provider_options(exported, "tf32", CUDA, capture=False)
    assert tf32 == {"device_id": "2", "use_tf32": "1", "enable_cuda_graph": "0"}
    (name, tensorrt), (fallback, _) = card_engine.provider_options(exported, "float16", TENSORRT, capture=True)
    assert (name, fallback) == (TENSORRT, CUDA)
    assert tensorrt["trt_fp16_enable"] == tensorrt["trt_engine_cache_enable"] == "True"
    assert tensorrt["trt_engine_cache_path"] == str(exported.folder / "cache")


@pytest.mark.parametrize("fails", ["when it is created", "when it runs"])
def test_a_capture_that_fails_launches_kernels_one_by_one(exported, monkeypatch, fails):
    """Stand in for a card with the CPU, and for a provider that captures nothing."""
    real, allocate = onnxruntime.InferenceSession, onnxruntime.OrtValue.ortvalue_from_shape_and_type
    tried = []

    class Session:
        def __init__(self, model, options, providers, enable_fallback):
            assert enable_fallback == 0
            self.captures = providers[0][1]["enable_cuda_graph"] == "1"
            tried.append(self.captures)
            if self.captures and fails == "when it is created":
                raise RuntimeError("This session cannot use the graph capture feature")
            self.real = real(model, options, [CPU])

        def __getattr__(self, name):
            return getattr(self.real, name)

        def get_providers(self):
            return [CUDA, CPU]

        def run_with_iobinding(self, binding):
            if self.captures:
                raise RuntimeError("operation not permitted when stream is capturing")
            self.real.run_with_iobinding(binding)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(
        onnxruntime.OrtValue,
        "ortvalue_from_shape_and_type",
        lambda shape, dtype, kind, index: allocate(shape, dtype, "cpu", 0),
    )
    frame = frames(*SIZE_HW)
    expected = CardRunner(exported, 1, provider=CUDA, capture=False)(frame).copy()
    runner = CardRunner(exported, 1, provider=CUDA)
    np.testing.assert_array_equal(runner(frame), expected)
    assert tried == [False, True, False]
    monkeypatch.setattr(Session, "get_providers", lambda self: [CPU])
    with pytest.raises(CourseError, match="could not start CUDAExecutionProvider and would run on the CPU"):
        CardRunner(exported, 1)(frame)


def test_what_is_missing(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "names", lambda: [])
    with pytest.raises(CourseError, match="onnxruntime-cuda does not run on this machine: it needs an NVIDIA GPU"):
        Predictor(exported.folder, "onnxruntime-cuda")
    monkeypatch.setattr(cards, "names", lambda: ["a card"])
    monkeypatch.setattr(card_engine, "_providers", lambda: [CPU])
    assert "it needs ONNX Runtime for GPUs: pip uninstall -y onnxruntime && pip" in card_engine.missing(CUDA)
    monkeypatch.setattr(card_engine, "_providers", lambda: [TENSORRT, CUDA, CPU])
    assert card_engine.missing(CUDA) is None
    monkeypatch.setattr(card_engine, "find_spec", lambda name: None if name == "tensorrt" else name)
    assert card_engine.missing(TENSORRT) == "TensorRT is not installed: pip install tensorrt"
    with pytest.raises(CourseError, match="a precision of float32, tf32, float16, got 'int8'"):
        CardRunner(exported, 1, precision="int8", provider=CPU)
