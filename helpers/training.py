"""Fit a network to frames: the loop, the schedule, checkpoints that a killed run continues from.

PaddleSeg's own loop (`paddleseg.core.train`) fails on Paddle 3: it indexes the loss, which is 0-D since Paddle 2.5.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from helpers.cityscapes import IGNORE, NUM_CLASSES, Frame, class_pixels
from helpers.cpu_ops import cross_entropy, fast_training
from helpers.datasets import training_batches
from helpers.devices import use_device
from helpers.errors import CourseError
from helpers.files import atomic_path, read_json, write_json
from helpers.profiles import Recipe
from helpers.progress import progress

WEIGHTS = "model.pdparams"
HISTORY = "history.json"
CHECKPOINT = "unfinished.pdckpt"
CHECKPOINT_SECONDS = 60


@dataclass
class History:
    """One value per iteration: `loss` (before the step) and `lr`; `seconds` is the time spent training in all."""

    loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def loss_around(self, first: bool, count: int = 20) -> float:
        """Mean loss of the first or last `count` iterations (of a tenth of them in a short run)."""
        count = max(1, min(count, len(self.loss) // 10))
        return float(np.mean(self.loss[:count] if first else self.loss[-count:]))


def learning_rate(recipe: Recipe, iteration: int) -> float:
    """The learning rate of an iteration, counted from 0: a linear rise over `warmup` iterations, then the polynomial

    lr(i) = (lr - min_lr) * (1 - i / n) ** power + min_lr, where i and n do not count the warm-up.
    """
    if iteration < recipe.warmup:
        return recipe.lr * (iteration + 1) / (recipe.warmup + 1)
    left = 1 - (iteration - recipe.warmup) / (recipe.iterations - recipe.warmup)
    return (recipe.lr - recipe.min_lr) * max(0.0, left) ** recipe.power + recipe.min_lr


def class_weights(frames: list[Frame], balance: float) -> np.ndarray:
    """Weight of each class in the loss, float32 (19,): 1 / ln(balance + share of the pixels), scaled to a mean of 1
    over the labelled pixels; all ones where `balance` is 0.

    The formula is ENet's (Paszke et al. 2016, section 5.1), which has 1.02 for `balance`; larger is milder.
    """
    if not balance:
        return np.ones(NUM_CLASSES, dtype=np.float32)
    pixels = class_pixels(frames)
    share = pixels / pixels.sum()
    weights = 1 / np.log(balance + share)
    return (weights / (weights * share).sum()).astype(np.float32)


def segmentation_loss(
    outputs: list[paddle.Tensor],
    label: paddle.Tensor,
    output_weights: tuple[float, ...],
    class_weights: paddle.Tensor | None = None,
) -> paddle.Tensor:
    """Weighted sum of the mean cross-entropy of each output (N, 19, H, W) to train ids (N, H, W) int64.

    Ignored pixels take no part. `output_weights` has one factor per output, the main one first; `class_weights`
    float32 (19,) weighs the pixels by their class.
    """
    if len(output_weights) < len(outputs):
        raise CourseError(
            f"The network has {len(outputs)} outputs but the recipe weighs {len(output_weights)}: "
            "give `aux_weights` one factor for each in profiles.toml."
        )
    if class_weights is None:
        class_weights = paddle.ones([outputs[0].shape[1]])
    losses = [
        weight * cross_entropy(logits, label, class_weights, IGNORE)
        for logits, weight in zip(outputs, output_weights, strict=False)
    ]
    return sum(losses[1:], losses[0])


def fit(
    net: nn.Layer,
    frames: list[Frame],
    recipe: Recipe,
    *,
    seed: int,
    folder: str | Path,
    device: str = "auto",
    workers: int = 0,
    name: str = "training",
    loss_fn: Callable[[list[paddle.Tensor], paddle.Tensor], paddle.Tensor] | None = None,
) -> History:
    """Train `net` in place and write `model.pdparams` and `history.json` into `folder`.

    A checkpoint is written every minute; the same call on the same folder continues an interrupted run from it and
    ends with the same weights. Earlier results in `folder` are replaced only when training has ended.
    `loss_fn` maps (outputs, train ids) to a scalar; by default it is `segmentation_loss`.
    Raises CourseError when the loss is not finite.
    """
    use_device(device)
    folder = Path(folder)
    if loss_fn is None:
        balance = paddle.to_tensor(class_weights(frames, recipe.class_balance))
        loss_fn = partial(segmentation_loss, output_weights=recipe.aux_weights, class_weights=balance)
    schedule = paddle.optimizer.lr.LambdaDecay(1.0, lambda iteration: learning_rate(recipe, iteration))
    optimiser = _optimiser(recipe, schedule, net)
    run = _fingerprint(net, frames, recipe, seed)
    history = _resume(folder / CHECKPOINT, run, net, optimiser) or History()
    schedule.step(len(history.loss))

    net.train()
    done, started, saved = len(history.loss), time.monotonic() - history.seconds, time.monotonic()
    batches = training_batches(frames, recipe, seed, start=done, workers=workers)
    with progress(total=recipe.iterations, initial=done, desc=name, unit="step") as bar, fast_training(net):
        for iteration, (image, label) in enumerate(batches, start=done):
            # Dropout draws from Paddle's generator: like the samples, a function of seed and iteration, so that a
            # continued run needs no saved generator.
            paddle.seed(int(np.random.SeedSequence((seed, iteration)).generate_state(1)[0]))
            loss = loss_fn(net(image), label)
            value = loss.item()
            if not math.isfinite(value):
                raise CourseError(
                    f"The loss became {value} at iteration {iteration + 1} of {recipe.iterations}: "
                    f"try a learning rate below {recipe.lr} or a longer warm-up than {recipe.warmup} iterations."
                )
            loss.backward()
            optimiser.step()
            optimiser.clear_grad()
            history.loss.append(value)
            history.lr.append(optimiser.get_lr())
            schedule.step()
            history.seconds = time.monotonic() - started
            bar.set_postfix(loss=f"{value:.3f}", refresh=False)
            bar.update()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                _checkpoint(folder / CHECKPOINT, run, net, optimiser, history)
                saved = time.monotonic()
    net.eval()
    save_weights(net, folder / WEIGHTS)
    write_json(folder / HISTORY, asdict(history))
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return history


def _optimiser(recipe: Recipe, schedule: paddle.optimizer.lr.LRScheduler, net: nn.Layer) -> paddle.optimizer.Optimizer:
    if recipe.optimiser == "sgd":
        return paddle.optimizer.Momentum(
            schedule, recipe.momentum, parameters=net.parameters(), weight_decay=recipe.weight_decay
        )
    if recipe.optimiser == "adamw":
        return paddle.optimizer.AdamW(schedule, parameters=net.parameters(), weight_decay=recipe.weight_decay)
    raise CourseError(f"There is no optimiser {recipe.optimiser!r}: write sgd or adamw in profiles.toml.")


def save_weights(net: nn.Layer, path: str | Path) -> None:
    """Write the parameters and statistics of `net`, whole or not at all."""
    with atomic_path(path) as temporary:
        paddle.save(net.state_dict(), str(temporary))


def load_weights(net: nn.Layer, path: str | Path) -> nn.Layer:
    """Load weights into `net` and return it in evaluation mode.

    Raises CourseError when the file is missing or belongs to another network.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"There are no weights at {path}: train the network first.")
    state = paddle.load(str(path))
    own = net.state_dict()
    unlike = [key for key in own.keys() | state.keys() if key not in own or key not in state]
    unlike += [key for key in own if key in state and list(own[key].shape) != list(state[key].shape)]
    if unlike:
        raise CourseError(
            f"{path} holds the weights of another network: {len(unlike)} of {len(own)} tensors differ, "
            f"the first is {sorted(unlike)[0]}; build the network that it was saved from."
        )
    net.set_state_dict(state)
    net.eval()
    return net


