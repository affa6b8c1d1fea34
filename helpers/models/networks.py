"""The table of networks, built by name."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import paddle
from paddle import nn
from paddle.nn.initializer.kaiming import MSRAInitializer
from paddle.nn.initializer.normal import NormalInitializer
from paddleseg.models import FCN, BiSeNetV2, DeepLabV3P, FastSCNN, OCRNet, PSPNet, UNet, backbones, layers

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.models import pretrained as published
from helpers.models import shipped
from helpers.models.icnet import ICNet
from helpers.models.sizes import accept_any_size
from helpers.models.weight_files import Saved
from helpers.models.weights import set_classes, set_weights


@dataclass(frozen=True)
class NetworkSpec:
    """One row of the table.

    `title`: as the literature writes it, with its head. `build` maps a number of classes to the network with random
    weights. `stride`: the height of an image relative to the network's smallest feature map; heights and widths must be
    multiples of it, see `helpers.models.sizes`. `imagenet`: the key of its backbone in
    `helpers.models.pretrained.IMAGENET`, None if there is none.
    """

    title: str
    build: Callable[[int], nn.Layer]
    stride: int
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
        # PaddleSeg configs/ocrnet: the backbone's one feature map yields both soft regions and pixels. The second
        # output, the soft regions, is trained with weight 0.4 and is needed for the first one.
        net = OCRNet(num_classes, getattr(backbones, backbone)(), backbone_indices=(0,))
        _start_from_scratch(net)
        return net

    return build_ocr


def _fastscnn(num_classes: int) -> nn.Layer:
    net = FastSCNN(num_classes, enable_auxiliary_loss=True)
    _start_from_scratch(net)
    return net


def build_fastscnn_2020(num_classes: int) -> nn.Layer:
    """Build Fast-SCNN as in PaddleSeg 0.4 to 0.8 (2020, `pdseg/models/modeling/fast_scnn.py`), whose count is 7.21 G.

    Its pyramid pooling ended in a 1x1 convolution, now 3x3, and the fusion module's "dwconv" was a dense 1x1
    convolution, now depthwise 3x3.
    """
    net = FastSCNN(num_classes, enable_auxiliary_loss=True)
    net.global_feature_extractor.ppm.conv_bn_relu2 = layers.ConvBNReLU(256, 128, kernel_size=1)
    net.feature_fusion.dwconv = layers.ConvBNReLU(128, 128, kernel_size=1, bias_attr=False)
    _start_from_scratch(net)
    return net


def _on_resnet(network: Callable) -> Callable[[int], nn.Layer]:
    def build_on_resnet(num_classes: int) -> nn.Layer:
        with contextlib.redirect_stdout(io.StringIO()):  # PaddleSeg prints that it loads no weights
            # PaddleSeg's Cityscapes configs of these run ResNet50-vd at stride 8.
            return network(num_classes, backbones.ResNet50_vd(output_stride=8))

    return build_on_resnet


def _start_from_scratch(net: nn.Layer) -> None:
    """Initialise all convolutions as in He et al. 2015, by the number of inputs that a filter really has.

    PaddleSeg starts HRNet from N(0, 0.001), since its recipes load ImageNet weights over that, and Paddle counts every
    channel as an input of a depthwise filter, which has one. In front of batch norm, weights that are too small make
    each step too large; in the classifier they block the gradient of all layers before it. HRNet-W18-small-v2 after 220
    steps of the profile mini, two seeds: 0.13 and 0.12 mIoU with PaddleSeg's classifier, 0.18 and 0.14 with this one.
    """
    initialise = nn.initializer.KaimingNormal(nonlinearity="relu")
    for layer in net.sublayers():
        if isinstance(layer, nn.Conv2D):
            initialise(layer.weight)


NETWORKS: dict[str, NetworkSpec] = {
    "hrnet_w18_small_v1": NetworkSpec("HRNet-W18-small-v1", _fcn("HRNet_W18_Small_V1"), 32),
    "hrnet_w18_small_v2": NetworkSpec("HRNet-W18-small-v2", _fcn("HRNet_W18_Small_V2"), 32),
    "hrnet_w18": NetworkSpec("HRNet-W18", _fcn("HRNet_W18"), 32, "hrnet_w18"),
    "hrnet_w48": NetworkSpec("HRNet-W48", _fcn("HRNet_W48"), 32, "hrnet_w48"),
    "uhrnet_w18_small": NetworkSpec("U-HRNet-W18-small", _fcn("UHRNet_W18_Small"), 64, "uhrnet_w18_small"),
    "uhrnet_w48": NetworkSpec("U-HRNet-W48", _fcn("UHRNet_W48"), 64, "uhrnet_w48"),
    "hrnet_w18_small_v1_ocr": NetworkSpec("HRNet-W18-small-v1 + OCR", _ocr("HRNet_W18_Small_V1"), 32),
    "hrnet_w18_small_v2_ocr": NetworkSpec("HRNet-W18-small-v2 + OCR", _ocr("HRNet_W18_Small_V2"), 32),
    "hrnet_w18_ocr": NetworkSpec("HRNet-W18 + OCR", _ocr("HRNet_W18"), 32, "hrnet_w18"),
    "hrnet_w48_ocr": NetworkSpec("HRNet-W48 + OCR", _ocr("HRNet_W48"), 32, "hrnet_w48"),
    "uhrnet_w18_small_ocr": NetworkSpec("U-HRNet-W18-small + OCR", _ocr("UHRNet_W18_Small"), 64, "uhrnet_w18_small"),
    "uhrnet_w48_ocr": NetworkSpec("U-HRNet-W48 + OCR", _ocr("UHRNet_W48"), 64, "uhrnet_w48"),
    "fastscnn": NetworkSpec("Fast-SCNN", _fastscnn, 32),
    "fastscnn_2020": NetworkSpec("Fast-SCNN as published in 2020", build_fastscnn_2020, 32),
    "unet": NetworkSpec("U-Net", UNet, 16),
    "deeplabv3p": NetworkSpec("DeepLabv3+, ResNet50-vd", _on_resnet(DeepLabV3P), 8, "resnet50_vd"),
    "pspnet": NetworkSpec("PSPNet, ResNet50-vd", _on_resnet(PSPNet), 8, "resnet50_vd"),
    "icnet": NetworkSpec("ICNet, ResNet50-vd", _on_resnet(ICNet), 32, "resnet50_vd"),
    "bisenetv2": NetworkSpec("BiSeNetV2", BiSeNetV2, 32),
}
NAMES: tuple[str, ...] = tuple(NETWORKS)


def title(name: str) -> str:
    """Return the network's name as the literature writes it."""
    return _lookup(name).title


