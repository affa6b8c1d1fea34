"""Prune filters: rank them, plan which to remove, apply the plan, save and load it.

A filter is one output channel of a convolution. Removing it also removes its batch norm values and the matching input
channel of every layer that reads it. Channels that are added to each other can only be removed together. PaddleSlim
ranks the filters (by default as Li et al., "Pruning Filters for Efficient ConvNets", 2017) and applies the plan. A plan
names parameters by their path in the network ("classifier.conv.weight"), not by Paddle's counters ("conv2d_38.w_0"),
which differ from process to process (Paddle issue 32739).
"""

from helpers.models.pruned import PLAN, Plan, apply_plan, load_pruned, save_pruned
from helpers.pruning.analysis import CRITERIA, Analysis, filter_norms, prune
from helpers.pruning.experiments import (
    UNPRUNED,
    FineTuned,
    against_random,
    compare_times,
    fine_tune,
    measured_ms,
    named_plans,
    norm_table,
    plan_name,
    prediction_errors,
    pruned_copy,
    ranking_and_allocation,
    round_ratios,
    time_plans,
    time_table,
    time_verdict,
    weight_under_decay,
)
from helpers.pruning.finetune import distilled, refresh_statistics, rewound
from helpers.pruning.latency import LatencyModel, export_plans, fastest_engine, fit_latency, measure_exports
from helpers.pruning.sensitivity import quick_miou, sensitivity

__all__ = [
    "CRITERIA",
    "PLAN",
    "UNPRUNED",
    "Analysis",
    "FineTuned",
    "LatencyModel",
    "Plan",
    "against_random",
    "apply_plan",
    "compare_times",
    "distilled",
    "export_plans",
    "fastest_engine",
    "filter_norms",
    "fine_tune",
    "fit_latency",
    "load_pruned",
    "measure_exports",
    "measured_ms",
    "named_plans",
    "norm_table",
    "plan_name",
    "prediction_errors",
    "prune",
    "pruned_copy",
    "quick_miou",
    "ranking_and_allocation",
    "refresh_statistics",
    "rewound",
    "round_ratios",
    "save_pruned",
    "sensitivity",
    "time_plans",
    "time_table",
    "time_verdict",
    "weight_under_decay",
]
