"""Exported folders: complete, described, checked when they are read."""

import hashlib
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml
from small_networks import frames, tiny

from helpers.cityscapes import CLASSES
from helpers.common.errors import CourseError
from helpers.datasets import normalise
from helpers.deployment import Predictor, export, exports


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return export(tiny(seed=7), tmp_path_factory.mktemp("exports") / "tiny", network="tiny")


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
    assert about["Course"]["classes"] == list(CLASSES)
    assert about["Course"]["paddle"] == paddle.__version__
    listed = about["Course"]["sha256"]
    assert listed == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed}
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {*listed, "deploy.yaml"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing temporary is left


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
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(exports, "save_graph", full_disk)
        with pytest.raises(OSError, match="disk full"):
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
