"""Exported folders: complete, described, checked when they are read."""

import errno
import fcntl
import hashlib
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from other_classes import THREE
from small_networks import frames, tiny
from tiny_network import TinyNet

from helpers.common.errors import CourseError
from helpers.datasets import normalise
from helpers.deployment import Predictor, export, exports


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return export(TinyNet(3), tmp_path_factory.mktemp("exports") / "tiny", network="tiny", classes=THREE)


def test_exporting_leaves_the_network_as_it_was(tmp_path):
    net = tiny(seed=3)
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
    assert len(after) == 2  # with the auxiliary output
    for output, expected in zip(after, outputs, strict=True):
        np.testing.assert_array_equal(output.numpy(), expected)
    after[0].mean().backward()
    assert net.head.weight.grad is not None


def test_the_description_lists_every_file(folder):
    about = yaml.safe_load((folder / "deploy.yaml").read_text())
    assert about["Course"]["classes"] == list(THREE.names)
    assert about["Course"]["colours"] == [list(colour) for colour in THREE.colours]
    assert about["Course"]["ignore"] == 255
    assert about["Course"]["paddle"] == paddle.__version__
    listed = about["Course"]["sha256"]
    assert listed == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed}
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {*listed, "deploy.yaml"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing temporary is left


def test_the_classes_are_read_again(folder, tmp_path):
    exported = exports.Export.read(folder)
    assert exported.classes == THREE and exported.num_classes == 3 and exported.stride == 1
    table = (folder / "classes.txt").read_text(encoding="utf-8").splitlines()
    assert table[:3] == ["stride 1", "mean 0.5 0.5 0.5", "std 0.5 0.5 0.5"]
    assert table[3:] == ["110 80 50 soil", "60 160 60 leaf spot", "230 60 40 Öl"]
    with Predictor(folder) as predictor:
        assert predictor.classes == THREE and predictor(frames(9, 7)[0]).max() < 3
    unnamed = export(tiny(seed=1), tmp_path / "unnamed", network="tiny")
    assert exports.Export.read(unnamed).classes is None and exports.Export.read(unnamed).num_classes == 19


def test_classes_of_another_network(tmp_path):
    with pytest.raises(CourseError, match="a network for the 3 classes, got one for 19: pass the classes that it was"):
        export(tiny(seed=1), tmp_path / "x", network="tiny", classes=THREE)
    assert not list(tmp_path.iterdir())


def test_two_exports_to_one_folder(folder, tmp_path):
    (tmp_path / ".x.writing").mkdir()
    with (tmp_path / ".x.writing" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CourseError, match="Another run writes to .*/x: wait for it or choose another path"):
            export(tiny(seed=1), tmp_path / "x", network="tiny")
    (tmp_path / ".x.writing" / "new").mkdir()  # left by a killed export
    export(tiny(seed=1), tmp_path / "x", network="tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_exporting_keeps_the_device(tmp_path, monkeypatch):
    """Stand in for a machine with a GPU, which Paddle chooses when it switches its mode."""
    device, seen = ["cpu"], []
    switch, trace = paddle.disable_static, exports.save_graph
    monkeypatch.setattr(paddle, "get_device", lambda: device[0])
    monkeypatch.setattr(paddle, "set_device", lambda name: device.__setitem__(0, name))
    monkeypatch.setattr(paddle, "disable_static", lambda *args: (switch(*args), device.__setitem__(0, "gpu:0"))[0])
    monkeypatch.setattr(exports, "save_graph", lambda *args: seen.append(device[0]) or trace(*args))
    export(tiny(seed=1), tmp_path / "x", network="tiny")
    assert seen == ["cpu"] * 3 and device == ["cpu"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["coarse", "tiny"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_description_is_read_or_refused_in_a_sentence(folder, tmp_path, data):
    about = yaml.safe_load((folder / "deploy.yaml").read_text())
    keys = data.draw(st.lists(st.sampled_from([*about["Course"], "Course"]), min_size=1, max_size=2))
    for key in keys:
        owner = about if key == "Course" else about.get("Course")
        if isinstance(owner, dict):
            owner[key] = data.draw(values)
    text = yaml.safe_dump(about)
    if data.draw(st.booleans()):
        start = data.draw(st.integers(0, len(text) - 1))
        text = text[:start] + data.draw(st.text(max_size=4)) + text[start + data.draw(st.integers(0, 40)) :]
    target = copied(folder, tmp_path)
    (target / "deploy.yaml").write_text(text, encoding="utf-8")
    try:
        found = exports.Export.read(target)
    except CourseError as error:
        assert str(target) in str(error) and "\n" not in str(error)
    else:
        assert found.graph == "coarse" and found.num_classes == 3 and found.input_hw((5, 7))[0] >= 5


@pytest.mark.parametrize(
    "text", ["[" * 3000, "Course: &a [*a]", "\x00", "Course: {stride: 2001-99-99}", "? [a]\n: {b: 1}"]
)
def test_descriptions_that_break_parsers(folder, tmp_path, text):
    (copied(folder, tmp_path) / "deploy.yaml").write_text(text)
    with pytest.raises(CourseError, match="was not written by this course"):
        exports.Export.read(tmp_path)
    (tmp_path / "deploy.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(CourseError, match="was not written by this course"):
        exports.Export.read(tmp_path)


def test_paddlesegs_deploy_tools_read_it(tmp_path):
    from paddleseg.deploy.infer import DeployConfig

    folder = export(tiny(seed=1), tmp_path / "export", network="tiny", graph="logits")
    config = DeployConfig(str(folder / "deploy.yaml"))
    assert Path(config.model).is_file() and Path(config.params).is_file()
    frame = frames(8, 9)[0]
    bgr = np.ascontiguousarray(frame[..., ::-1])  # PaddleSeg expects OpenCV's order
    np.testing.assert_allclose(config.transforms({"img": bgr})["img"], normalise(frame), atol=1e-6)


def test_exporting_again_replaces_the_folder_atomically(tmp_path, monkeypatch):
    target = tmp_path / "export"
    export(tiny(seed=1), target, network="first")
    before = (target / "model.pdiparams").read_bytes()

    def full_disk(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(exports, "save_graph", full_disk)
        with pytest.raises(CourseError, match="The disk of .*/export is full: free some space"):
            export(tiny(seed=2), target, network="second")
    assert (target / "model.pdiparams").read_bytes() == before
    export(tiny(seed=2), target, network="second")
    assert exports.Export.read(target).network == "second"
    assert (target / "model.pdiparams").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def copied(folder: Path, target: Path) -> Path:
    for path in folder.rglob("*"):
        if path.is_file():
            (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(folder)).write_bytes(path.read_bytes())
    return target


def test_an_incomplete_export(folder, tmp_path):
    half = copied(folder, tmp_path)
    (half / "model.pdiparams").unlink()
    with pytest.raises(CourseError, match="model.pdiparams is missing: the export is incomplete"):
        Predictor(half)


def test_a_changed_export(folder, tmp_path):
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


def test_an_export_of_another_version_and_other_files(folder, tmp_path):
    other = copied(folder, tmp_path)
    description = (other / "deploy.yaml").read_text()
    (other / "deploy.yaml").write_text(description.replace(f"paddle: {paddle.__version__}", "paddle: 2.6.2"))
    with pytest.raises(CourseError, match=r"exported by Paddle 2\.6\.2, this is"):
        Predictor(other)
    for text in ("Deploy: {}", "- a", "Course: [", "Course: {network: x}"):
        (other / "deploy.yaml").write_text(text)
        with pytest.raises(CourseError, match="was not written by this course"):
            Predictor(other)
