"""Five numbers that are quoted as "the FLOPs of Fast-SCNN", each split into what it counts.

Ours (`helpers.models.cost`) are the multiply-accumulates of the convolutions that are deployed. The others count
another network, count more operators, or miss some; `tests/models/test_quoted.py` compares them with the tools
themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from paddleseg.models import layers

from helpers.models.counting import LayerCost, cost
from helpers.models.naming import AUXILIARY_PREFIXES
from helpers.models.networks import build

# PaddleSlim reads sizes from a program in which the size after a resize to a computed size is unknown, -1 by -1. These
# two convolutions come before an addition makes it known again, and count as if their output had one pixel.
_SIZE_UNKNOWN = ("feature_fusion.dwconv._conv", "feature_fusion.conv_low_res._conv")
_BINS = (1, 2, 3, 6)  # of the pyramid pooling


@dataclass(frozen=True)
class QuotedCount:
    """A count at one size: `parts` are (reason, amount), and the first one is our own count."""

    name: str
    parts: tuple[tuple[str, int], ...]

    @property
    def giga(self) -> float:
        """The sum of all parts in 10^9."""
        return sum(amount for _, amount in self.parts) / 1e9


def fastscnn_counts(size_hw: tuple[int, int] = (1024, 2048)) -> list[QuotedCount]:
    """Return the counts of Fast-SCNN that are in use, and why each differs from ours."""
    net = build("fastscnn")
    whole = cost(net, size_hw, auxiliary=True).layers
    now = {layer.name: layer for layer in whole if not layer.name.startswith(AUXILIARY_PREFIXES)}
    then = {layer.name: layer for layer in cost(build("fastscnn_2020"), size_hw).layers}
    ours = ("convolutions that are deployed", sum(layer.macs for layer in now.values()))
    auxiliary = ("auxiliary head, for training only", sum(layer.macs for layer in whole) - ours[1])
    pyramid, fusion = "global_feature_extractor.ppm.conv_bn_relu2._conv", "feature_fusion.dwconv._conv"
    blocks = dict(net.named_sublayers())
    one_pixel = sum(now[name].macs // _pixels(now[name]) - now[name].macs for name in _SIZE_UNKNOWN)
    normed = [layer for layer in whole if hasattr(blocks[layer.name.rpartition(".")[0]], "_batch_norm")]
    biased = [layer for layer in whole if blocks[layer.name].bias is not None]
    activated = [layer for layer in normed if isinstance(blocks[layer.name.rpartition(".")[0]], layers.ConvBNReLU)]
    activated.append(now["feature_fusion.conv_high_res._conv"])  # applied to the sum of both branches
    pools = [(blocks["global_feature_extractor.bottleneck3.2.block.2._conv"].weight.shape[0], bins) for bins in _BINS]
    smallest = now["global_feature_extractor.bottleneck3.2.block.2._conv"].out_hw
    return [
        QuotedCount("this course", (ours,)),
        QuotedCount("with its auxiliary head", (ours, auxiliary)),
        QuotedCount(
            "published, PaddleSeg 0.4 to 0.8",
            (
                ours,
                ("pyramid ended in a 1x1 convolution, not 3x3", then[pyramid].macs - now[pyramid].macs),
                ("fusion began with a dense 1x1, not a depthwise 3x3", then[fusion].macs - now[fusion].macs),
            ),
        ),
        QuotedCount(
            "PaddleSlim 2.6, dygraph_flops",
            (
                ours,
                ("two convolutions behind a resize count one pixel", one_pixel),
                ("batch norm, two for each value", 2 * _values_known(normed)),
                ("activations, one for each value", _values_known(activated)),
                ("pooling", sum(2 * channels * bins**4 for channels, bins in pools)),
            ),
        ),
        QuotedCount(
            "paddle.flops",
            (
                ours,
                auxiliary,
                ("biases, one for each value", sum(map(_values, biased))),
                ("batch norm, two for each value", 2 * sum(map(_values, normed))),
                (
                    "pooling",
                    sum(c * bins**2 * ((smallest[0] // bins) * (smallest[1] // bins) + 1) for c, bins in pools),
                ),
            ),
        ),
    ]


def _pixels(layer: LayerCost) -> int:
    return layer.out_hw[0] * layer.out_hw[1]


def _values(layer: LayerCost) -> int:
    return layer.out_channels * _pixels(layer)


def _values_known(chosen: list[LayerCost]) -> int:
    """Count the output values of the deployed layers among `chosen`, as far as PaddleSlim knows their size."""
    deployed = [layer for layer in chosen if not layer.name.startswith(AUXILIARY_PREFIXES)]
    return sum(layer.out_channels if layer.name in _SIZE_UNKNOWN else _values(layer) for layer in deployed)
