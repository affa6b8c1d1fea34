"""The engine "auto", clones, and engines that do not run on this machine."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from small_networks import frames, tiny

from helpers.common.errors import CourseError
from helpers.deployment import ALL_ENGINES, Latency, Predictor, choice, export
from helpers.deployment.engines import available


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return export(tiny(seed=3), tmp_path_factory.mktemp("choice") / "tiny", network="tiny")


def latency(milliseconds: float) -> Latency:
    return Latency((milliseconds,))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


def test_auto_chooses_the_fastest_engine_that_agrees_and_saves_the_choice(folder, monkeypatch):
    frame = frames(32, 48)[0]
    speed = dict.fromkeys(available(), 5.0) | {"paddle": 2.0, "paddle-openvino-bf16": 1.0, "eager": 9.0}

    def agree(labels, reference):
        return fractions.pop(0) if fractions else 1.0

    names = [name for name in available() if not ALL_ENGINES[name].reads_onnx]
    fractions = [0.99 if name == "paddle-openvino-bf16" else 1.0 for name in names]
    monkeypatch.setattr(choice, "agreement", agree)
    real = choice.measure

    def measured(calls, *args, **kwargs):
        (name,) = calls
        assert real(calls, *args, **kwargs)[name].median_ms > 0
        return {name: latency(speed[name])}

    monkeypatch.setattr(choice, "measure", measured)
    predictor = Predictor(folder, "auto")
    labels = predictor(frame)
    assert predictor.engine == predictor.choice.engine == "paddle"  # bf16 is faster but differs too much
    assert set(predictor.choice.latency_ms) == set(names)
    np.testing.assert_array_equal(labels, Predictor(folder, "eager")(frame))

    def never(*args, **kwargs):
        raise AssertionError("measured again")

    monkeypatch.setattr(choice, "measure", never)
    again = Predictor(folder, "auto")
    again(frame)
    assert again.engine == "paddle"
    with pytest.raises(AssertionError, match="measured again"):  # another size needs another choice
        Predictor(folder, "auto")(frames(48, 32)[0])


def test_an_invalid_cache_is_replaced(folder, cache):
    choice.cache_file().parent.mkdir(exist_ok=True)
    for text in ("[]", "{", '{"x": 1}', '{"x": {"engine": "gone", "latency_ms": {}, "agreement": {}}}'):
        choice.cache_file().write_text(text)
        assert choice._known() == {}
    predictor = Predictor(folder, "auto", threads=1)
    predictor(frames(16, 16)[0])
    assert json.loads(choice.cache_file().read_text())
    assert predictor.choice.agreement[predictor.engine] >= choice.MIN_AGREEMENT


def test_a_cache_that_cannot_be_written_is_a_warning(folder, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", "/proc/nothing")
    with pytest.warns(UserWarning, match="was not saved, so the next start measures again: .*/proc/nothing"):
        labels = Predictor(folder, "auto", threads=1)(frames(16, 16)[0])
    assert labels.shape == (16, 16)


def test_clones_run_in_several_threads_at_once(folder):
    batch = frames(64, 96, batch=4)
    for engine in ("paddle", "paddle-onednn", "paddle-openvino"):
        with Predictor(folder, engine, threads=1) as predictor:
            expected = [predictor(frame) for frame in batch]
            clones = [predictor, *(predictor.clone() for _ in range(3))]
            with ThreadPoolExecutor(4) as pool:
                for _ in range(3):
                    found = pool.map(lambda clone, frame: clone(frame), clones, batch)
                    for labels, wanted in zip(found, expected, strict=True):
                        assert (labels == wanted).mean() > 0.9999
        assert clones[1](batch[0]).shape == (64, 96)  # closing one leaves its clones open
        with pytest.raises(CourseError, match="is closed"):
            predictor.clone()


def test_engines_that_do_not_run_on_this_machine(folder, monkeypatch):
    with pytest.raises(CourseError, match="paddle-gpu does not run on this machine: it needs an NVIDIA GPU"):
        Predictor(folder, "paddle-gpu")
    monkeypatch.setattr("helpers.deployment.engines.find_spec", lambda name: None)
    assert "openvino" not in available()
    with pytest.raises(CourseError, match="openvino does not run on this machine: .*pip install openvino"):
        Predictor(folder, "openvino")
    assert all(engine.title for engine in ALL_ENGINES.values())


def test_an_image_that_is_too_large(folder):
    huge = np.broadcast_to(np.uint8(0), (10_000, 20_000, 3))
    with Predictor(folder) as predictor, pytest.raises(CourseError, match="at most 64 megapixels at once, got 200"):
        predictor(huge)


def test_an_agreement_above_one(folder):
    with pytest.raises(CourseError, match="Expected min_agreement from 0 to 1, got 2"):
        Predictor(folder, "auto", min_agreement=2)(frames(16, 16)[0])
