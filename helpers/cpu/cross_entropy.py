"""Cross-entropy and its gradient in one pass on all cores of a CPU, equal to Paddle's up to rounding."""

from __future__ import annotations

import numba
import numpy as np
import paddle
import paddle.nn.functional as F

from helpers.cpu.arrays import as_array

_CHUNK = 4096  # pixels at a time: 20 float32 maps of them stay in the cache


def cross_entropy(logits: paddle.Tensor, label: paddle.Tensor, weights: paddle.Tensor, ignore: int) -> paddle.Tensor:
    """Return the mean cross-entropy of logits (N, C, H, W) and train ids (N, H, W) int64, weighted by class.

    `weights` float32 (C,) has a weight for each class. Pixels labelled `ignore` do not count; if all are, the loss is
    zero.
    """
    if logits.place.is_cpu_place() and logits.dtype == paddle.float32:
        return _CrossEntropy.apply(logits, label, weights, ignore)
    return F.cross_entropy(logits, label, weight=weights, ignore_index=ignore, axis=1)


class _CrossEntropy(paddle.autograd.PyLayer):
    # Paddle's kernel runs on one thread and leaves the gradient to a second one; this computes both in one pass.
    @staticmethod
    def forward(ctx, logits: paddle.Tensor, label: paddle.Tensor, weights: paddle.Tensor, ignore: int) -> paddle.Tensor:
        n, classes, height, width = logits.shape
        logits = logits.contiguous()
        ctx.gradient = paddle.empty(logits.shape)
        flat = (n, classes, height * width)
        loss = _cross_entropy(
            as_array(logits).reshape(flat),
            label.numpy().reshape(n, -1),
            weights.numpy(),
            ignore,
            as_array(ctx.gradient).reshape(flat),
        )
        return paddle.to_tensor(loss, "float32")

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> paddle.Tensor:
        factor = float(upstream)
        if factor == 1:
            return ctx.gradient
        return paddle.scale(ctx.gradient, factor)  # multiplying by a scalar tensor takes far longer


@numba.njit(parallel=True, cache=True)
def _cross_entropy(logits, label, weights, ignore, gradient):  # (N, C, P), (N, P), (C,), int, (N, C, P) -> float
    n, classes, pixels = logits.shape
    chunks = (pixels + _CHUNK - 1) // _CHUNK
    losses = np.zeros(n * chunks)
    norm = 0.0
    for i in range(n):
        for k in range(pixels):
            if label[i, k] != ignore:
                norm += weights[label[i, k]]
    norm = max(norm, 1e-12)
    # Chunks are summed in a fixed order below, so the result does not depend on the number of threads.
    for chunk in numba.prange(n * chunks):
        image, start = chunk // chunks, chunk % chunks * _CHUNK
        stop = min(start + _CHUNK, pixels)
        top = logits[image, 0, start:stop].copy()
        for c in range(1, classes):
            top = np.maximum(top, logits[image, c, start:stop])
        total = np.zeros(stop - start, dtype=np.float32)
        power = np.empty(stop - start, dtype=np.int32)
        for c in range(classes):
            share = gradient[image, c, start:stop]
            exp_to(logits[image, c, start:stop], top, power, share)
            total += share
        factor = np.zeros(stop - start, dtype=np.float32)
        for i in range(stop - start):
            true = label[image, start + i]
            if true != ignore:
                weight = weights[true]
                losses[chunk] += weight * (np.log(total[i]) + (top[i] - logits[image, true, start + i]))
                factor[i] = weight / (total[i] * norm)
        for c in range(classes):
            gradient[image, c, start:stop] *= factor
        for i in range(stop - start):
            true = label[image, start + i]
            if true != ignore:
                gradient[image, true, start + i] -= weights[true] / norm
    return losses.sum() / norm


@numba.njit(cache=True)
def exp_to(x, top, power, out):
    """Write exp(x - top) to `out`, all float32 (P,) with x <= top; `power` int32 (P,) is scratch memory.

    exp(d) = 2^k exp(r) with |r| <= ln(2) / 2, and exp(r) by its Taylor series to the seventh power: relative error
    2e-7. Unlike a call of exp for each value, this compiles to vector instructions.
    """
    for i in range(x.size):
        d = max(x[i] - top[i], np.float32(-87))  # below that, float32 has no normal numbers
        k = (d * np.float32(1.44269504) + np.float32(12582912)) - np.float32(12582912)  # rounds to a whole number
        r = (d - k * np.float32(0.693359375)) - k * np.float32(-2.12194440e-4)  # ln(2) in two parts
        series = np.float32(1 / 720) + r * np.float32(1 / 5040)
        series = np.float32(1 / 120) + r * series
        series = np.float32(1 / 24) + r * series
        series = np.float32(1 / 6) + r * series
        series = np.float32(1 / 2) + r * series
        out[i] = np.float32(1) + r * (np.float32(1) + r * series)
        power[i] = (np.int32(k) + np.int32(127)) << np.int32(23)  # the bits of the float32 2^k
    out *= power.view(np.float32)
