"""Every engine predicts the labels of the live network, for any network, size and batch."""

from pathlib import Path

import numpy as np
import paddle
import pytest
from other_classes import THREE
from paddle import inference, nn
from small_networks import assert_same_labels, frames, varied_fastscnn

from helpers import deployment
from helpers.common.errors import CourseError
from helpers.datasets import normalise
from helpers.deployment import ALL_ENGINES, Predictor, agreement, eager, export, exports
from helpers.deployment.paddle_engine import PaddleRunner
from helpers.models import build
from helpers.pruning import prune

EXACT = [
    name for name, engine in ALL_ENGINES.items() if engine.exact and engine.missing is None and not engine.reads_onnx
]


@pytest.fixture(scope="module")
def net() -> nn.Layer:
    return varied_fastscnn()


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory) -> Path:
    return export(net, tmp_path_factory.mktemp("labels") / "fastscnn", network="fastscnn")


@pytest.fixture(scope="module")
def logits_folder(net, tmp_path_factory) -> Path:
    return export(net, tmp_path_factory.mktemp("logits") / "fastscnn", network="fastscnn", graph="logits")


@pytest.mark.parametrize("engine", EXACT)
def test_engine_agrees_with_the_network(net, folder, engine):
    with Predictor(folder, engine) as predictor:
        for size in ((128, 256), (32, 33), (97, 131)):  # one predictor, several sizes
            frame = frames(*size)[0]
            labels = predictor(frame)
            assert labels.shape == size and labels.dtype == np.uint8
            assert_same_labels(labels, net, frame)
        batch = frames(64, 96, batch=2)
        both = predictor(batch)
        assert both.shape == (2, 64, 96)
        for frame, labels in zip(batch, both, strict=True):
            assert_same_labels(labels, net, frame)


@pytest.mark.parametrize("graph", ["coarse", "logits", "labels"])
def test_sizes_that_the_stride_does_not_divide(graph, tmp_path):
    """Frames are padded by the predictor or in the graph, and labels are those of the padded frame, cropped."""
    network = build("fastscnn", 3, seed=5)
    network.eval()
    exported = export(network, tmp_path / "x", network="fastscnn", classes=THREE, graph=graph)
    for engine in EXACT:
        with Predictor(exported, engine) as predictor:
            for size in ((90, 120), (64, 96), (31, 33)):
                frame = frames(*size)[0]
                assert_same_labels(predictor(frame), network, frame)
                if graph != "labels":
                    x = normalise(frame)[np.newaxis]
                    with paddle.no_grad():
                        expected = network(paddle.to_tensor(x))[0].numpy()
                    assert np.abs(predictor.logits(x) - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["uhrnet_w18_small", "hrnet_w18_small_v1_ocr", "deeplabv3p", "icnet", "bisenetv2"])
def test_other_networks_deploy(name, tmp_path):
    network = build(name, seed=5)
    network.eval()
    exported = export(network, tmp_path / name, network=name)
    frame = frames(64, 97)[0]
    for engine in EXACT:
        with Predictor(exported, engine) as predictor:
            assert_same_labels(predictor(frame), network, frame)


def test_bfloat16_agrees_roughly(net, folder):
    # Eight bits of mantissa: some labels of an untrained network flip, because its classes lie close together.
    with Predictor(folder, "paddle-openvino-bf16") as predictor:
        frame = frames(128, 256)[0]
        assert 0.9 < agreement(predictor(frame), eager(net)(frame))


@pytest.mark.parametrize("engine", EXACT)
def test_logits_agree_with_the_network(net, logits_folder, engine):
    frame = frames(96, 160)[0]
    x = normalise(frame)[np.newaxis]
    with Predictor(logits_folder, engine) as predictor:
        logits = predictor.logits(x)
        labels = predictor(frame)
    with paddle.no_grad():
        expected = net(paddle.to_tensor(x))[0].numpy()
    assert logits.shape == (1, 19, 96, 160)
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()
    assert_same_labels(labels, net, frame)


@pytest.mark.parametrize("engine", EXACT)
def test_frames_and_images_predict_the_same(folder, engine):
    batch = frames(96, 160, batch=2)
    x = np.stack([normalise(frame) for frame in batch])
    with Predictor(folder, engine) as predictor:
        labels = predictor(batch)
        assert predictor.raw(x).shape == (2, 19, 12, 20)
        expected = predictor.logits(x)
        np.testing.assert_array_equal(predictor(batch), labels)  # both programs stay loaded
        read_only = batch.copy()
        read_only.flags.writeable = False
        np.testing.assert_array_equal(predictor(read_only), labels)
        np.testing.assert_array_equal(predictor(batch[:, :, ::-1])[0], predictor(batch[:, :, ::-1].copy())[0])
        with predictor.clone() as twin:
            np.testing.assert_array_equal(twin(batch), labels)
    chosen = np.take_along_axis(expected, labels[:, np.newaxis].astype(int), axis=1)[:, 0]
    assert (expected.max(axis=1) - chosen).max() < 1e-4 * expected.std()


