"""ICNet, which PaddleSeg dropped after 0.8: one image at three sizes, with the deepest layers at the smallest.

Zhao et al. 2018, "ICNet for Real-Time Semantic Segmentation on High-Resolution Images", arXiv:1704.08545. Details that
the paper leaves open follow its figures 3 and 4; the backbone is PaddleSeg's ResNet50-vd at full width,
where the paper halves the filters of its PSPNet50 after training.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddleseg.models import layers

FUSED_CHANNELS = 128
CONTEXT_CHANNELS = 256
POOLING_BINS = (1, 2, 3, 6)


class ICNet(nn.Layer):
    """Maps images (N, 3, H, W) to logits.

    In training: three, at 1/4, 1/8 and 1/16 of the image's size, for the cascade loss, whose weights are 1, 0.4 and
    0.16 in the paper's section 3.3 (`aux_weights` of a recipe). In evaluation: one, (N, classes, H, W).
    `backbone`: a ResNet of PaddleSeg with output stride 8; its first two stages see the image at half size, and the
    others their output at a quarter, so both share weights.
    """

    def __init__(self, num_classes: int, backbone: nn.Layer):
        super().__init__()
        self.backbone = backbone
        _, medium_channels, _, deep_channels = backbone.feat_channels
        self.context = _PyramidSum(deep_channels, CONTEXT_CHANNELS)
        # The full image passes three cheap convolutions only.
        self.detail = nn.Sequential(
            layers.ConvBNReLU(3, 32, 3, stride=2, bias_attr=False),
            layers.ConvBNReLU(32, 32, 3, stride=2, bias_attr=False),
            layers.ConvBNReLU(32, 64, 3, stride=2, bias_attr=False),
        )
        self.fuse_medium = _CascadeFeatureFusion(CONTEXT_CHANNELS, medium_channels, FUSED_CHANNELS)
        self.fuse_detail = _CascadeFeatureFusion(FUSED_CHANNELS, 64, FUSED_CHANNELS)
        self.classifier = nn.Conv2D(FUSED_CHANNELS, num_classes, 1)
        self.auxlayer_medium = nn.Conv2D(CONTEXT_CHANNELS, num_classes, 1)
        self.auxlayer_detail = nn.Conv2D(FUSED_CHANNELS, num_classes, 1)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        size_hw = paddle.shape(x)[2:]
        detail = self.detail(x)  # 1/8
        medium = self._first_stages(_halved(x))  # 1/16
        deep = self.context(self._last_stages(_halved(medium)))  # 1/32
        fused, deep_up = self.fuse_medium(deep, medium)  # 1/16
        fused, medium_up = self.fuse_detail(fused, detail)  # 1/8
        logits = self.classifier(F.interpolate(fused, 2 * paddle.shape(fused)[2:], mode="bilinear"))  # 1/4
        if not self.training:
            return [F.interpolate(logits, size_hw, mode="bilinear")]
        return [logits, self.auxlayer_detail(medium_up), self.auxlayer_medium(deep_up)]

    def _first_stages(self, x: paddle.Tensor) -> paddle.Tensor:
        net = self.backbone
        return _run(net.stage_list[:2], net.pool2d_max(net.conv1_3(net.conv1_2(net.conv1_1(x)))))

    def _last_stages(self, x: paddle.Tensor) -> paddle.Tensor:
        return _run(self.backbone.stage_list[2:], x)


class _CascadeFeatureFusion(nn.Layer):
    """Section 3.2: the lower map doubled in size and convolved with dilation 2, plus the higher one projected.

    Returns the fused map and the enlarged lower one, on which the auxiliary classifier sits.
    """

    def __init__(self, low_channels: int, high_channels: int, channels: int):
        super().__init__()
        self.low = layers.ConvBN(low_channels, channels, 3, padding=2, dilation=2, bias_attr=False)
        self.high = layers.ConvBN(high_channels, channels, 1, bias_attr=False)

    def forward(self, low: paddle.Tensor, high: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        low = F.interpolate(low, paddle.shape(high)[2:], mode="bilinear")
        return F.relu(self.low(low) + self.high(high)), low


class _PyramidSum(nn.Layer):
    """Add averages over 1, 4, 9 and 36 parts of the map to it, then reduce its channels: PSPNet's pooling with a sum
    instead of a concatenation."""

    def __init__(self, channels: int, out_channels: int):
        super().__init__()
        self.pools = nn.LayerList([nn.AdaptiveAvgPool2D(bins) for bins in POOLING_BINS])
        self.project = layers.ConvBNReLU(channels, out_channels, 1, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        size_hw = paddle.shape(x)[2:]
        pooled = [F.interpolate(pool(x), size_hw, mode="bilinear") for pool in self.pools]
        return self.project(sum(pooled, x))


def _halved(x: paddle.Tensor) -> paddle.Tensor:
    return F.interpolate(x, (paddle.shape(x)[2:] + 1) // 2, mode="bilinear")


def _run(stages: list[list[nn.Layer]], x: paddle.Tensor) -> paddle.Tensor:
    for stage in stages:
        for block in stage:
            x = block(x)
    return x