def load_history(folder: str | Path) -> History:
    """The history that `fit` left in `folder`."""
    return History(**read_json(Path(folder) / HISTORY))


def _fingerprint(net: nn.Layer, frames: list[Frame], recipe: Recipe, seed: int) -> str:
    """What must be equal for a run to be the continuation of another."""
    shapes = [(name, list(parameter.shape)) for name, parameter in net.named_parameters()]
    facts = [shapes, [frame.stem for frame in frames], asdict(recipe), seed]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _checkpoint(path: Path, run: str, net: nn.Layer, optimiser: paddle.optimizer.Optimizer, history: History) -> None:
    state = {
        "run": run,
        "net": net.state_dict(),
        "optimiser": _renamed(optimiser.state_dict(), {own: name for name, own in _parameter_names(net).items()}),
        "history": asdict(history),
    }
    with atomic_path(path) as temporary:
        paddle.save(state, str(temporary))


def _resume(path: Path, run: str, net: nn.Layer, optimiser: paddle.optimizer.Optimizer) -> History | None:
    """Load the checkpoint of the same run, if there is one."""
    if not path.is_file():
        return None
    state = paddle.load(str(path))
    if state["run"] != run:
        return None
    net.set_state_dict(state["net"])
    optimiser.set_state_dict(_renamed(state["optimiser"], _parameter_names(net)))
    return History(**state["history"])


def _parameter_names(net: nn.Layer) -> dict[str, str]:
    """From a parameter's place in the network to the name that Paddle gave it, which counts up over the process."""
    return {place: parameter.name for place, parameter in net.named_parameters()}


def _renamed(state: dict, names: dict[str, str]) -> dict:
    """Optimiser state with the parameter name at the start of each key replaced; the schedule's state is left out."""
    renamed = {}
    for key, value in state.items():
        if key == "LR_Scheduler":
            continue
        # "<parameter>_velocity_0": the longest name that fits, since one name may be the beginning of another.
        name = max((name for name in names if key.startswith(f"{name}_")), key=len)
        renamed[names[name] + key.removeprefix(name)] = value
    return renamed
