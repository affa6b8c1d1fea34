"""The checks of notebook 02 answer each likely mistake with its hint."""

import numpy as np

from helpers.exercises.training import check_joint_statistics, check_polynomial_decay, check_receptive_field


def test_right_solution_passes():
    def decay(iteration, iterations, lr, lr_end, power):
        return (lr - lr_end) * (1 - iteration / iterations) ** power + lr_end

    assert check_polynomial_decay(decay).solved


def test_mistakes_get_their_hint():
    def empty(iteration, iterations, lr, lr_end, power): ...

    def no_end(iteration, iterations, lr, lr_end, power):
        return lr * (1 - iteration / iterations) ** power

    def wrong_power(iteration, iterations, lr, lr_end, power):
        return (lr * (1 - iteration / iterations)) ** power

    def upside_down(iteration, iterations, lr, lr_end, power):
        return (lr - lr_end) * (iteration / iterations) ** power + lr_end

    assert "nothing yet" in check_polynomial_decay(empty).message
    assert "add lr_end" in check_polynomial_decay(no_end).message
    assert "only this share" in check_polynomial_decay(wrong_power).message
    assert "The remaining share" in check_polynomial_decay(upside_down).message
    assert not any(check_polynomial_decay(wrong).solved for wrong in (empty, no_end, wrong_power, upside_down))


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

    assert check_receptive_field(right).solved
    for wrong in (no_strides, own_stride_first):
        assert "stem" in check_receptive_field(wrong).message


def test_joint_statistics():
    def right(means, variances):
        return np.mean(means), np.mean(variances) + np.var(means)

    def averaged(means, variances):
        return np.mean(means), np.mean(variances)

    generator = np.random.default_rng(0)
    parts = generator.normal(size=(3, 50))
    mean, variance = right(parts.mean(axis=1), parts.var(axis=1))
    np.testing.assert_allclose([mean, variance], [parts.mean(), parts.var()])
    assert check_joint_statistics(right).solved
    assert "dark and a bright image" in check_joint_statistics(averaged).message
