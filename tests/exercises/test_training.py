"""The checks of notebook 02 accept right answers and name the mistake of wrong ones.

`tests/notebooks/test_exercises.py` runs the mistakes that the checks know; here are the answers themselves.
"""

import numpy as np
import pytest

from helpers.exercises.training import attempt, check_joint_statistics, check_mean_loss, check_receptive_field


def test_receptive_field():
    def right(kernels, strides):
        field, step = 1, 1
        for kernel, stride in zip(kernels, strides, strict=True):
            field += (kernel - 1) * step
            step *= stride
        return field

    def no_strides(kernels, strides):
        return 1 + sum(kernel - 1 for kernel in kernels)

    def own_stride_first(kernels, strides):
        field, step = 1, 1
        for kernel, stride in zip(kernels, strides, strict=True):
            step *= stride
            field += (kernel - 1) * step
        return field

    def whole_kernels(kernels, strides):
        return sum(kernel * step for kernel, step in zip(kernels, np.cumprod([1, *strides[:-1]]), strict=True))

    def single_strides(kernels, strides):
        return 1 + sum((kernel - 1) * stride for kernel, stride in zip(kernels, strides, strict=True))

    assert check_receptive_field(right).solved
    hints = {no_strides: "track the step", own_stride_first: "before its own stride", whole_kernels: "overlap"}
    for wrong, hint in (hints | {single_strides: "Strides multiply"}).items():
        assert hint in check_receptive_field(wrong).message


def test_mean_loss():
    def right(losses, label):
        kept = losses[label != 255]
        return kept.mean() if kept.size else 0.0

    def everything(losses, label):
        return losses.mean()

    def divided_by_all(losses, label):
        return losses[label != 255].sum() / losses.size

    def zero_is_ignored(losses, label):
        kept = losses[(label != 255) & (label > 0)]
        return kept.mean() if kept.size else 0.0

    def zero_by_zero(losses, label):
        with np.errstate(invalid="ignore"):
            return losses[label != 255].sum() / np.float64((label != 255).sum())

    assert check_mean_loss(right).solved
    hints = {everything: "must not count", divided_by_all: "divides by all", zero_by_zero: "0/0"}
    for wrong, hint in (hints | {zero_is_ignored: "Class 0"}).items():
        assert hint in check_mean_loss(wrong).message


def test_joint_statistics():
    def right(means, variances):
        return np.mean(means), np.mean(variances) + np.var(means)

    def averaged(means, variances):
        return np.mean(means), np.mean(variances)

    def squares(means, variances):
        return np.mean(means), np.mean(np.array(variances) + np.array(means) ** 2)

    generator = np.random.default_rng(0)
    parts = generator.normal(size=(3, 50))
    mean, variance = right(parts.mean(axis=1), parts.var(axis=1))
    np.testing.assert_allclose([mean, variance], [parts.mean(), parts.var()])
    assert check_joint_statistics(right).solved
    assert "distance between the means" in check_joint_statistics(averaged).message
    assert "squared values" in check_joint_statistics(squares).message


@pytest.mark.parametrize("check", [check_receptive_field, check_mean_loss, check_joint_statistics])
def test_an_empty_body_is_reported(check):
    def empty(one, other): ...

    assert "nothing yet" in check(empty).message


def test_an_attempt_never_raises():
    assert attempt(lambda a, b: a / b, 4, 2) == 2
    assert attempt(lambda a, b: a / b, 4, 0) == "ZeroDivisionError"
