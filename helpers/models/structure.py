"""The stages of HRNet and U-HRNet from a counted network: at which resolution each works, and how wide."""

from __future__ import annotations

import re
from dataclasses import dataclass

from helpers.common.errors import CourseError
from helpers.models.counting import Cost

# PaddleSeg names: the stem's convolutions, then the first stage `la1`, the transitions `tr1`.. and the stages `st2`..
_BLOCK = re.compile(r"^backbone\.(conv_layer1|la1|tr\d|st\d)")
_BRANCH = re.compile(r"\.branches_func\.|^backbone\.(conv_layer1|la1)")


@dataclass(frozen=True)
class Branch:
    """One resolution of a stage: `stride` 4 is a quarter of the height; `channels` of its feature maps; `macs` of its
    convolutions with output at this resolution, including the transition into the stage and the exchange between
    resolutions."""

    stage: int
    stride: int
    channels: int
    macs: int


def branches(cost: Cost) -> list[Branch]:
    """Return the branches of an HRNet or U-HRNet in the order of stages; stage 0 is the stem.

    Raises CourseError for other networks.
    """
    found: dict[tuple[int, int], list[int]] = {}
    for layer in cost.layers:
        block = _BLOCK.match(layer.name)
        if block is None:
            continue
        key = _stage(block.group(1)), round(cost.padded_hw[0] / layer.out_hw[0])
        channels, macs = found.get(key, (0, 0))
        if _BRANCH.search(layer.name) and ".squeeze" not in layer.name:
            channels = layer.out_channels
        found[key] = [channels, macs + layer.macs]
    if not found:
        raise CourseError("The network has no HRNet stages: give the cost of an HRNet or a U-HRNet.")
    return [Branch(stage, stride, *values) for (stage, stride), values in sorted(found.items()) if values[0]]


def _stage(block: str) -> int:
    """Return 0 for the stem, 1 for `la1`, else the number in `st4`; `tr3` leads into stage 4."""
    if block == "conv_layer1":
        return 0
    return int(block[2:]) + (1 if block.startswith("tr") else 0)
