"""Patches for PaddleSeg 2.8.0 and PaddleSlim 2.6.0 on Paddle 3.2.2.

Both were written for Paddle 2.4 to 2.6 and have no newer release. Each patch documents what breaks, the upstream report
and when to remove it; `tests/test_paddle_compat.py` fails for a patch that is no longer needed. `apply` patches
PaddleSeg. PaddleSlim takes seconds to import, so `apply_to_paddleslim` patches it only where it is used.
"""

from __future__ import annotations

import functools
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle.base.layer_helper import LayerHelper


def apply() -> None:
    """Patch PaddleSeg in this process; safe to call again."""
    patch_ohem_loss()


def apply_to_paddleslim() -> None:
    """Patch PaddleSlim in this process; safe to call again."""
    import_paddleslim()
    patch_to_static_name()
    patch_dygraph2program()
    silence_paddleslim()


@contextmanager
def keep_device() -> Iterator[None]:
    """Restore the current device at the end of the context.

    What breaks: `paddle.enable_static` and `paddle.disable_static` set the device to Paddle's default, the first GPU if
    there is one. After an export or a pruning plan, a run on the CPU of such a machine would go on elsewhere.
    Upstream: not reported; `_dygraph_place_guard` restores the place of the time when Paddle was imported.
    Remove: when switching modes leaves `paddle.get_device()` as it is.
    """
    device = paddle.get_device()
    try:
        yield
    finally:
        paddle.set_device(device)


@contextmanager
def old_representation() -> Iterator[None]:
    """Trace networks into Paddle's old representation inside the context, in eager mode and on the same device."""
    from paddle.pir_utils import OldIrGuard

    device = paddle.get_device()
    with keep_device(), OldIrGuard():
        paddle.disable_static()  # the guard starts in static mode
        paddle.set_device(device)
        yield


@contextmanager
def slim_guard() -> Iterator[None]:
    """Make PaddleSlim's graphs, pruners and `dygraph_flops` work inside the context, in eager mode.

    What breaks: PaddleSlim reads programs in Paddle's old intermediate representation (blocks, operators, variables).
    Since Paddle 3.0 tracing yields the new one, and `GraphWrapper` fails on it.
    Upstream: not reported for the pruners; Paddle made the new representation the default in pull request 68278.
    Remove: when a PaddleSlim release reads `paddle.pir.Program`.
    """
    apply_to_paddleslim()
    with old_representation(), warnings.catch_warnings():
        # In training mode, batch norm layers warn at each trace that they track statistics.
        warnings.filterwarnings("ignore", message="When training, we now always track")
        yield


@contextmanager
def old_ir_operators() -> Iterator[None]:
    """Trace networks with `paddle.bmm` or `F.sigmoid` in the old representation inside the context.

    What breaks: since Paddle 3.2 both call `_C_ops` directly (`paddle/base/dygraph/generated_tensor_methods_patch.py`),
    which accepts only eager tensors and values of the new representation: "argument must be Value, but got Variable",
    as in OCRNet and BiSeNetV2.
    Upstream: not reported; the old representation is being phased out.
    Remove: when no engine needs a graph in the old format.
    """
    saved = paddle.bmm, F.sigmoid
    paddle.bmm = lambda x, y, name=None: _old_ir_operator("bmm", X=x, Y=y)
    F.sigmoid = lambda x, name=None: _old_ir_operator("sigmoid", X=x)
    try:
        yield
    finally:
        paddle.bmm, F.sigmoid = saved


def _old_ir_operator(kind: str, **inputs: Any) -> Any:
    helper = LayerHelper(kind)
    out = helper.create_variable_for_type_inference(inputs["X"].dtype)
    helper.append_op(type=kind, inputs={name: [value] for name, value in inputs.items()}, outputs={"Out": [out]})
    return out


def patch_ohem_loss() -> None:
    """PaddleSeg's OhemCrossEntropyLoss adds an int64 mask to float32 probabilities.

    What breaks: `TypeError: Type promotion only support calculations between floating-point numbers`, as soon as there
    are more labelled pixels than `min_kept`.
    Upstream: Paddle pull request 63842 made mixed products an error; PaddleSeg pull request 3731 fixes such code on its
    develop branch. Not reported for this loss.
    Remove: with a PaddleSeg release newer than 2.8.0 that casts its masks.
    """
    from paddleseg.models.losses.ohem_cross_entropy_loss import OhemCrossEntropyLoss

    _replace(OhemCrossEntropyLoss, "forward", _ohem_with_bool_masks)


