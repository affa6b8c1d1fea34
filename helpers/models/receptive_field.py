"""The receptive field of values inside a network: the convolutions before them, and a measurement with gradients."""

from __future__ import annotations

import re

import numpy as np
import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.models.counting import Cost, LayerCost
from helpers.models.modes import device_of, evaluation_mode

# PaddleSeg names of HRNet: both convolutions of the stem and the first stage, except the one of its residual path;
# then each transition and stage names the branch it feeds, 1 for the highest resolution.
_START = re.compile(r"backbone\.(?:conv_layer1_|la1\.(?!.*conv_down))")
_BRANCH = re.compile(r"backbone\.(?:tr(\d)\.transition_tr\d_layer_|st(\d)\..*\.bb_\w*_branch_layer_)(\d)")


def hrnet_chain(cost: Cost, stage: int, stride: int) -> list[LayerCost]:
    """Return the convolutions between the image and the end of the branch at `stride` in `stage` of an HRNet, in order.

    They follow this branch only, without the exchange between branches. Stage 0 is the stem, whose stride is 4. The
    last one is the layer to measure at. Raises CourseError if the network has no such branch.
    """
    branch = {4: 1, 8: 2, 16: 3, 32: 4}.get(stride)
    chain = []
    for layer in cost.layers:
        if _START.match(layer.name):
            if stage or "conv_layer1_" in layer.name:
                chain.append(layer)
        elif found := _BRANCH.match(layer.name):
            transition, own_stage, own_branch = found.groups()
            into = int(transition) + 1 if transition else int(own_stage)
            # a branch is created from the lowest one before it
            if branch and into <= stage and int(own_branch) == min(branch, into):
                chain.append(layer)
    if not chain or round(cost.padded_hw[0] / chain[-1].out_hw[0]) != stride:
        raise CourseError(f"The network has no branch at 1/{stride} in stage {stage}: choose one of the drawing.")
    return chain


def strides(cost: Cost, chain: list[LayerCost]) -> list[int]:
    """Return the stride of each convolution of a chain that starts at the image."""
    heights = [cost.padded_hw[0], *(layer.out_hw[0] for layer in chain)]
    return [round(before / after) for before, after in zip(heights[:-1], heights[1:], strict=True)]


def side(kernels: list[int], strides: list[int]) -> int:
    """Return the side of the receptive field of convolutions with these kernels and strides, in pixels."""
    field, step = 1, 1  # step: pixels between neighbouring values of the map that the next kernel reads
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * step
        step *= stride
    return field


def gradient(net: nn.Layer, image: np.ndarray, layer: str = "") -> np.ndarray:
    """Return how strongly the middle value of a layer's output depends on each pixel, float32 (H, W).

    `image` is float32 (3, H, W); `layer` is the name of a sublayer, by default the network with its logits. The value
    is the sum over the channels; its gradient is summed over the colours without sign. Raises CourseError if there is
    no such layer, or if it computes no map (1, C, h, w).
    """
    layers = {"": net, **dict(net.named_sublayers())}
    if layer not in layers:
        raise CourseError(f"The network has no layer {layer!r}: print `net` for their names.")
    kept = []
    hook = layers[layer].register_forward_post_hook(lambda _, inputs, output: kept.append(output))
    try:
        with device_of(net), evaluation_mode(net):
            pixels = paddle.to_tensor(image[None], stop_gradient=False)
            net(pixels)
            output = (kept[-1] if layer else kept[-1][0]) if kept else None  # some layers never run
            if not isinstance(output, paddle.Tensor) or output.ndim != 4:
                raise CourseError(f"Expected a layer that computes a map, got {layer!r}: choose a convolution.")
            height, width = output.shape[2:]
            found = paddle.grad(output[0, :, height // 2, width // 2].sum(), pixels)[0]
    finally:
        hook.remove()
    return found[0].abs().sum(axis=0).numpy()


def extent(gradient: np.ndarray) -> tuple[int, int]:
    """Return the height and width, in pixels, of the part of a gradient (H, W) that is not zero."""
    rows, columns = (np.flatnonzero(gradient.any(axis=axis)) for axis in (1, 0))
    return tuple(int(each[-1] - each[0] + 1) if len(each) else 0 for each in (rows, columns))
