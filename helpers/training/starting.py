"""The trained network that a notebook starts from."""

from __future__ import annotations

from pathlib import Path

from paddle import nn

from helpers.datasets import Frame
from helpers.models import WEIGHTS, build, load_trained
from helpers.profiles import Profile
from helpers.training.loop import fit


def train_or_load(
    name: str,
    profile: Profile,
    frames: list[Frame],
    folder: str | Path,
    *,
    seed: int = 0,
    device: str = "auto",
    val_frames: list[Frame] | None = None,
) -> nn.Layer:
    """Return the trained network `name`, in evaluation mode; train it first if the profile has no weights for it.

    With `profile.weights` "miniscapes" the weights come with the course. With "trained" they are read from `folder`, or
    trained by `profile.recipe(name)` and written there. An interrupted training is resumed.

    Parameters
    ----------
    name : str
        A name for `models.build` that has trained weights or can be trained, such as "fastscnn".
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
    """
    if profile.weights == "trained" and not (Path(folder) / WEIGHTS).is_file():
        net = build(name, seed=seed)
        fit(
            net,
            frames,
            profile.recipe(name),
            seed=seed,
            folder=folder,
            device=device,
            name=name,
            val_frames=val_frames,
        )
        return net
    return load_trained(name, profile.weights, folder)
