"""What a pruned network must equal: the unpruned one with the removed filters set to zero."""

import copy

import numpy as np
from paddle import nn

from helpers.pruning import Plan


def with_filters_at_zero(net: nn.Layer, plan: Plan) -> nn.Layer:
    """Return a copy of `net` in which the filters that `plan` removes are zero, with biases and batch norm."""
    zeroed = copy.deepcopy(net)
    tensors = dict(zeroed.named_parameters())
    for group in plan.groups:
        removed = np.setdiff1d(np.arange(group.channels), group.kept)
        for member in group.members:
            if member.axis == 0 and not member.tensor.endswith(("_mean", "_variance")):
                values = tensors[member.tensor].numpy()
                values[member.positions(removed)] = 0
                tensors[member.tensor].set_value(values)
    return zeroed
