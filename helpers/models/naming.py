"""What the names of PaddleSeg's layers say: auxiliary heads, and layers that never run."""

from __future__ import annotations

import re

# Layers that exist for the auxiliary loss only. OCR's `aux_head` is not one of them: its output feeds the main one.
AUXILIARY_PREFIXES = ("auxlayer",)
_AUXILIARY = re.compile(r"(^|\.)(auxlayer|aux_head\d)")
_NEVER_RUN = re.compile(r"^(backbone\.)?last_layer\.")  # of U-HRNet's backbone


def is_auxiliary(name: str) -> bool:
    """Whether the layer or tensor `name` belongs to an auxiliary head, which an exported network does not carry."""
    return _AUXILIARY.search(name) is not None


def is_needless(name: str) -> bool:
    """Whether the network predicts without the tensor `name`: auxiliary heads, and U-HRNet's `backbone.last_layer`,
    which PaddleSeg builds and its forward pass never calls."""
    return is_auxiliary(name) or _NEVER_RUN.search(name) is not None
