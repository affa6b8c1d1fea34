"""Networks by name, their parameters and their multiply-accumulates, for any classes and image sizes.

The networks are PaddleSeg's: a layer that maps (N, 3, H, W) float32 to a list of logits (N, classes, H, W), the main
output first and auxiliary outputs after it.
"""

from helpers.models.cards import Card, CardScores, CurvePoint
from helpers.models.counting import Cost, LayerCost, cost, latency_ms
from helpers.models.memory import training_memory
from helpers.models.naming import AUXILIARY_PREFIXES
from helpers.models.networks import NAMES, NETWORKS, build, title
from helpers.models.pruned import PLAN, Group, Member, Plan, apply_plan, load_pruned, load_shipped, save_pruned
from helpers.models.quoted import QuotedCount, fastscnn_counts
from helpers.models.shipped import cards
from helpers.models.sizes import padded_hw, stride_of, uncropped
from helpers.models.structure import Branch, branches
from helpers.models.trained import load_saved, load_trained
from helpers.models.weights import WEIGHTS, load_weights, save_weights

__all__ = [
    "AUXILIARY_PREFIXES",
    "NAMES",
    "NETWORKS",
    "PLAN",
    "WEIGHTS",
    "Branch",
    "Card",
    "CardScores",
    "Cost",
    "CurvePoint",
    "Group",
    "LayerCost",
    "Member",
    "Plan",
    "QuotedCount",
    "apply_plan",
    "branches",
    "build",
    "cards",
    "cost",
    "fastscnn_counts",
    "latency_ms",
    "load_pruned",
    "load_saved",
    "load_shipped",
    "load_trained",
    "load_weights",
    "padded_hw",
    "save_pruned",
    "save_weights",
    "stride_of",
    "title",
    "training_memory",
    "uncropped",
]
