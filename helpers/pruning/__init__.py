"""Make a network smaller: rank filters, plan which go, apply the plan, save it and apply it again.

A filter is one output channel of a convolution. Removing it also removes its batch norm values and the matching input
channel of every layer that reads it; channels that are added to each other can only go together. PaddleSlim ranks the
filters (Li et al., "Pruning Filters for Efficient ConvNets", 2017, by default) and applies the plan. A plan names
parameters by their place in the network ("classifier.conv.weight"), never by Paddle's own counters ("conv2d_38.w_0"),
which differ from process to process (Paddle issue 32739).
"""

from helpers.models.pruned import PLAN, Plan, apply_plan, load_pruned, save_pruned
from helpers.pruning.analysis import CRITERIA, Analysis, filter_norms, prune
from helpers.pruning.finetune import distilled, refresh_statistics, rewound
from helpers.pruning.latency import LatencyModel, export_plans, fastest_engine, fit_latency, measure_exports
from helpers.pruning.sensitivity import quick_miou, sensitivity

__all__ = [
    "CRITERIA",
    "PLAN",
    "Analysis",
    "LatencyModel",
    "Plan",
    "apply_plan",
    "distilled",
    "export_plans",
    "fastest_engine",
    "filter_norms",
    "fit_latency",
    "load_pruned",
    "measure_exports",
    "prune",
    "quick_miou",
    "refresh_statistics",
    "rewound",
    "save_pruned",
    "sensitivity",
]
