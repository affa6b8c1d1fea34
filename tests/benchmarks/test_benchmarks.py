"""The collector of the benchmarks; what each measures is not a matter of tests."""

import json

import pytest

from helpers.benchmarks import __main__ as bench
from helpers.common.errors import CourseError


def test_numbers_are_merged_with_those_of_other_parts(tmp_path, monkeypatch):
    results = tmp_path / "bench.json"
    results.write_text('{"deploy.ms.eager": 3.0, "data.scan_fps": 1.0}')

    class Part:
        @staticmethod
        def run(folder):
            assert folder.is_dir()
            return {"data.scan_fps": 20.0}

    monkeypatch.setattr(bench.importlib, "import_module", lambda name: Part)
    assert bench.bench(["data"], results) == {"data.scan_fps": 20.0}
    assert json.loads(results.read_text()) == {"data.scan_fps": 20.0, "deploy.ms.eager": 3.0}


def test_a_part_may_be_shortened(tmp_path, monkeypatch):
    asked = []

    class Part:
        @staticmethod
        def run(folder):
            return {}

    monkeypatch.setattr(bench.importlib, "import_module", lambda name: asked.append(name) or Part)
    bench.bench(["eval"], tmp_path / "bench.json")
    assert asked == ["helpers.benchmarks.evaluation"]
    with pytest.raises(CourseError, match="''.*evaluation"):
        bench.bench([""], tmp_path / "bench.json")


def test_unknown_part_names_the_known_ones(tmp_path):
    with pytest.raises(CourseError, match="'speed'.*data"):
        bench.bench(["speed"], tmp_path / "bench.json")
