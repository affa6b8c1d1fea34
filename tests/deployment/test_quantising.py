"""int8: close to float32, exact where nothing is quantised, read by both engines, and never chosen by accident."""

from importlib.util import find_spec

import numpy as np
import pytest
from paddle import nn

from helpers.common.errors import CourseError
from helpers.deployment import ALL_ENGINES, Predictor, agreement, export, quantise
from helpers.deployment.choice import choose
from helpers.deployment.exports import Export
from helpers.deployment.quantising import Layer, Quantiser, changed_labels, layer_names, network_inputs, parts

if not all(map(find_spec, ("onnx", "onnxruntime", "ml_dtypes", "paddle2onnx"))):
    pytest.skip("quantising needs the engines' packages", allow_module_level=True)

HW = (32, 64)


class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2D(3, 8, 3, padding=1), nn.BatchNorm2D(8), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2D((8, 16))
        self.head = nn.Conv2D(8, 4, 1)

    def forward(self, x):
        return [self.head(self.pool(self.body(x)))]


@pytest.fixture(scope="module")
def frames():
    return list(np.random.default_rng(0).integers(0, 256, (4, *HW, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def net():
    layer = Net()
    layer.eval()
    return layer


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory):
    return export(net, tmp_path_factory.mktemp("int8") / "net", network="net")


@pytest.fixture(scope="module")
def quantiser(net, folder, frames):
    return quantise(net, folder, frames, show=False)


@pytest.fixture(scope="module")
def exported(folder, quantiser):
    return Export.read(folder)


def run(path, frames):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": x})[0] for x in network_inputs(frames, HW)])


def test_range_of_the_input_decides_the_step(exported, quantiser, frames, tmp_path):
    exact = run(exported.onnx_file(HW), frames)
    error = np.abs(run(quantiser.write(tmp_path / "q.onnx"), frames) - exact).max()
    assert 0 < error < 0.05 * np.abs(exact).max()


def test_nothing_changes_where_nothing_is_quantised(exported, quantiser, frames, tmp_path):
    nodes = [layer.node for layer in quantiser.layers]
    kept = run(quantiser.write(tmp_path / "kept.onnx", keep=nodes), frames)
    np.testing.assert_allclose(kept, run(exported.onnx_file(HW), frames), atol=1e-5)


def test_changed_labels_are_those_of_the_engine(exported, quantiser, frames):
    with Predictor(exported.folder, "onnxruntime-int8") as predictor:
        found = [predictor(frame) for frame in frames]
    assert changed_labels(quantiser, exported, frames, found) == 0
    found[0] = (found[0] + 1) % 4
    assert changed_labels(quantiser, exported, frames, found) == 1 / len(frames)


def test_layers_belong_to_the_parts_of_the_network(net, quantiser):
    found = parts(net, quantiser.layers, ["body", "head"])
    assert {name: len(nodes) for name, nodes in found.items()} == {"body": 1, "head": 3}  # pooling: two products
    with pytest.raises(CourseError, match="is in none of body"):
        parts(net, quantiser.layers, ["body"])


def test_a_layer_has_its_own_weight(net, quantiser):
    assert quantiser.layers[0] == Layer(quantiser.layers[0].node, net.body[0].weight.name)
    assert list(layer_names(net, quantiser.layers).values()) == ["body.0", "head", "head", "head"]


@pytest.mark.parametrize("engine", ["onnxruntime-int8", "openvino-int8"])
def test_engines_run_the_file(exported, frames, engine):
    if ALL_ENGINES[engine].missing:
        pytest.skip(ALL_ENGINES[engine].missing)
    with Predictor(exported.folder, "eager") as exact, Predictor(exported.folder, engine) as rounded:
        assert agreement(rounded(frames[0]), exact(frames[0])) > 0.9
        np.testing.assert_array_equal(rounded.clone()(frames[0]), rounded(frames[0]))


def test_auto_takes_int8_only_if_its_labels_agree(exported, frames, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr("helpers.deployment.choice.available", lambda: ["eager", "onnxruntime-int8"])
    speed = {"eager": 9.0, "onnxruntime-int8": 1.0}
    monkeypatch.setattr(
        "helpers.deployment.choice.measure",
        lambda calls, *_, **__: {name: type("Latency", (), {"median_ms": speed[name]}) for name in calls},
    )
    right = np.zeros(HW, np.uint8)
    wrong = right.copy()
    wrong[0] = 1  # a line of 32: 3 % of the pixels
    labels = {"eager": lambda _: right, "onnxruntime-int8": lambda _: wrong}
    assert choose(exported, frames[0], labels.get, 1).engine == "eager"
    assert choose(exported, frames[0], labels.get, 1, min_agreement=0.9).engine == "onnxruntime-int8"


def test_errors_say_what_to_do(net, frames, tmp_path, exported, quantiser):
    with pytest.raises(CourseError, match="at least one frame to calibrate"):
        Quantiser(exported.onnx_file(HW), [])
    with pytest.raises(CourseError, match="nodes of the network"):
        quantiser.write(tmp_path / "q.onnx", keep=["nothing"])
    with pytest.raises(CourseError, match="frames of one size"):
        quantise(net, exported.folder, [*frames, frames[0][:16]])
    with pytest.raises(CourseError, match="has int8 files for 32 x 64, not for 64 x 64"):
        exported.onnx_file((64, 64), int8=True)
