"""The C++ program, built against the installed package: the same labels as in Python."""

from pathlib import Path

import numpy as np
import pytest
from deployed import frames, varied_fastscnn
from PIL import Image

from helpers.cityscapes import colorize
from helpers.common.errors import CourseError
from helpers.deployment import Predictor, agreement, cpp, export


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    if cpp.missing_tools():
        pytest.skip("no C++ compiler here")
    return cpp.build(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return export(varied_fastscnn(), tmp_path_factory.mktemp("cpp") / "fastscnn", network="fastscnn")


@pytest.mark.parametrize("engine", ["paddle-onednn", "paddle-openvino-bf16"])
@pytest.mark.parametrize("size", [(128, 256), (97, 131)])
def test_labels_and_colours_are_those_of_python(program, folder, tmp_path, engine, size):
    frame = frames(*size)[0]
    Image.fromarray(frame).save(tmp_path / "frame.png")
    made = cpp.run(program, folder, tmp_path / "frame.png", engine=engine, threads=2, runs=2)
    with Predictor(folder, engine, threads=2) as predictor:
        assert agreement(made.labels, predictor(frame)) > 0.9999
    assert len(np.unique(made.labels)) > 4
    np.testing.assert_array_equal(made.colours, colorize(made.labels))
    assert len(made.runs_ms) == 2 and min(made.runs_ms) > 0


def test_bad_input_is_told_in_a_sentence(program, folder, tmp_path):
    with pytest.raises(CourseError, match="no engine 'onnx': choose one of paddle,"):
        cpp.run(program, folder, "x.png", engine="onnx")
    with pytest.raises(CourseError, match="segment failed: segment: .*missing.png"):
        cpp.run(program, folder, tmp_path / "missing.png")


def test_missing_tools_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError, match="needs cmake, g\\+\\+, make: .*apt-get install"):
        cpp.build(tmp_path)
