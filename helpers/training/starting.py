"""The trained network that a notebook starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from paddle import nn

from helpers.common.errors import CourseError
from helpers.datasets import Dataset, Frame
from helpers.devices import use_device
from helpers.models import PLAN, WEIGHTS, build, cards, load_trained, title
from helpers.models.networks import without_initialisation
from helpers.profiles import Profile, Recipe
from helpers.training.history import load_identity
from helpers.training.loop import fit

STARTS = ("shipped", "random")


def train_or_load(
    name: str,
    profile: Profile,
    frames: list[Frame],
    folder: str | Path,
    *,
    seed: int = 0,
    device: str = "auto",
    val_frames: list[Frame] | None = None,
    start: str = "shipped",
) -> nn.Layer:
    """Return the trained network `name` for the classes of `frames`, in evaluation mode; train it first if necessary.

    With `profile.weights` "miniscapes" the network comes with the course if it was trained on the data set of `frames`.
    For another data set it starts from these weights, with a new classifier unless the classes have the same names, and
    is trained for as long as `profile.finetune`. With "trained" it is trained by `profile.recipe(name)`. A network that
    was trained here before is read from `folder`. An interrupted training is resumed.

    Parameters
    ----------
    name : str
        A name for `models.build`, such as "fastscnn".
    profile : Profile
        Where weights come from, and how to train.
    frames : list of Frame
        Training frames.
    folder : str or Path
        Folder of the run.
    seed : int, default 0
        Seed of the weights and of the crops.
    device : str, default "auto"
        "auto", "cpu" or "gpu:0".
    val_frames : list of Frame, optional
        Scored during training, see `fit`.
    start : str, default "shipped"
        "random" trains for as long from random weights, for comparison, if `profile.weights` is "miniscapes".

    Raises CourseError for another start, for a pruned network that does not exist yet, and if `folder` has a network
    for other classes or of the other start.
    """
    if start not in STARTS:
        raise CourseError(f"Expected the start {' or '.join(map(repr, STARTS))}, got {start!r}.")
    if not frames:
        raise CourseError("Expected at least one training frame, got an empty list: check `data_root`.")
    dataset, from_shipped = frames[0].dataset, profile.weights == "miniscapes" and start == "shipped"
    if from_shipped and name in cards() and _trained_on(name, dataset):
        return load_trained(name, profile.weights, folder)
    recipe = _recipe(name, profile, start)
    if any((Path(folder) / each).is_file() for each in (WEIGHTS, PLAN)):  # a plan belongs to a pruned network
        _check_run(Path(folder), recipe, dataset)
        return load_trained(name, "trained", folder, num_classes=len(dataset.classes))
    if name in cards() and cards()[name].pruned:
        raise CourseError(
            f"There is no pruned network for the data set {dataset.name} in {folder}: run notebook 04 on it first."
        )
    use_device(device)
    if from_shipped and not recipe.pretrained:
        print(f"The course has no weights for {title(name)}: training it from random weights.")
    net = _start(name, dataset, recipe, seed)
    fit(net, frames, recipe, seed=seed, folder=folder, device=device, name=title(name), val_frames=val_frames)
    return net


def _trained_on(name: str, dataset: Dataset) -> bool:
    """Return whether the shipped weights `name` were trained on this data set."""
    return dataset.name == cards()[name].data["set"] and dataset.classes.names == cards()[name].classes


def _recipe(name: str, profile: Profile, start: str) -> Recipe:
    """Return how to train `name`; `pretrained` says from which weights."""
    own, short = profile.recipe(name), profile.finetune
    if profile.weights != "miniscapes":
        return own
    if start == "shipped" and name not in cards():
        return replace(own, pretrained="")
    if start == "random":
        warmup = min(own.warmup, short.iterations // 4)
        return replace(own, iterations=short.iterations, warmup=warmup, pretrained="")
    if own is not profile.fastscnn:
        short = replace(own, iterations=short.iterations, lr=short.lr, min_lr=short.min_lr, warmup=short.warmup)
    return replace(short, pretrained="miniscapes")


def _start(name: str, dataset: Dataset, recipe: Recipe, seed: int) -> nn.Layer:
    count = len(dataset.classes)
    net = build(name, count, seed=seed, pretrained=recipe.pretrained)
    if recipe.pretrained and dataset.classes.names != cards()[name].classes:
        fresh = build(name, count, seed=seed).state_dict()
        with without_initialisation():
            wider = build(name, count + 1).state_dict()
        for key, tensor in net.state_dict().items():
            if tensor.shape != wider[key].shape:  # belongs to a classifier
                tensor.set_value(fresh[key])
    return net


def _check_run(folder: Path, recipe: Recipe, dataset: Dataset) -> None:
    """Raise CourseError if the network in `folder` has other classes, or started from other weights."""
    run = load_identity(folder)
    if not run:  # pruned, or of an older version
        return
    found = tuple(run.get("classes", dataset.classes.names))
    if found != dataset.classes.names:
        raise CourseError(
            f"The network in {folder} was trained for the classes {', '.join(found)}, but {dataset.name} has "
            f"{', '.join(dataset.classes.names)}: choose another output folder, or remove it."
        )
    if (before := run.get("recipe", {}).get("pretrained", "")) != recipe.pretrained:
        before, now = (f"{each} weights" if each else "random weights" for each in (before, recipe.pretrained))
        raise CourseError(f"The training in {folder} started from {before}, not from {now}: choose another folder.")
