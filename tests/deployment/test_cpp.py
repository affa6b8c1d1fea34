"""The C++ program, built against the installed package, predicts the same labels as Python."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from other_classes import THREE
from PIL import Image
from small_networks import frames, tiny, varied_fastscnn
from tiny_network import TinyNet

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.deployment import Predictor, agreement, cpp, export


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    if cpp.missing_tools():
        pytest.skip("no C++ compiler")
    return cpp.build(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return export(
        varied_fastscnn(), tmp_path_factory.mktemp("cpp") / "fastscnn", network="fastscnn", classes=CITYSCAPES
    )


@pytest.mark.parametrize("engine", ["paddle-onednn", "paddle-openvino-bf16"])
@pytest.mark.parametrize("size", [(128, 256), (97, 131), (90, 120)])
def test_labels_and_colours_equal_those_of_python(program, folder, tmp_path, engine, size):
    frame = frames(*size)[0]
    Image.fromarray(frame).save(tmp_path / "frame.png")
    made = cpp.run(program, folder, tmp_path / "frame.png", engine=engine, threads=2, runs=2)
    with Predictor(folder, engine, threads=2) as predictor:
        assert agreement(made.labels, predictor(frame)) > 0.9999
    assert len(np.unique(made.labels)) > 4
    np.testing.assert_array_equal(made.colours, CITYSCAPES.colorize(made.labels))
    assert len(made.runs_ms) == 2 and min(made.runs_ms) > 0


def test_three_classes(program, tmp_path):
    exported = export(TinyNet(3), tmp_path / "three", network="tiny", classes=THREE)
    frame = frames(33, 50)[0]
    Image.fromarray(frame).save(tmp_path / "frame.png")
    made = cpp.run(program, exported, tmp_path / "frame.png", threads=2)
    with Predictor(exported, threads=2) as predictor:
        assert agreement(made.labels, predictor(frame)) > 0.999
    np.testing.assert_array_equal(made.colours, THREE.colorize(made.labels))
    unnamed = export(tiny(seed=1), tmp_path / "unnamed", network="tiny")
    with pytest.raises(CourseError, match="has no classes to draw: export the network with `classes`"):
        cpp.run(program, unnamed, tmp_path / "frame.png")


def test_wrong_input_raises_course_error(program, folder, tmp_path):
    with pytest.raises(CourseError, match="no engine 'onnx': choose one of paddle,"):
        cpp.run(program, folder, "x.png", engine="onnx")
    with pytest.raises(CourseError, match="segment failed: segment: .*missing.png"):
        cpp.run(program, folder, tmp_path / "missing.png")


def test_a_copied_build_folder_is_built_again(program, folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(program.parent, copy)
    (copy / "segment").unlink()
    built = cpp.build(copy)
    assert built == copy / "segment"
    assert str(program.parent) not in (copy / "CMakeCache.txt").read_text()
    Image.fromarray(frames(32, 48)[0]).save(tmp_path / "frame.png")
    assert cpp.run(built, folder, tmp_path / "frame.png", threads=1).labels.shape == (32, 48)


def test_an_unchanged_build_folder_keeps_its_cache(program):
    objects = list(program.parent.rglob("*.o"))
    before = [path.stat().st_mtime_ns for path in objects]
    assert objects and cpp.build(program.parent) == program
    assert [path.stat().st_mtime_ns for path in objects] == before  # nothing was compiled again


def test_missing_tools_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError, match="needs cmake, g\\+\\+, make: .*apt-get install"):
        cpp.build(tmp_path)


def test_a_graph_with_labels_is_rejected(program, tmp_path):
    labels = export(tiny(seed=1), tmp_path / "labels", network="tiny", graph="labels")
    with pytest.raises(CourseError, match="Expected an export with graph=\"coarse\" .*, got 'labels'"):
        cpp.run(program, labels, "x.png")