def build(
    name: str, num_classes: int | None = None, seed: int | None = None, pretrained: str | None = None
) -> nn.Layer:
    """Build the network `name` with random weights, the same ones for the same `seed`, or with trained ones.

    The network accepts images of any height and width (`helpers.models.sizes`). `num_classes`: the channels of its
    outputs; by default as many as the pretrained weights have, else the number of classes of Cityscapes.

    `pretrained`:

    - "miniscapes": the weights in `weights/`, trained on synthetic streets;
    - "imagenet": PaddleSeg's weights for the backbone, from the cache or fetched;
    - "cityscapes": PaddleSeg's weights for the complete network, from the cache or fetched;
    - None or "": none.

    With another number of classes than the weights have, the classifiers keep their random weights.
    Raises CourseError for an unknown name, for no classes, and if the weights do not exist or cannot be loaded.
    """
    network = _lookup(name)
    if pretrained:
        _check_pretrained(name, pretrained)
    card = shipped.cards()[name] if pretrained == "miniscapes" else None
    if num_classes is None:
        num_classes = len(card.classes if card else CITYSCAPES)
    if num_classes < 1:
        raise CourseError(f"Expected at least one class, got num_classes={num_classes}.")
    if seed is not None:
        paddle.seed(seed)
    net = accept_any_size(network.build(num_classes), network.stride)
    set_classes(net, num_classes)
    if pretrained == "imagenet":
        published.load_backbone(net.backbone, network.imagenet)
    elif pretrained == "cityscapes":
        published.load_cityscapes(net, name)
    elif card:
        set_weights(net, shipped.read(name), str(shipped.weights_path(name)), strict=False)
    return net


def _check_pretrained(name: str, pretrained: str) -> None:
    available = {
        "miniscapes": [card.name for card in shipped.cards().values() if not card.pruned],
        "imagenet": [each for each, spec in NETWORKS.items() if spec.imagenet],
        "cityscapes": list(published.CITYSCAPES),
    }
    if pretrained not in available:
        raise CourseError(f"There are no weights {pretrained!r}: choose one of {', '.join(available)}.")
    if name not in available[pretrained]:
        raise CourseError(
            f"There are no {pretrained} weights for {title(name)}, only for {', '.join(available[pretrained])}: "
            "choose one of these, or build it without `pretrained`."
        )


def count_classes(name: str, saved: Saved) -> int | None:
    """Return for how many classes `saved` was trained, from its record, else from the classifier of the network `name`.

    None if it does not have that classifier.
    """
    if saved.num_classes:
        return saved.num_classes
    with without_initialisation():
        one, two = (_lookup(name).build(number).state_dict() for number in (1, 2))
    for key, tensor in one.items():
        if tensor.shape != two[key].shape and key in saved.state and saved.state[key].ndim:
            return len(saved.state[key])
    return None


@contextlib.contextmanager
def without_initialisation(zeros: bool = False) -> Iterator[None]:
    """Build networks without drawing their weights, which would take most of the time.

    The weights then have no memory until they are set, or with `zeros`, are zero.
    """
    fill = nn.initializer.Constant(0.0) if zeros else lambda tensor, block: tensor
    drawing = [NormalInitializer, MSRAInitializer]
    originals = [each.forward for each in drawing]
    for each in drawing:
        each.forward = lambda self, tensor, block=None: fill(tensor, block)
    try:
        yield
    finally:
        for each, original in zip(drawing, originals, strict=True):
            each.forward = original


def _lookup(name: str) -> NetworkSpec:
    if name not in NETWORKS:
        raise CourseError(f"There is no network {name!r}: choose one of {', '.join(NAMES)}.")
    return NETWORKS[name]
