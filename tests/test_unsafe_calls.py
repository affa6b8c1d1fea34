"""Nothing that the course reads is executed: no call that runs what a file holds, and one decoder of foreign images."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
MODULES = sorted(path for folder in ("helpers", "scripts") for path in (PROJECT / folder).rglob("*.py"))

UNPICKLING = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
EXECUTING = {
    "eval",
    "exec",
    "builtins.eval",
    "builtins.exec",
    "os.system",
    "paddle.jit.load",
    "paddle.load",
    "paddle.static.load",
    "paddle.static.load_program_state",
    "pandas.read_pickle",
    "torch.jit.load",
    "yaml.full_load",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
}
DECODING = {"cv2.imdecode", "cv2.imread", "cv2.imreadmulti", "cv2.imdecodemulti"}

ALLOWED = {
    # A restricted unpickler: it resolves no global, see tests/models/test_pickles.py.
    "helpers/models/pickles.py": {"pickle"},
    # An export of the course, whose files match the hashes in its deploy.yaml.
    "helpers/deployment/paddle_engine.py": {"paddle.jit.load"},
    # PNG only: the signature is checked before.
    "helpers/datasets/png.py": {"cv2.imdecode"},
    # Pixels that the line above has encoded.
    "helpers/evaluation/corruptions.py": {"cv2.imdecode"},
    # Frames of the benchmark, in a process without this project.
    "scripts/plain_evaluation.py": {"cv2.imread"},
}


def unsafe(source: str) -> Iterator[str]:
    """Names of unsafe modules and calls in `source`, with the names under which it imports them resolved."""
    tree = ast.parse(source)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                yield from {alias.name.split(".")[0]} & UNPICKLING
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            yield from {(node.module or "").split(".")[0]} & UNPICKLING
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            yield from {name(node, known)} & (EXECUTING | DECODING)
        if isinstance(node, ast.Call):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            called = name(node.func, known)
            if called in ("numpy.load", "numpy.lib.npyio.load") and not constant(given.get("allow_pickle"), False):
                yield "numpy.load without allow_pickle=False"
            if called == "torch.load" and not constant(given.get("weights_only"), True):
                yield "torch.load without weights_only=True"
            if "shell" in given and not constant(given["shell"], False):
                yield "a shell"


def name(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    return f"{name(node.value, known)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PROJECT)) for path in MODULES])
def test_no_call_executes_what_a_file_holds(path):
    found = set(unsafe(path.read_text(encoding="utf-8")))
    assert found - ALLOWED.get(str(path.relative_to(PROJECT)), set()) == set()


def test_exceptions_are_needed():
    for path, names in ALLOWED.items():
        assert names <= set(unsafe((PROJECT / path).read_text(encoding="utf-8"))), path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import paddle\npaddle.load(path)", "paddle.load"),
        ("import paddle as p\nread = p.load", "paddle.load"),
        ("from paddle import load as read\nread(path)", "paddle.load"),
        ("from pickle import loads", "pickle"),
        ("def f():\n    import joblib.numpy_pickle", "joblib"),
        ("import numpy as np\nnp.load(path, allow_pickle=True)", "numpy.load without allow_pickle=False"),
        ("import numpy as np\nnp.load(path)", "numpy.load without allow_pickle=False"),
        ("from yaml import load\nload(text, Loader)", "yaml.load"),
        ("eval(text)", "eval"),
        ("import torch\ntorch.load(path, weights_only=False)", "torch.load without weights_only=True"),
        ("import subprocess\nsubprocess.run(text, shell=True)", "a shell"),
        ("import cv2\ncv2.imread(path)", "cv2.imread"),
        ("import numpy as np, yaml\nnet.eval(), np.load(path, allow_pickle=False), yaml.safe_load(text)", None),
    ],
)
def test_unsafe_calls_are_found(source, expected):
    assert set(unsafe(source)) == ({expected} if expected else set())