def import_paddleslim() -> None:
    """PaddleSlim switches matplotlib to a file backend when it is imported.

    What breaks: after the first pruning, a notebook shows no more figures.
    Upstream: not reported; `paddleslim/common/analyze_helper.py` calls `matplotlib.use('Agg')`.
    Remove: when it no longer does.
    """
    if "paddleslim" in sys.modules:
        return
    import matplotlib

    use = matplotlib.use
    matplotlib.use = lambda *args, **kwargs: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated NumPy and setuptools names
            import paddleslim  # noqa: F401
    finally:
        matplotlib.use = use


def patch_to_static_name() -> None:
    """PaddleSlim uses `paddle.base.dygraph.base._to_static_mode_guard_`.

    What breaks: AttributeError in every trace; the name lost its underscores in Paddle 3.0.
    Upstream: PaddleDetection issue 9430 (open) shows it; the old name came with Paddle pull request 56881.
    Remove: when PaddleSlim uses `to_static_mode_guard`.
    """
    from paddle.base.dygraph import base

    if not hasattr(base, "_to_static_mode_guard_"):
        base._to_static_mode_guard_ = base.to_static_mode_guard


def patch_dygraph2program() -> None:
    """PaddleSlim's `dygraph2program` leaves Paddle in static mode when the traced network raises.

    What breaks: after an error, every eager call in the process fails.
    Upstream: not reported.
    Remove: when `_dy2prog` restores the mode in a `finally`.
    """
    from paddleslim.core import dygraph

    traced = dygraph._dy2prog
    if hasattr(traced, "upstream"):
        return

    @functools.wraps(traced)
    def restoring(*args, **kwargs):
        was_dynamic = paddle.in_dynamic_mode()
        with keep_device():
            try:
                return traced(*args, **kwargs)
            finally:
                paddle.disable_static() if was_dynamic else paddle.enable_static()

    _replace(dygraph, "_dy2prog", restoring)


def silence_paddleslim() -> None:
    """PaddleSlim logs every depthwise convolution that it prunes.

    What breaks: nothing, but the names fill a page of notebook output for each plan.
    Upstream: not reported.
    Remove: when the loggers stay at WARNING.
    """
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.split(".")[0] == "paddleslim" and isinstance(logger, logging.Logger):
            logger.setLevel(logging.ERROR)


def _replace(owner: Any, name: str, new: Callable) -> None:
    """Replace `owner.name` by `new`, once; the original remains available as `new.upstream`."""
    current = getattr(owner, name)
    if not hasattr(current, "upstream"):
        new.upstream = current
        setattr(owner, name, new)


def _ohem_with_bool_masks(self, logit, label):
    """Replace `OhemCrossEntropyLoss.forward`: logits (N, C, H, W), labels (N, H, W) or (N, 1, H, W) to a scalar.

    Average over the labelled pixels whose true class has a probability below `thresh`. If there are fewer than
    `min_kept`, take those with the smallest probabilities, up to the `min_kept`-th.
    """
    label = label.reshape([logit.shape[0], *logit.shape[2:]]).astype("int64")  # (N, H, W)
    labelled = label != self.ignore_index
    with paddle.no_grad():
        known = paddle.where(labelled, label, paddle.zeros_like(label))
        probability = paddle.take_along_axis(F.softmax(logit, axis=1), known.unsqueeze(1), axis=1).squeeze(1)
        probability = paddle.where(labelled, probability, paddle.full_like(probability, 2.0))
        hard = labelled
        if 0 < self.min_kept < int(labelled.sum()):
            smallest = paddle.topk(probability.flatten(), self.min_kept, largest=False)[0][-1]
            hard = labelled & (probability < paddle.clip(smallest, min=self.thresh))
    counted = paddle.where(hard, label, paddle.full_like(label, self.ignore_index))
    loss = F.cross_entropy(logit, counted, ignore_index=self.ignore_index, axis=1, reduction="none")
    mask = hard.astype(loss.dtype)
    return (loss.reshape(mask.shape) * mask).mean() / (mask.mean() + self.EPS)
