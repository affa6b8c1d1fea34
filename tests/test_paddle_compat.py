"""Each patch is still needed (upstream fails in a fresh process) and correct (values against other code)."""

import json
import subprocess
import sys

import numpy as np
import paddle
import pytest

from helpers import paddle_compat

# Run without the patches, and print for each patched piece what goes wrong.
UNPATCHED = """
import io, json
import helpers  # environment only
import numpy as np, paddle
from paddleseg.models.losses import OhemCrossEntropyLoss
found = {}

def error_of(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return ""

logits, label = paddle.rand([1, 19, 16, 16]), paddle.zeros([1, 16, 16], "int64")
found["ohem"] = error_of(lambda: OhemCrossEntropyLoss(min_kept=10)(logits, label))

import matplotlib
matplotlib.use("svg")
from paddle.base.dygraph import base
from paddle.pir_utils import OldIrGuard
from paddleslim.analysis import dygraph_flops
from paddleslim.core.dygraph import dygraph2program
from paddleslim.dygraph.prune.pruning_plan import PruningMask, PruningPlan
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

err = io.StringIO()
import logging
for logger in logging.Logger.manager.loggerDict.values():
    for handler in getattr(logger, "handlers", []):
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(err)

class Depthwise:
    def attr(self, name):
        return 4

net = paddle.nn.Sequential(paddle.nn.Conv2D(4, 4, 3, groups=4))
plan = PruningPlan("net")
plan.add(net[0].weight.name, PruningMask(0, np.array([1, 1, 0, 0]), 0.5, Depthwise()))
plan.apply(net)
found["logs"] = "change groups from 4 to 2" in err.getvalue()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def unpatched() -> dict:
    run = subprocess.run([sys.executable, "-c", UNPATCHED], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module", autouse=True)
def patched():
    paddle_compat.apply()
    paddle_compat.apply_to_paddleslim()


@pytest.mark.parametrize(
    "piece, failure",
    [
        ("ohem", "TypeError"),
        ("backend", "agg"),
        ("to_static_name", "AttributeError"),
        ("left_static", True),
        ("logs", True),
    ],
)
def test_patch_is_still_needed(unpatched, piece, failure):
    assert unpatched[piece] == failure, f"upstream fixed {piece}: remove its patch from paddle_compat.py"


def test_old_ir_is_still_needed(unpatched):
    assert unpatched["old_ir"], "PaddleSlim reads the new representation: remove slim_guard"


# Four pixels, two classes. Softmax of (0, ln 3) is (1/4, 3/4).
LOGITS = np.array([[[[0, 0], [0, 0]], [[np.log(3), np.log(3)], [np.log(3), 0]]]], dtype=np.float32)  # (1, 2, 2, 2)
LABEL = np.array([[[1, 0], [255, 0]]], dtype=np.int64)
LOSSES = {"first": np.log(4 / 3), "second": np.log(4), "last": np.log(2)}  # the third pixel is ignored


@pytest.mark.parametrize(
    ("thresh", "kept"), [(0.7, ["second", "last"]), (0.4, ["second"]), (0.9, ["first", "second", "last"])]
)
def test_ohem_by_hand(thresh, kept):
    """The true classes have probabilities 3/4, 1/4 and 1/2; average over those below the threshold."""
    from paddleseg.models.losses import OhemCrossEntropyLoss

    loss = OhemCrossEntropyLoss(thresh, min_kept=1)(paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL)).item()
    assert loss == pytest.approx(np.mean([LOSSES[name] for name in kept]), rel=1e-4)


PRUNING = """
import sys
import matplotlib
matplotlib.use("svg")
from helpers.models import build
from helpers.pruning import Analysis, apply_plan
net = build("fastscnn")
for stream in (sys.stdout, sys.stderr):
    print("start", file=stream)
apply_plan(net, Analysis(net, (64, 128)).plan(0.5))
assert net.learning_to_downsample.dsconv_bn_relu1.depthwise_conv._conv._groups == 16
print(matplotlib.get_backend())
"""


def test_pruning_logs_nothing_and_keeps_the_backend_of_matplotlib():
    run = subprocess.run([sys.executable, "-c", PRUNING], capture_output=True, text=True, check=True)
    assert run.stdout.partition("start\n")[2] == "svg\n"
    assert run.stderr.partition("start\n")[1:] == ("start\n", "")


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


def test_switching_modes_keeps_the_device(monkeypatch):
    """Stand in for a machine with a GPU: both switches choose it, as Paddle does there."""
    from paddleslim.core.dygraph import dygraph2program

    device = ["cpu"]

    def forgetting(switch):
        return lambda *args: (switch(*args), device.__setitem__(0, "gpu:0"))[0]

    monkeypatch.setattr(paddle, "get_device", lambda: device[0])
    monkeypatch.setattr(paddle, "set_device", lambda name: device.__setitem__(0, name))
    for switch in ("enable_static", "disable_static"):
        monkeypatch.setattr(paddle, switch, forgetting(getattr(paddle, switch)))
    with paddle_compat.slim_guard():
        assert device == ["cpu"]
        dygraph2program(chain(), [1, 3, 8, 8])
        assert device == ["cpu"]
    assert device == ["cpu"]
    with pytest.raises(RuntimeError, match="on purpose"), paddle_compat.old_representation():
        raise RuntimeError("on purpose")
    assert device == ["cpu"] and paddle.in_dynamic_mode()


def test_failing_trace_keeps_eager_mode():
    from paddleslim.core.dygraph import dygraph2program

    class Broken(paddle.nn.Layer):
        def forward(self, x):
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        dygraph2program(Broken(), [1, 3, 8, 8])
    assert paddle.in_dynamic_mode()


def test_applying_twice_changes_nothing():
    from paddleseg.models.losses import OhemCrossEntropyLoss
    from paddleslim.core import dygraph

    before = OhemCrossEntropyLoss.forward, dygraph._dy2prog
    paddle_compat.apply()
    paddle_compat.apply_to_paddleslim()
    assert (OhemCrossEntropyLoss.forward, dygraph._dy2prog) == before
    assert not hasattr(before[1].upstream, "upstream")


def test_old_representation_lacks_bmm_and_sigmoid():
    from paddle.pir_utils import OldIrGuard

    try:
        with OldIrGuard(), paddle.static.program_guard(paddle.static.Program()):
            x = paddle.static.data("x", [2, 3, 3])
            for operator in (paddle.nn.functional.sigmoid, lambda x: paddle.bmm(x, x)):
                with pytest.raises(TypeError, match="must be Value, but got Variable"):  # no error: remove the patch
                    operator(x)
            before = paddle.bmm
            with paddle_compat.old_ir_operators():
                outputs = [paddle.nn.functional.sigmoid(x), paddle.bmm(x, x)]
            assert paddle.bmm is before
            values = np.arange(18, dtype=np.float32).reshape(2, 3, 3) / 10
            sigmoid, product = paddle.static.Executor(paddle.CPUPlace()).run(feed={"x": values}, fetch_list=outputs)
    finally:
        paddle.disable_static()
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-values)), rtol=1e-6)
    np.testing.assert_allclose(product, values @ values, rtol=1e-6)
