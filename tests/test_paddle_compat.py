"""Each patch: still needed (the upstream piece fails in a fresh process), and right (values against other code)."""

import json
import subprocess
import sys

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from helpers import paddle_compat

# Runs without the patches and tells, for every piece that they mend, what went wrong.
UNPATCHED = """
import contextlib, io, json, sys
import helpers  # environment only
import numpy as np, paddle
from paddleseg.models.losses import CrossEntropyLoss, OhemCrossEntropyLoss, RMILoss
found = {}

def error_of(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return ""

logits, label = paddle.rand([1, 19, 16, 16]), paddle.zeros([1, 16, 16], "int64")
found["cross_entropy"] = error_of(lambda: CrossEntropyLoss()(logits, label))
found["cross_entropy_weighted"] = error_of(lambda: CrossEntropyLoss(weight=[1.0] * 19)(logits, label))
found["rmi"] = error_of(lambda: RMILoss()(logits, label))
found["ohem"] = error_of(lambda: OhemCrossEntropyLoss(min_kept=10)(logits, label))

import matplotlib
matplotlib.use("svg")
from paddle.base.dygraph import base
from paddle.pir_utils import OldIrGuard
from paddleslim.analysis import dygraph_flops
from paddleslim.core.dygraph import dygraph2program
from paddleslim.dygraph.prune import L1NormFilterPruner
from paddleslim.dygraph.prune.filter_pruner import FilterPruner
found["backend"] = matplotlib.get_backend().lower()
net = paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.Conv2D(4, 4, 3), paddle.nn.Conv2D(4, 2, 1))
with OldIrGuard():
    found["to_static_name"] = error_of(lambda: dygraph_flops(net, [1, 3, 8, 8]))
base._to_static_mode_guard_ = base.to_static_mode_guard
found["old_ir"] = error_of(lambda: dygraph_flops(net, [1, 3, 8, 8]))
paddle.disable_static()

class Broken(paddle.nn.Layer):
    def forward(self, x):
        raise RuntimeError("on purpose")

error_of(lambda: dygraph2program(Broken(), [1, 3, 8, 8]))
found["left_static"] = not paddle.in_dynamic_mode()
paddle.disable_static()

out, err = io.StringIO(), io.StringIO()
import logging
for logger in logging.Logger.manager.loggerDict.values():
    for handler in getattr(logger, "handlers", []):
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(err)
with OldIrGuard(), contextlib.redirect_stdout(out):
    pruner = L1NormFilterPruner(net, [1, 3, 8, 8])
    pruner.prune_vars({net[0].weight.name: 0.5}, 0, apply="lazy")
found["prints"] = "hit pruning plan" in out.getvalue()
found["logs"] = "Pruning variable" in err.getvalue()
pruner.sensitive(lambda: 1.0, sen_file="SENSITIVITY", target_vars=["none"], skip_vars=["other"])
pruner.skip_vars = ["kept_from_this_net"]
pruner._status.is_ckp = True
pruner.sensitive(lambda: 1.0, sen_file="SENSITIVITY2", target_vars=["none"])
found["sensitive_default"] = FilterPruner.sensitive.__defaults__[-1]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def unpatched(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("unpatched")
    code = UNPATCHED.replace("SENSITIVITY", str(folder / "sensitivity"))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module", autouse=True)
def patched():
    paddle_compat.apply()
    paddle_compat.apply_to_paddleslim()


@pytest.mark.parametrize(
    "piece, failure",
    [
        ("cross_entropy", "TypeError"),
        ("cross_entropy_weighted", "TypeError"),
        ("rmi", "TypeError"),
        ("ohem", "TypeError"),
        ("backend", "agg"),
        ("to_static_name", "AttributeError"),
        ("left_static", True),
        ("sensitive_default", ["kept_from_this_net"]),
        ("prints", True),
        ("logs", True),
    ],
)
def test_patch_is_still_needed(unpatched, piece, failure):
    assert unpatched[piece] == failure, f"upstream has mended {piece}: remove its patch from paddle_compat.py"


def test_old_ir_is_still_needed(unpatched):
    assert unpatched["old_ir"], "PaddleSlim reads the new representation: slim_guard can go"


# Four pixels, two classes. Softmax of (0, ln 3) is (1/4, 3/4).
LOGITS = np.array([[[[0, 0], [0, 0]], [[np.log(3), np.log(3)], [np.log(3), 0]]]], dtype=np.float32)  # (1, 2, 2, 2)
LABEL = np.array([[[1, 0], [255, 0]]], dtype=np.int64)
LOSSES = {"first": np.log(4 / 3), "second": np.log(4), "last": np.log(2)}  # the third pixel is ignored


def cross_entropy(**options) -> float:
    from paddleseg.models.losses import CrossEntropyLoss

    return CrossEntropyLoss(**options)(paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL)).item()


def test_cross_entropy_by_hand():
    assert cross_entropy() == pytest.approx(sum(LOSSES.values()) / 3, rel=1e-5)
    assert cross_entropy(avg_non_ignore=False) == pytest.approx(sum(LOSSES.values()) / 4, rel=1e-5)


@pytest.mark.parametrize(
    ("thresh", "kept"), [(0.7, ["second", "last"]), (0.4, ["second"]), (0.9, ["first", "second", "last"])]
)
def test_ohem_by_hand(thresh, kept):
    """The true classes have the probabilities 3/4, 1/4 and 1/2; those below the threshold count."""
    from paddleseg.models.losses import OhemCrossEntropyLoss

    loss = OhemCrossEntropyLoss(thresh, min_kept=1)(paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL)).item()
    assert loss == pytest.approx(np.mean([LOSSES[name] for name in kept]), rel=1e-4)


def test_weighted_cross_entropy_by_hand():
    expected = (3 * LOSSES["first"] + LOSSES["second"] + LOSSES["last"]) / (3 + 1 + 1)
    assert cross_entropy(weight=[1.0, 3.0]) == pytest.approx(expected, rel=1e-5)


def test_hardest_half_by_hand():
    assert cross_entropy(top_k_percent_pixels=0.5) == pytest.approx((LOSSES["second"] + LOSSES["last"]) / 2, rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_equals_paddles_own(weighted):
    from paddleseg.models.losses import CrossEntropyLoss

    rng = np.random.default_rng(1)
    logits = paddle.to_tensor(rng.normal(size=(2, 19, 7, 5)).astype(np.float32))
    label = rng.integers(0, 19, (2, 7, 5))
    label[0, :3] = 255
    label = paddle.to_tensor(label)
    weight = rng.uniform(0.5, 2, 19).astype(np.float32) if weighted else None
    logits.stop_gradient = False
    loss = CrossEntropyLoss(weight=None if weight is None else weight.tolist())(logits, label)
    loss.backward()
    gradient = logits.grad.numpy()
    logits.clear_gradient()
    reference = F.cross_entropy(
        logits, label, ignore_index=255, axis=1, weight=None if weight is None else paddle.to_tensor(weight)
    )
    reference.backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-5)
    np.testing.assert_allclose(gradient, logits.grad.numpy(), atol=1e-7)


def test_everything_ignored_costs_nothing():
    from paddleseg.models.losses import CrossEntropyLoss

    label = paddle.full([1, 4, 4], 255, "int64")
    for options in ({}, {"weight": [1.0] * 3}):
        assert CrossEntropyLoss(**options)(paddle.rand([1, 3, 4, 4]), label).item() == 0.0


def rmi_in_numpy(logits: np.ndarray, label: np.ndarray) -> float:
    """Region mutual information (Zhao et al., 2019): logits (C, H, W), label (H, W); 3x3 regions, after 3x3 pooling."""
    classes, height, width = logits.shape
    known = label != 255
    truth = np.stack([(label == c) & known for c in range(classes)]).astype(np.float64)
    guess = known / (1 + np.exp(-logits.astype(np.float64))) + 1e-6

    def pooled(x):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        rows, columns = range(0, height, 3), range(0, width, 3)
        return np.array(
            [[[padded[c, i : i + 3, j : j + 3].max() for j in columns] for i in rows] for c in range(classes)]
        )

    def regions(x):  # (C, H, W) to (C, 9, positions)
        h, w = x.shape[1] - 2, x.shape[2] - 2
        return np.stack([x[:, i : i + h, j : j + w].reshape(classes, -1) for i in range(3) for j in range(3)], axis=1)

    total = 0.0
    for y, p in zip(regions(pooled(truth)), regions(pooled(guess)), strict=True):
        y, p = y - y.mean(1, keepdims=True), p - p.mean(1, keepdims=True)
        ridge = 5e-4 * np.eye(9)
        posterior = y @ y.T - (y @ p.T) @ np.linalg.inv(p @ p.T + ridge) @ (y @ p.T).T
        total += 0.5 * np.linalg.slogdet(posterior + ridge)[1] / 9
    return total


def test_rmi_equals_its_definition():
    from paddleseg.models.losses import RMILoss

    rng = np.random.default_rng(3)
    logits = rng.normal(size=(2, 3, 24, 27)).astype(np.float32)
    label = rng.integers(0, 3, (2, 24, 27))
    label[1, 5:9] = 255
    loss = RMILoss(num_classes=3)(paddle.to_tensor(logits), paddle.to_tensor(label)).item()
    expected = np.mean([rmi_in_numpy(x, y) for x, y in zip(logits, label, strict=True)])
    assert loss == pytest.approx(expected, rel=1e-4)


def test_figures_still_appear_after_importing_paddleslim():
    code = """
