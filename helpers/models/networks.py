"""The table of networks, and building one of them by name."""

from __future__ import annotations

from collections.abc import Callable

import paddle
from paddle import nn
from paddleseg.models import FCN, FastSCNN, backbones

from helpers.cityscapes import NUM_CLASSES
from helpers.errors import CourseError
from helpers.models.quoted import build_2020


def _fcn(backbone: str) -> Callable[[int], nn.Layer]:
    def build_fcn(num_classes: int) -> nn.Layer:
        # PaddleSeg configs/fcn: the last feature map, as many channels in the head as the backbone has.
        net = FCN(num_classes, getattr(backbones, backbone)(), backbone_indices=(-1,))
        _start_from_scratch(net, classifier=net.head.cls)
        return net

    return build_fcn


def _fastscnn(num_classes: int) -> nn.Layer:
    net = FastSCNN(num_classes, enable_auxiliary_loss=True)
    _start_from_scratch(net, classifier=net.classifier.conv)
    return net


def _fastscnn_2020(num_classes: int) -> nn.Layer:
    net = build_2020(num_classes)
    _start_from_scratch(net, classifier=net.classifier.conv)
    return net


def _start_from_scratch(net: nn.Layer, classifier: nn.Conv2D) -> None:
    """Initialise all convolutions but the classifier as He et al. 2015 do, by the inputs that a filter really has.

    PaddleSeg starts HRNet from N(0, 0.001), since its recipes load ImageNet weights over that, and Paddle counts every
    channel as an input of a depthwise filter, which has one. In front of batch norm, weights that are too small make
    each step a leap: HRNet-W18-small-v2 stood at 0.10 mIoU after 250 steps of the profile mini.
    """
    initialise = nn.initializer.KaimingNormal(nonlinearity="relu")
    for layer in net.sublayers():
        if isinstance(layer, nn.Conv2D) and layer is not classifier:
            initialise(layer.weight)


_BUILDERS: dict[str, tuple[str, Callable[[int], nn.Layer]]] = {
    "hrnet_w18_small_v1": ("HRNet-W18-small-v1", _fcn("HRNet_W18_Small_V1")),
    "hrnet_w18_small_v2": ("HRNet-W18-small-v2", _fcn("HRNet_W18_Small_V2")),
    "hrnet_w18": ("HRNet-W18", _fcn("HRNet_W18")),
    "hrnet_w48": ("HRNet-W48", _fcn("HRNet_W48")),
    "uhrnet_w18_small": ("U-HRNet-W18-small", _fcn("UHRNet_W18_Small")),
    "uhrnet_w48": ("U-HRNet-W48", _fcn("UHRNet_W48")),
    "fastscnn": ("Fast-SCNN", _fastscnn),
    "fastscnn_2020": ("Fast-SCNN as published in 2020", _fastscnn_2020),
}
NAMES: tuple[str, ...] = tuple(_BUILDERS)


def title(name: str) -> str:
    """The network's name as the literature writes it."""
    return _lookup(name)[0]


def build(name: str, num_classes: int = NUM_CLASSES, seed: int | None = None) -> nn.Layer:
    """Build the network `name` with random weights; with a `seed`, the same ones each time.

    Raises CourseError for a name that is not in NAMES.
    """
    builder = _lookup(name)[1]
    if seed is not None:
        paddle.seed(seed)
    return builder(num_classes)


def _lookup(name: str) -> tuple[str, Callable[[int], nn.Layer]]:
    if name not in _BUILDERS:
        raise CourseError(f"There is no network {name!r}: choose one of {', '.join(NAMES)}.")
    return _BUILDERS[name]
