"""Let a network accept images of any size: pad them to its stride, and crop its outputs back.

Networks halve their feature maps up to six times. At sizes that cannot be halved as often, maps of the same resolution
differ by a pixel, and the network fails, or resizes one of them and shifts its content. `accept_any_size` therefore
adds two forward hooks to a network. The first pads the images at the right and bottom to multiples of the network's
stride; the second crops every output back. Sizes that are multiples already pass unchanged.

Padding repeats the last row and the last column. A grey border is an object to the network, which then draws a line of
wrong labels next to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import paddle
import paddle.nn.functional as F
from paddle import nn

_crop: ContextVar[bool] = ContextVar("_crop", default=True)


def accept_any_size(net: nn.Layer, stride: int) -> nn.Layer:
    """Add the hooks to `net`, in place, and return it.

    `net` maps images (N, 3, H, W) to a list of outputs (N, channels, h, w). If an image was padded, every output has
    the size of the image: one of lower resolution, such as the auxiliary outputs of ICNet, is resized bilinearly to the
    padded size before it is cropped. If not, the outputs are those of the network.
    """
    net.register_forward_pre_hook(_Pad(stride))
    net.register_forward_post_hook(_Crop())
    return net


def stride_of(net: nn.Layer) -> int:
    """Return the stride to which `net` pads its images; 1 if it does not pad."""
    return next((hook.stride for hook in net._forward_pre_hooks.values() if isinstance(hook, _Pad)), 1)


def padded_hw(size_hw: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return the height and width, rounded up to multiples of `stride`."""
    height, width = (-(-size // stride) * stride for size in size_hw)
    return height, width


def remove_padding(net: nn.Layer) -> None:
    """Remove the hooks from `net`, in place: it then accepts multiples of its stride only."""
    for hooks in (net._forward_pre_hooks, net._forward_post_hooks):
        for key in [key for key, hook in hooks.items() if isinstance(hook, _Pad | _Crop)]:
            del hooks[key]


@contextmanager
def uncropped() -> Iterator[None]:
    """Return the outputs of padded images as the network computes them within the block, on this thread.

    An exported graph without the last resize needs it: its logits cover the padded image, at their own resolution.
    """
    token = _crop.set(False)
    try:
        yield
    finally:
        _crop.reset(token)


class _Padded(tuple):
    """The inputs of a network after padding; `size_hw` is the size of the image before."""

    size_hw: tuple


@dataclass(frozen=True)
class _Pad:
    """Forward pre-hook: pad the images to multiples of `stride`."""

    stride: int

    def __call__(self, net: nn.Layer, inputs: tuple) -> _Padded | None:
        image, *others = inputs
        height, width = image.shape[2:]
        if height < 0 or width < 0:  # traced for any size
            padded = _Padded((self._traced(image), *others))
            shape = paddle.shape(image)
            padded.size_hw = shape[2], shape[3]
            return padded
        target_h, target_w = padded_hw((height, width), self.stride)
        if (target_h, target_w) == (height, width):
            return None
        padded = _Padded((_repeat_edges(image, target_w - width, target_h - height), *others))
        padded.size_hw = height, width
        return padded

    def _traced(self, image: paddle.Tensor) -> paddle.Tensor:
        # Pad by the most that may be needed, and cut: engines read padding with constant amounts only.
        most = self.stride - 1
        target = (paddle.shape(image) + most) // self.stride * self.stride
        return _repeat_edges(image, most, most)[:, :, : target[2], : target[3]]


def _repeat_edges(image: paddle.Tensor, right: int, bottom: int) -> paddle.Tensor:
    return F.pad(image, [0, right, 0, bottom], mode="replicate")


class _Crop:
    """Forward post-hook: crop every output of a padded image to the image's size."""

    def __call__(self, net: nn.Layer, inputs: tuple, outputs: list[paddle.Tensor]) -> list[paddle.Tensor] | None:
        if not isinstance(inputs, _Padded) or not _crop.get():
            return None
        height, width = inputs.size_hw
        target = inputs[0].shape[2:]
        cropped = []
        for output in outputs:
            if min(target) > 0 and output.shape[2:] != target:
                output = F.interpolate(output, target, mode="bilinear")
            cropped.append(output[:, :, :height, :width])
        return cropped