import matplotlib
matplotlib.use("svg")
from helpers import paddle_compat
paddle_compat.import_paddleslim()
print(matplotlib.get_backend())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "svg"


def chain() -> paddle.nn.Layer:
    return paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.ReLU(), paddle.nn.Conv2D(4, 2, 1))


def test_slim_guard_lets_paddleslim_count():
    from paddleslim.analysis import dygraph_flops

    with paddle_compat.slim_guard():
        flops = dygraph_flops(chain(), [1, 3, 8, 8], only_conv=True)
    # 6x6 outputs: 3 * 3 * 3 * 4 and 4 * 2 multiply-accumulates each.
    assert flops == 6 * 6 * (3 * 3 * 3 * 4 + 4 * 2)


def test_slim_guard_restores_the_mode_and_the_representation():
    with paddle_compat.slim_guard():
        assert paddle.in_dynamic_mode()
        assert paddle.ones([2]).sum().item() == 2
    with pytest.raises(RuntimeError, match="on purpose"), paddle_compat.slim_guard():
        raise RuntimeError("on purpose")
    assert paddle.in_dynamic_mode()
    assert paddle.static.Program is paddle.pir.Program


def test_a_failing_trace_leaves_paddle_eager():
    from paddleslim.core.dygraph import dygraph2program

    class Broken(paddle.nn.Layer):
        def forward(self, x):
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        dygraph2program(Broken(), [1, 3, 8, 8])
    assert paddle.in_dynamic_mode()


