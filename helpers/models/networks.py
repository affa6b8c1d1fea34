"""The table of networks, and building one of them by name."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import paddle
from paddle import nn
from paddle.nn.initializer.kaiming import MSRAInitializer
from paddle.nn.initializer.normal import NormalInitializer
from paddleseg.models import FCN, BiSeNetV2, DeepLabV3P, FastSCNN, OCRNet, PSPNet, UNet, backbones

from helpers.cityscapes import NUM_CLASSES
from helpers.errors import CourseError
from helpers.models import pretrained as imagenet
from helpers.models.counting import Cost, cost
from helpers.models.icnet import ICNet
from helpers.models.quoted import build_2020


@dataclass(frozen=True)
class Network:
    """One row of the table.

    `title`: as the literature writes it, with its head. `build` maps a number of classes to the network with random
    weights. `imagenet`: the name of its backbone in `helpers.models.pretrained.SOURCES`, None where no ImageNet weights
    are published.
    """

    title: str
    build: Callable[[int], nn.Layer]
    imagenet: str | None = None


def _fcn(backbone: str) -> Callable[[int], nn.Layer]:
    def build_fcn(num_classes: int) -> nn.Layer:
        # PaddleSeg configs/fcn: the last feature map, as many channels in the head as the backbone has.
        net = FCN(num_classes, getattr(backbones, backbone)(), backbone_indices=(-1,))
        _start_from_scratch(net)
        return net

    return build_fcn


def _ocr(backbone: str) -> Callable[[int], nn.Layer]:
    def build_ocr(num_classes: int) -> nn.Layer:
        # PaddleSeg configs/ocrnet: the one feature map of the backbone gives the soft regions and the pixels. The
        # second output, the soft regions, is trained with weight 0.4 and is needed for the first one.
        net = OCRNet(num_classes, getattr(backbones, backbone)(), backbone_indices=(0,))
        _start_from_scratch(net)
        return net

    return build_ocr


def _fastscnn(num_classes: int) -> nn.Layer:
    net = FastSCNN(num_classes, enable_auxiliary_loss=True)
    _start_from_scratch(net)
    return net


def _fastscnn_2020(num_classes: int) -> nn.Layer:
    net = build_2020(num_classes)
    _start_from_scratch(net)
    return net


def _on_resnet(network: Callable) -> Callable[[int], nn.Layer]:
    def build_on_resnet(num_classes: int) -> nn.Layer:
        with contextlib.redirect_stdout(io.StringIO()):  # PaddleSeg says each time that it loads no weights
            # PaddleSeg's Cityscapes configs of these run ResNet50-vd at stride 8.
            return network(num_classes, backbones.ResNet50_vd(output_stride=8))

    return build_on_resnet


def _start_from_scratch(net: nn.Layer) -> None:
    """Initialise all convolutions as He et al. 2015 do, by the inputs that a filter really has.

    PaddleSeg starts HRNet from N(0, 0.001), since its recipes load ImageNet weights over that, and Paddle counts every
    channel as an input of a depthwise filter, which has one. In front of batch norm, weights that are too small make
    each step a leap; in the classifier they keep the gradient from all that is before it. HRNet-W18-small-v2 after 220
    steps of the profile mini, two seeds: 0.13 and 0.12 mIoU with PaddleSeg's classifier, 0.18 and 0.14 with this one.
    """
    initialise = nn.initializer.KaimingNormal(nonlinearity="relu")
    for layer in net.sublayers():
        if isinstance(layer, nn.Conv2D):
            initialise(layer.weight)


NETWORKS: dict[str, Network] = {
    "hrnet_w18_small_v1": Network("HRNet-W18-small-v1", _fcn("HRNet_W18_Small_V1")),
    "hrnet_w18_small_v2": Network("HRNet-W18-small-v2", _fcn("HRNet_W18_Small_V2")),
    "hrnet_w18": Network("HRNet-W18", _fcn("HRNet_W18"), "hrnet_w18"),
    "hrnet_w48": Network("HRNet-W48", _fcn("HRNet_W48"), "hrnet_w48"),
    "uhrnet_w18_small": Network("U-HRNet-W18-small", _fcn("UHRNet_W18_Small"), "uhrnet_w18_small"),
    "uhrnet_w48": Network("U-HRNet-W48", _fcn("UHRNet_W48"), "uhrnet_w48"),
    "hrnet_w18_small_v1_ocr": Network("HRNet-W18-small-v1 + OCR", _ocr("HRNet_W18_Small_V1")),
    "hrnet_w18_small_v2_ocr": Network("HRNet-W18-small-v2 + OCR", _ocr("HRNet_W18_Small_V2")),
    "hrnet_w18_ocr": Network("HRNet-W18 + OCR", _ocr("HRNet_W18"), "hrnet_w18"),
    "hrnet_w48_ocr": Network("HRNet-W48 + OCR", _ocr("HRNet_W48"), "hrnet_w48"),
    "uhrnet_w18_small_ocr": Network("U-HRNet-W18-small + OCR", _ocr("UHRNet_W18_Small"), "uhrnet_w18_small"),
    "uhrnet_w48_ocr": Network("U-HRNet-W48 + OCR", _ocr("UHRNet_W48"), "uhrnet_w48"),
    "fastscnn": Network("Fast-SCNN", _fastscnn),
    "fastscnn_2020": Network("Fast-SCNN as published in 2020", _fastscnn_2020),
    "unet": Network("U-Net", UNet),
    "deeplabv3p": Network("DeepLabv3+, ResNet50-vd", _on_resnet(DeepLabV3P), "resnet50_vd"),
    "pspnet": Network("PSPNet, ResNet50-vd", _on_resnet(PSPNet), "resnet50_vd"),
    "icnet": Network("ICNet, ResNet50-vd", _on_resnet(ICNet), "resnet50_vd"),
    "bisenetv2": Network("BiSeNetV2", BiSeNetV2),
}
NAMES: tuple[str, ...] = tuple(NETWORKS)


def title(name: str) -> str:
    """The network's name as the literature writes it."""
    return _lookup(name).title