@pytest.mark.parametrize("engine", EXACT)
def test_a_frame_is_never_written_to(folder, engine):
    first, second = frames(96, 160)[0], 255 - frames(96, 160)[0]
    before = first.copy()
    second.flags.writeable = False
    with Predictor(folder, engine) as predictor:
        labels = predictor(first)
        predictor(second)
        np.testing.assert_array_equal(first, before)
        np.testing.assert_array_equal(predictor(first), labels)


def test_pruned_network_deploys(net, tmp_path):
    pruned, _ = prune(net, 0.51, (128, 256))
    pruned.eval()
    exported = export(pruned, tmp_path / "pruned", network="fastscnn")
    frame = frames(96, 128)[0]
    with Predictor(exported) as predictor:
        assert_same_labels(predictor(frame), pruned, frame)
        assert agreement(predictor(frame), eager(net)(frame)) < 0.9
        assert predictor.export.megabytes < 4


def test_openvino_leaves_nothing_in_the_working_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Predictor(folder, "paddle-openvino") as predictor:
        predictor(frames(64, 64)[0])
    assert not list(tmp_path.iterdir())


def test_disabling_onednn_still_needs_the_flag(folder):
    config = inference.Config(str(folder / "model.json"), str(folder / "model.pdiparams"))
    config.disable_glog_info()
    config.disable_onednn()
    before = paddle.get_flags("FLAGS_use_mkldnn")
    paddle.set_flags({"FLAGS_use_mkldnn": True})  # as helpers.common.runtime does before Paddle is imported
    try:
        predictor = inference.create_predictor(config)
    finally:
        paddle.set_flags(before)
    handle = predictor.get_input_handle(predictor.get_input_names()[0])
    handle.copy_from_cpu(frames(128, 256))
    with pytest.raises(ValueError, match="onednn"):  # no error: remove _onednn_kernels from paddle_engine.py
        predictor.run()


class AlignedResize(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 1)

    def forward(self, x):
        return [nn.functional.interpolate(self.conv(x), [9, 17], mode="bilinear", align_corners=True)]


def test_onednn_still_resizes_wrongly_in_the_new_format(tmp_path):
    net = AlignedResize()
    exported = exports.Export.read(export(net, tmp_path / "resize", network="resize", graph="logits"))
    x = np.random.default_rng(0).normal(size=(1, 3, 5, 6)).astype(np.float32)
    expected = net(paddle.to_tensor(x))[0].numpy()
    error = {
        kind: np.abs(PaddleRunner(exported, 1, kind=kind, setting="onednn")(x) - expected).max()
        for kind in ("legacy", "pir")
    }
    assert error["legacy"] < 1e-5
    assert error["pir"] > 0.1  # small: "paddle-onednn" can use the new format


def test_paddle_inference_is_right_with_its_defaults(tmp_path):
    from paddleseg.deploy.infer import DeployConfig

    net = AlignedResize()
    about = DeployConfig(str(export(net, tmp_path / "resize", network="resize", graph="logits") / "deploy.yaml"))
    config = inference.Config(about.model, about.params)
    config.disable_glog_info()
    assert config.onednn_enabled()
    x = paddle.to_tensor(np.random.default_rng(0).normal(size=(1, 3, 5, 6)).astype(np.float32))
    found = inference.create_predictor(config).run([x])[0].numpy()
    np.testing.assert_allclose(found, net(x)[0].numpy(), atol=1e-5)


def test_all_public_names_exist():
    for name in deployment.__all__:
        assert hasattr(deployment, name)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_arrays_that_are_not_frames(folder, frame):
    with Predictor(folder) as predictor, pytest.raises(CourseError, match=r"Expected 8-bit RGB frames .* got"):
        predictor(frame)


def test_a_closed_predictor(folder):
    predictor = Predictor(folder)
    predictor.close()
    predictor.close()
    with pytest.raises(CourseError, match="is closed"):
        predictor(frames(8, 8)[0])


def test_unknown_names(net, folder, tmp_path):
    with pytest.raises(CourseError, match="no engine 'tensorrt': choose auto or one of eager, paddle,"):
        Predictor(folder, "tensorrt")
    with pytest.raises(CourseError, match="at least one thread, got 0"):
        Predictor(folder, threads=0)
    with pytest.raises(CourseError, match="no graph 'onnx': choose coarse, labels, logits"):
        export(net, tmp_path / "x", network="fastscnn", graph="onnx")
    with pytest.raises(CourseError, match="holds no exported network"):
        Predictor(tmp_path)