def test_what_one_pruner_skips_the_next_does_not(tmp_path):
    from paddleslim.dygraph.prune import L1NormFilterPruner
    from paddleslim.dygraph.prune.filter_pruner import FilterPruner

    with paddle_compat.slim_guard():
        pruner = L1NormFilterPruner(chain(), [1, 3, 8, 8])
        pruner.skip_vars = ["kept_from_this_net"]
        pruner.sensitive(lambda: 1.0, str(tmp_path / "sensitivity"), ["none"])
    assert FilterPruner.sensitive.upstream.__defaults__[-1] == []


def test_paddleslim_is_silent(capfd):
    from paddleslim.dygraph.prune import L1NormFilterPruner

    net = chain()
    capfd.readouterr()
    with paddle_compat.slim_guard():
        L1NormFilterPruner(net, [1, 3, 8, 8]).prune_vars({net[0].weight.name: 0.5}, 0, apply="lazy")
    assert capfd.readouterr() == ("", "")


def test_applying_twice_changes_nothing():
    from paddleseg.models.losses import CrossEntropyLoss
    from paddleslim.core import dygraph

    before = CrossEntropyLoss._post_process_loss, dygraph._dy2prog
    paddle_compat.apply()
    paddle_compat.apply_to_paddleslim()
    assert (CrossEntropyLoss._post_process_loss, dygraph._dy2prog) == before
    assert not hasattr(before[1].upstream, "upstream")


def test_the_old_representation_lacks_some_operators():
    from paddle.pir_utils import OldIrGuard

    with OldIrGuard(), paddle.static.program_guard(paddle.static.Program()):
        x = paddle.static.data("x", [2, 3, 3])
        for operator in (paddle.nn.functional.sigmoid, lambda x: paddle.bmm(x, x)):
            with pytest.raises(TypeError, match="must be Value, but got Variable"):  # no error: the patch can go
                operator(x)
        before = paddle.bmm
        with paddle_compat.old_ir_operators():
            outputs = [paddle.nn.functional.sigmoid(x), paddle.bmm(x, x)]
        assert paddle.bmm is before
        values = np.arange(18, dtype=np.float32).reshape(2, 3, 3) / 10
        sigmoid, product = paddle.static.Executor(paddle.CPUPlace()).run(feed={"x": values}, fetch_list=outputs)
    paddle.disable_static()
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-values)), rtol=1e-6)
    np.testing.assert_allclose(product, values @ values, rtol=1e-6)