def build(name: str, num_classes: int = NUM_CLASSES, seed: int | None = None, pretrained: bool = False) -> nn.Layer:
    """Build the network `name` with random weights; with a `seed`, the same ones each time.

    `pretrained`: put the published ImageNet weights into its backbone, from the cache or the network.
    Raises CourseError for a name that is not in NAMES, and when the weights cannot be had.
    """
    network = _lookup(name)
    if seed is not None:
        paddle.seed(seed)
    net = network.build(num_classes)
    if pretrained:
        if network.imagenet is None:
            raise CourseError(
                f"No ImageNet weights are published for {network.title}: set `pretrained = false` in profiles.toml."
            )
        imagenet.load_backbone(net.backbone, network.imagenet)
    return net


def count(name: str, size_hw: tuple[int, int], num_classes: int = NUM_CLASSES) -> Cost:
    """The cost of the network `name` for one image of `size_hw` pixels, without drawing its weights, which would take
    most of the time: 250 million random numbers for the W48 pair."""
    with _undrawn_weights():
        return cost(build(name, num_classes), size_hw)


@contextlib.contextmanager
def _undrawn_weights() -> Iterator[None]:
    drawing = [NormalInitializer, MSRAInitializer]
    originals = [each.forward for each in drawing]
    for each in drawing:
        each.forward = lambda self, tensor, block=None: tensor
    try:
        yield
    finally:
        for each, original in zip(drawing, originals, strict=True):
            each.forward = original


def _lookup(name: str) -> Network:
    if name not in NETWORKS:
        raise CourseError(f"There is no network {name!r}: choose one of {', '.join(NAMES)}.")
    return NETWORKS[name]
