"""Networks by name, their parameters and their multiply-accumulates. Knows nothing of data.

The networks are PaddleSeg's: a layer that maps (N, 3, H, W) float32 to a list of logits (N, classes, H, W), the main
output first and auxiliary outputs after it.
"""

from helpers.models.counting import AUXILIARY_PREFIXES, Cost, LayerCost, cost
from helpers.models.latency import latency_ms
from helpers.models.networks import NAMES, NETWORKS, build, count, title
from helpers.models.quoted import QuotedCount, fastscnn_counts
from helpers.models.structure import Branch, branches

__all__ = [
    "AUXILIARY_PREFIXES",
    "NAMES",
    "NETWORKS",
    "Branch",
    "Cost",
    "LayerCost",
    "QuotedCount",
    "branches",
    "build",
    "cost",
    "count",
    "fastscnn_counts",
    "latency_ms",
    "title",
]
