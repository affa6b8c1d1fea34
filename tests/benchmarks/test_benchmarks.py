"""The benchmarks: every part runs at a tiny size, and its numbers have the documented names."""

from __future__ import annotations

import importlib
import json
import math
import re
from pathlib import Path

import pytest
from small_networks import tiny

from helpers.benchmarks import deployment
from helpers.benchmarks.__main__ import PARTS, bench, full_name, main
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT

pytestmark = pytest.mark.timeout(900)  # all parts run in one fixture
PREFIXES = {
    "data": "data",
    "deploy": "deployment",
    "eval": "evaluation",
    "prune": "pruning",
    "train": "training",
    "widgets": "widgets",
}
MAY_BE_LEFT_OUT = {
    "deploy.vs_direct",  # without OpenVINO and ONNX Runtime
    "deploy.vs_direct.fp32",
    "deploy.gpu.ms.<engine>",  # without a GPU
    "deploy.gpu.pruned.<engine>",
    "deploy.gpu.agreement.<engine>",
}


def documented(text: str) -> set[str]:
    """Names of numbers in a text, such as `train.speedup.<network>`."""
    return set(re.findall(rf"`((?:{'|'.join(PREFIXES)})\.(?!yaml`)[\w.<>]+)`", text))


def docstring(part: str) -> str:
    return importlib.import_module(f"helpers.benchmarks.{part}").__doc__


def fits(pattern: str, name: str) -> bool:
    """Whether `name` is the documented name `pattern`, where <...> stands for one part of a name."""
    return re.fullmatch(re.sub(r"<\w+>", r"\\w+", pattern.replace(".", r"\.")), name) is not None


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The file of results after `make bench` without ONLY, at the tiny size; it held two numbers before."""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    path.write_text('{"of.another.part": 3.0, "data.scan_fps": -1.0}')
    assert main(["--tiny", "--to", str(path)]) == 0
    return path


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_part_writes_the_documented_numbers(prefix, results):
    numbers = {name: value for name, value in json.loads(results.read_text()).items() if name.startswith(f"{prefix}.")}
    patterns = documented(docstring(PREFIXES[prefix]))
    assert [name for name in numbers if not any(fits(pattern, name) for pattern in patterns)] == []
    missing = [pattern for pattern in patterns if not any(fits(pattern, name) for name in numbers)]
    assert {pattern.removesuffix(".spread") for pattern in missing} <= MAY_BE_LEFT_OUT
    assert all(math.isfinite(value) for value in numbers.values())


def test_numbers_are_merged_with_the_numbers_of_other_parts(results):
    merged = json.loads(results.read_text())
    assert merged["of.another.part"] == 3.0
    assert merged["data.scan_fps"] > 0
    assert list(merged) == sorted(merged)
    assert {name.split(".")[0] for name in merged} == {*PREFIXES, "of"}


def test_parts_are_the_modules_that_have_run():
    modules = [path.stem for path in (PROJECT / "helpers" / "benchmarks").glob("*.py")]
    runnable = {name for name in modules if hasattr(importlib.import_module(f"helpers.benchmarks.{name}"), "run")}
    assert runnable == set(PARTS) == set(PREFIXES.values())


def test_a_part_runs_by_its_shortened_name(tmp_path, capsys):
    numbers = bench(["da"], tmp_path / "bench.json", tiny=True)
    assert numbers == json.loads((tmp_path / "bench.json").read_text())
    assert {name.split(".")[0] for name in numbers} == {"data"}
    assert "data.scan_fps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("short", "part"), [("eval", "evaluation"), ("deploy", "deployment"), ("train", "training"), ("prun", "pruning")]
)
def test_a_name_may_be_shortened(short, part):
    assert full_name(short) == part


@pytest.mark.parametrize("part", ["speed", "plain", "d", ""])
def test_unknown_or_ambiguous_part_is_refused_before_any_part_runs(part, tmp_path):
    with pytest.raises(CourseError, match=f"Unknown benchmark '{part}': choose from data, deployment"):
        bench(["data", part], tmp_path / "bench.json", tiny=True)
    assert not (tmp_path / "bench.json").exists()


def test_measurements_name_numbers_that_exist():
    known = set().union(*(documented(docstring(part)) for part in PARTS))
    named = documented((PROJECT / "docs" / "measurements.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [name for name in named if not any(fits(pattern, name) for pattern in known)] == []


def test_gpu_numbers_with_an_engine_of_the_cpu(tmp_path):
    pytest.importorskip("paddle2onnx")
    assert deployment.on_gpu({}, [], tmp_path, deployment.TINY) == {}
    nets = {"unpruned": tiny(seed=0), "pruned": tiny(seed=1)}
    numbers = deployment.on_gpu(nets, ["onnxruntime"], tmp_path, deployment.TINY)
    assert numbers.keys() == {f"deploy.gpu.{kind}.onnxruntime" for kind in ("ms", "pruned", "agreement")}
    assert numbers["deploy.gpu.agreement.onnxruntime"] > 0.99 and numbers["deploy.gpu.ms.onnxruntime"] > 0
