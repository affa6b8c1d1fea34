"""The bound of what a cell stores; test_faults.py has a notebook that prints too much."""

from __future__ import annotations

import pytest

from helpers.runner import outputs
from helpers.runner.outputs import Bound


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(outputs, "CELL_BYTES", 1000)


def stream(text: str) -> dict:
    return {"msg_type": "stream", "content": {"name": "stdout", "text": text}}


def image(size: int) -> dict:
    return {"msg_type": "display_data", "content": {"data": {"image/png": "b" * size}}}


def test_small_outputs_stay_as_they_are():
    bound = Bound()
    for message in (stream("a" * 400), image(400), stream("a" * 100)):
        assert bound.take(message) is message
    assert bound.dropped == 0


def test_text_is_cut_and_later_outputs_are_dropped_but_not_errors():
    bound = Bound()
    error = {"msg_type": "error", "content": {"ename": "ValueError", "evalue": "no", "traceback": ["no"]}}
    assert bound.take(stream("a" * 2_000_900))["content"]["text"] == "a" * 1000
    assert bound.take(image(10)) is None and bound.take(stream("b")) is None
    assert bound.take(error) is error
    found: list = []
    bound.report(found)
    bound.report(found)
    assert [each.text for each in found] == ["\n[2.0 MB of output left out: a cell may store 0 MB]\n"]


def test_image_that_does_not_fit_is_dropped():
    bound = Bound()
    assert bound.take(image(2000)) is None
    assert bound.dropped > 2000
