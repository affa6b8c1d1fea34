import hashlib
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml
from deployed import Tiny, assert_same_labels, frames, varied_fastscnn
from paddle import inference, nn

from helpers import deployment
from helpers.cityscapes import CLASSES
from helpers.common.errors import CourseError
from helpers.datasets import normalise
from helpers.deployment import ALL_ENGINES, Latency, Predictor, agreement, eager, export, exports, measure
from helpers.deployment.paddle_engine import PaddleRunner
from helpers.models import build
from helpers.pruning import prune

EXACT = [
    name for name, engine in ALL_ENGINES.items() if engine.exact and engine.missing is None and name != "onnxruntime"
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
    # Eight bits of mantissa: an untrained network, whose classes lie close together, changes its mind here and there.
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
def test_frames_and_images_give_the_same(folder, engine):
    batch = frames(96, 160, batch=2)
    x = np.stack([normalise(frame) for frame in batch])
    with Predictor(folder, engine) as predictor:
        labels = predictor(batch)
        assert predictor.raw(x).shape == (2, 19, 12, 20)
        expected = predictor.logits(x)
        np.testing.assert_array_equal(predictor(batch), labels)  # both ways live side by side
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


def test_exporting_leaves_the_network_as_it_was(tmp_path):
    net = Tiny(seed=3)
    net.eval()
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    x = paddle.to_tensor(normalise(frames(64, 64)[0])[np.newaxis])
    outputs = [output.numpy() for output in net(x)]
    net.train()
    modes = [layer.training for layer in net.sublayers(include_self=True)]
    export(net, tmp_path / "export", network="fastscnn")
    assert [layer.training for layer in net.sublayers(include_self=True)] == modes
    assert paddle.in_dynamic_mode() and "Static" not in type(net.forward).__name__
    net.eval()
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    after = net(x)
    assert len(after) == 2  # the auxiliary output is still there
    for output, expected in zip(after, outputs, strict=True):
        np.testing.assert_array_equal(output.numpy(), expected)
    after[0].mean().backward()
    assert net.classifier.weight.grad is not None


def test_the_folder_says_what_is_in_it(folder):
    about = yaml.safe_load((folder / "deploy.yaml").read_text())
    assert about["Course"]["classes"] == list(CLASSES)
    assert about["Course"]["paddle"] == paddle.__version__
    listed = about["Course"]["sha256"]
    assert listed == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed}
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {*listed, "deploy.yaml"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing temporary is left


def test_paddlesegs_deploy_tools_read_it(logits_folder):
    from paddleseg.deploy.infer import DeployConfig

    config = DeployConfig(str(logits_folder / "deploy.yaml"))
    assert Path(config.model).is_file() and Path(config.params).is_file()
    frame = frames(8, 9)[0]
    bgr = np.ascontiguousarray(frame[..., ::-1])  # PaddleSeg starts from OpenCV's order
    np.testing.assert_allclose(config.transforms({"img": bgr})["img"], normalise(frame), atol=1e-6)


def test_exporting_again_replaces_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "export"
    export(Tiny(seed=1), target, network="first")
    before = (target / "model.pdiparams").read_bytes()

    def full_disk(*args):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(exports, "_save", full_disk)
        with pytest.raises(OSError, match="disk full"):
            export(Tiny(seed=2), target, network="second")
    assert (target / "model.pdiparams").read_bytes() == before
    export(Tiny(seed=2), target, network="second")
    assert exports.Export.read(target).network == "second"
    assert (target / "model.pdiparams").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


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
    predictor = inference.create_predictor(config)
    paddle.set_flags(before)
    handle = predictor.get_input_handle(predictor.get_input_names()[0])
    handle.copy_from_cpu(frames(128, 256))
    with pytest.raises(ValueError, match="onednn"):  # no error: _onednn_kernels in engines.py can go
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
    assert error["pir"] > 0.1  # small: the engine "paddle-onednn" can use the new format


def test_latency_by_hand():
    latency = Latency((10.0, 30.0, 20.0, 40.0, 100.0))
    assert latency.median_ms == 30
    assert latency.spread_ms == (20, 40)


def test_measuring_takes_turns():
    order = []
    frame = frames(2, 2)[0]
    calls = {"a": lambda x: order.append(("a", x is frame)), "b": lambda x: order.append(("b", x is frame))}
    latencies = measure(calls, frame, warmup=1, repeats=2, pause_s=0)
    assert order == [("a", True), ("b", True)] * 3
    assert [len(latency.runs_ms) for latency in latencies.values()] == [2, 2]
    with pytest.raises(CourseError, match="at least one run, not 0"):
        measure(calls, frame, warmup=1, repeats=0)


def test_agreement_by_hand():
    labels = np.array([[1, 2], [3, 4]])
    assert agreement(labels, labels) == 1
    assert agreement(labels, np.array([[1, 2], [4, 3]])) == 0.5
    with pytest.raises(CourseError, match="same shape"):
        agreement(labels, labels[:1])


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
def test_frames_that_are_none(folder, frame):
    with Predictor(folder) as predictor, pytest.raises(CourseError, match=r"Expected 8-bit RGB frames .* got"):
        predictor(frame)


def test_a_closed_predictor(folder):
    predictor = Predictor(folder)
    predictor.close()
    predictor.close()
    with pytest.raises(CourseError, match="is closed"):
        predictor(frames(8, 8)[0])


def test_what_does_not_exist(net, folder, tmp_path):
    with pytest.raises(CourseError, match="no engine 'tensorrt': choose auto or one of eager, paddle,"):
        Predictor(folder, "tensorrt")
    with pytest.raises(CourseError, match="at least one thread, not 0"):
        Predictor(folder, threads=0)
    with pytest.raises(CourseError, match="no graph 'onnx': choose coarse or labels or logits"):
        export(net, tmp_path / "x", network="fastscnn", graph="onnx")
    with pytest.raises(CourseError, match="no exported network in"):
        Predictor(tmp_path)


def copied(folder: Path, target: Path) -> Path:
    for path in folder.rglob("*"):
        if path.is_file():
            (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(folder)).write_bytes(path.read_bytes())
    return target


def test_an_export_that_is_not_whole(folder, tmp_path):
    half = copied(folder, tmp_path)
    (half / "model.pdiparams").unlink()
    with pytest.raises(CourseError, match=r"model.pdiparams is missing: .* export the network again"):
        Predictor(half)


def test_an_export_that_was_changed(folder, tmp_path):
    changed = copied(folder, tmp_path)
    values = bytearray((changed / "model.pdiparams").read_bytes())
    values[-1] ^= 1
    (changed / "model.pdiparams").write_bytes(values)
    with pytest.raises(CourseError, match="model.pdiparams has changed since the export"):
        Predictor(changed)


def test_an_export_without_a_program_for_frames(folder, tmp_path):
    older = copied(folder, tmp_path)
    about = yaml.safe_load((older / "deploy.yaml").read_text())
    about["Course"]["sha256"] = {k: v for k, v in about["Course"]["sha256"].items() if not k.startswith("frames/")}
    (older / "deploy.yaml").write_text(yaml.safe_dump(about))
    with pytest.raises(CourseError, match="export the network again"):
        Predictor(older)


def test_an_export_of_another_paddle_or_none(folder, tmp_path):
    other = copied(folder, tmp_path)
    description = (other / "deploy.yaml").read_text()
    (other / "deploy.yaml").write_text(description.replace(f"paddle: {paddle.__version__}", "paddle: 2.6.2"))
    with pytest.raises(CourseError, match=r"exported by Paddle 2\.6\.2, this is"):
        Predictor(other)
    for text in ("Deploy: {}", "- a", "Course: [", "Course: {network: x}"):
        (other / "deploy.yaml").write_text(text)
        with pytest.raises(CourseError, match="was not written by this course"):
            Predictor(other)
