"""The check of the installation."""

from __future__ import annotations

import pytest

from helpers.common.errors import CourseError
from helpers.start import installation, verify


def test_everything_works_in_this_environment():
    found = verify("cpu")
    assert found.problems == ()
    assert "**Everything works.**" in found._repr_markdown_() and "| device | cpu |" in found._repr_markdown_()
    rows = dict(found.rows)
    assert rows["paddleseg"] == "2.8.0" and "pixels correct" in rows["prediction of Fast-SCNN"]


@pytest.fixture
def without_prediction(monkeypatch):
    monkeypatch.setattr(installation, "_prediction", lambda: iter(()))


def test_another_version_is_named(without_prediction, monkeypatch):
    monkeypatch.setattr(installation.metadata, "version", lambda name: "2.9" if name == "numpy" else "3.2.2")
    problems = verify("cpu").problems
    assert "Expected numpy 1.26.4, found 2.9: run `make setup`." in problems
    assert not any("paddlepaddle" in each for each in problems)


def test_builds_for_gpus_count_as_paddle(without_prediction, monkeypatch):
    def version(name):
        if name == "paddlepaddle":
            raise installation.metadata.PackageNotFoundError(name)
        return "3.2.2.post126" if name == "paddlepaddle-gpu" else "1"

    monkeypatch.setattr(installation.metadata, "version", version)
    assert ("paddlepaddle", "3.2.2.post126") in verify("cpu").rows
    assert not any("paddlepaddle" in each for each in verify("cpu").problems)


def test_a_device_that_does_not_exist_is_a_sentence(without_prediction):
    assert any("choose one of auto, cpu" in each for each in verify("gpu:99").problems)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CourseError("fastscnn.safetensors is damaged: fetch it again."), "fastscnn.safetensors is damaged"),
        (ModuleNotFoundError("No module named 'paddleseg'", name="paddleseg"), "paddleseg cannot be imported: run"),
        (MemoryError("no room"), "MemoryError: no room. Run `make setup`"),
    ],
)
def test_failures_are_sentences(monkeypatch, error, sentence):
    def fails():
        raise error

    monkeypatch.setattr(installation, "_prediction", fails)
    found = verify("cpu")
    assert len(found.problems) == 1 and found.problems[0].startswith(sentence)
    assert found._repr_markdown_().startswith(f"**Not ready.** {sentence}")


def test_a_wrong_prediction_is_reported(monkeypatch):
    monkeypatch.setattr(installation, "EXPECTED", 0.5)
    assert any("expected 50.0%" in each for each in verify("cpu").problems)
