"""Settings for GPUs, on a machine without one: recorded calls, and the sizes of maps collected on the CPU."""

import ctypes

import numpy as np
import pytest
from paddle import inference
from small_networks import frames, tiny

from helpers.deployment import Predictor, cards, export, paddle_gpu
from helpers.deployment.engines import ALL_ENGINES
from helpers.deployment.exports import Export
from helpers.deployment.paddle_engine import PaddleRunner


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return Export.read(export(tiny(seed=3), tmp_path_factory.mktemp("gpu") / "tiny", network="tiny"))


class Recorded:
    """Stands in for a Config and records each call."""

    def __init__(self):
        self.calls = {}

    def __getattr__(self, name):
        return lambda *arguments, **named: self.calls.update({name: (*arguments, named) if named else arguments})


@pytest.fixture(autouse=True)
def third_card(monkeypatch):
    monkeypatch.setattr(cards, "chosen", lambda: 2)


def test_half_precision_on_the_chosen_card():
    config = Recorded()
    paddle_gpu.use_gpu(config)
    assert config.calls == {"enable_use_gpu": (256, 2, inference.PrecisionType.Half)}
    # The arguments are those of this Paddle, which refuses the call in a sentence of its own.
    paddle_gpu.use_gpu(inference.Config())


def test_tensorrt_is_built_from_collected_shapes(exported, monkeypatch):
    shape, config = (1, 3, 32, 48), Recorded()
    paddle_gpu.use_tensorrt(config, exported, "legacy", shape)
    shapes = exported.folder / "cache" / "legacy-1x3x32x48" / "shapes.pbtxt"
    assert config.calls["enable_tuned_tensorrt_dynamic_shape"] == (str(shapes), True)
    assert config.calls["set_optim_cache_dir"] == (str(shapes.parent),)
    (options,) = config.calls["enable_tensorrt_engine"]
    assert options["precision_mode"] == inference.PrecisionType.Half and options["use_static"]
    text = shapes.read_text()
    assert '"x"' in text and text.count("32") and text.count("48")

    def never(*arguments):
        raise AssertionError("collected again")

    monkeypatch.setattr(inference, "create_predictor", never)
    assert paddle_gpu.collect_shapes(exported, "legacy", shape) == shapes
    Export.read(exported.folder)  # the cache is not part of what is checked


def test_one_predictor_per_shape_with_tensorrt(exported, monkeypatch):
    """Stand in for a GPU with the CPU: the runner is the same."""
    shapes = []

    def on_the_cpu(config, exported, kind, shape):
        config.disable_onednn()
        shapes.append((kind, shape))

    monkeypatch.setattr(paddle_gpu, "use_tensorrt", on_the_cpu)
    runner = PaddleRunner(exported, 1, kind="legacy", setting="tensorrt")
    twin = runner.clone()  # has its own predictors
    with Predictor(exported.folder, "eager") as eager:
        for height, width in ((16, 24), (32, 48), (16, 24)):
            x = np.random.default_rng(0).normal(size=(1, 3, height, width)).astype(np.float32)
            np.testing.assert_allclose(runner(x), eager.raw(x), rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(twin(x), eager.raw(x), rtol=1e-4, atol=1e-4)
    assert shapes == [("legacy", (1, 3, 16, 24))] * 2 + [("legacy", (1, 3, 32, 48))] * 2


def test_labels_are_chosen_on_the_card(tmp_path, monkeypatch):
    folder = export(tiny(seed=3), tmp_path / "labels", network="tiny", graph="labels")
    monkeypatch.setattr(paddle_gpu, "use_gpu", lambda config: config.disable_onednn())
    runner = PaddleRunner(Export.read(folder), 1, kind="legacy", setting="gpu")
    frame = frames(16, 24)
    labels = runner(frame)
    assert labels.shape == (1, 16, 24) and np.issubdtype(labels.dtype, np.integer)
    with Predictor(folder, "eager") as predictor:
        assert (labels == predictor(frame)).mean() > 0.99


def test_what_tensorrt_lacks(monkeypatch):
    assert paddle_gpu.tensorrt_missing() == "this Paddle was built without TensorRT: use paddle-gpu"
    monkeypatch.setattr(inference, "get_trt_compile_version", lambda: (10, 5, 0))
    assert "TensorRT 10.5.0, which is not installed: pip install tensorrt==10.5.0" in paddle_gpu.tensorrt_missing()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: name)
    monkeypatch.setattr(inference, "get_trt_runtime_version", lambda: (8, 6, 1))
    assert "built for TensorRT 10.5.0, but 8.6.1 is installed" in paddle_gpu.tensorrt_missing()
    monkeypatch.setattr(inference, "get_trt_runtime_version", lambda: (10, 5, 2))
    assert paddle_gpu.tensorrt_missing() is None
    assert "NVIDIA GPU" in ALL_ENGINES["paddle-tensorrt"].missing
