"""Hyperparameters of the trainings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    optimiser : str
        "adamw", with decoupled weight decay, or "adam", with the decay in the gradient. Convolutions decay; biases
        and batch norm do not.
    lr : float
        Largest learning rate: reached after `warmup` steps, then it decays as (1 - t)^`power`, with t the elapsed
        share of the time.
    weight_decay : float
        Factor of the decay.
    warmup : int
        Steps of linear warm-up.
    power : float
        Exponent of the decay of the learning rate.
    class_balance : float
        Classes are weighted by 1 / ln(class_balance + share of the pixels).
    scales : tuple of float
        Factors by which batches are resized, each as likely as the others.
    jitter : float
        Brightness, contrast and saturation are multiplied by 1 - jitter to 1 + jitter.
    """

    optimiser: str
    lr: float
    weight_decay: float
    warmup: int = 100
    power: float = 0.9
    class_balance: float = 1.1
    scales: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    jitter: float = 0.4


RECIPES: dict[str, Recipe] = {
    "hrnet": Recipe("adamw", lr=2e-3, weight_decay=1e-2),
    "fastscnn": Recipe("adam", lr=4e-3, weight_decay=1e-3),
    "fine_tuning": Recipe("adam", lr=1e-3, weight_decay=3e-4),
}
