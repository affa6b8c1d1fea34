"""Profiles smoke, mini and cityscapes: load `profiles.toml` into frozen dataclasses."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLE = Path(__file__).with_name("profiles.toml")


@dataclass(frozen=True)
class DataSpec:
    """Data set, and what to generate for MiniScapes: size (height, width) in pixels, number of frames, seed."""

    kind: str
    size_hw: tuple[int, int]
    train: int
    val: int
    test: int
    seed: int


@dataclass(frozen=True)
class Recipe:
    """How to train a network: crops, augmentation, optimiser, schedule and loss."""

    crop_hw: tuple[int, int]  # height and width of a crop, in pixels
    batch_size: int  # images per process and iteration
    iterations: int  # including those of the warm-up
    optimiser: str  # "sgd" (with `momentum`), "adam" or "adamw"
    lr: float  # initial learning rate, after the warm-up
    min_lr: float  # final learning rate
    power: float  # exponent of the polynomial decay
    momentum: float
    weight_decay: float
    warmup: int  # iterations of the linear warm-up
    scale_min: float  # random scaling, from `scale_min` to `scale_max` in steps
    scale_max: float
    scale_step: float
    jitter: float  # strength of the colour jitter
    aux_weights: tuple[float, ...]  # weight of the loss of each output of the network, main output first
    class_balance: float  # `balance` of `helpers.training.class_weights`; 0 for equal weights
    losses: tuple[tuple[str, float], ...]  # names of `helpers.training.LOSSES` and their factors
    validate_every: int  # iterations between validations; 0 for never
    amp: bool  # mixed precision, on GPUs only
    pretrained: str  # `pretrained` of `helpers.models.build`; "" for random weights
    accumulate: int  # batches whose gradients are averaged before the weights change; 1 for usual training
    ema: float  # decay of the average of the weights that is scored and saved, such as 0.999; 0 for no average
    patience: int  # validations without a better score after which training stops; 0 to train to the end


@dataclass(frozen=True)
class StudySpec:
    """Experiments of notebook 02."""

    family: tuple[str, ...]  # networks whose latency is measured
    latency_size_hw: tuple[int, int]  # height and width of the input for latency
    score_frames: int  # train frames, and as many val frames, that are scored during training
    transfer_weathers: tuple[str, ...]  # weathers of the MiniScapes streets of the transfer
    transfer_train: int  # number of these frames
    transfer_val: int
    transfer_size_hw: tuple[int, int]  # their height and width
    transfer_iterations: int  # training steps on them
    transfer_lr: float  # learning rate that starts from trained weights


@dataclass(frozen=True)
class EvaluateSpec:
    """What notebook 03 scores: `networks`, of which the first two are the pair that is compared.

    `some_frames`: validation frames for what takes many passes, such as corruptions; `bootstrap`: number of draws.
    """

    networks: tuple[str, ...]
    some_frames: int
    bootstrap: int


@dataclass(frozen=True)
class PruneSpec:
    """Experiments of notebook 04. Cuts are shares of the multiply-accumulates to remove, 0 to 1."""

    cut: float  # of the network that is fine-tuned and saved, one of `cuts`
    cuts: tuple[float, ...]  # of the result table
    unseen_cuts: tuple[float, ...]  # of the networks on which the latency model is checked, in the appendix
    report_size_hw: tuple[int, int]  # height and width at which multiply-accumulates are counted
    align: int  # aligned plans keep multiples of this many channels
    latency_cut: float  # share of the latency to save, in the appendix
    seeds: int  # runs of fine-tuning of the pruned network and of its control
    draws: int  # random rankings to average over
    curve_cuts: tuple[float, ...]  # at which the L1 norm is compared with random filters
    curve_frames: int  # validation frames for networks that are not fine-tuned
    refresh_batches: int  # to estimate batch norm statistics from
    sensitivity_ratios: tuple[float, ...]  # shares of filters removed for the sensitivity curves
    sensitivity_frames: int  # training frames that are scored for each point of these curves
    sensitivity_batches: int  # batches for batch norm statistics, for each point


@dataclass(frozen=True)
class DeploySpec:
    """Experiments of notebook 05."""

    size_hw: tuple[int, int]  # height and width of the frames for latency
    warmup: int  # runs before a latency measurement
    repeats: int  # runs during it
    frames: int  # maximum number of validation frames for agreement and mIoU
    networks: tuple[str, ...]  # networks of notebook 02 to deploy in addition to the two Fast-SCNNs
    calibration: int  # maximum number of training frames to calibrate int8 with
    video: int  # frames of the drive


@dataclass(frozen=True)
class OwnSpec:
    """Notebook 06: `plants` and `photographs` of each, their height and width, and the `cut` by pruning, 0 to 1."""

    plants: int
    photographs: int
    size_hw: tuple[int, int]
    cut: float


@dataclass(frozen=True)
class Profile:
    """Sizes, recipes and experiments of all notebooks.

    `finetune` and `own_recipe` (notebook 06) are `fastscnn` with overrides; `networks` has the recipes of networks
    that differ from `pair`.

    `weights` selects the trained networks that notebooks start from: "miniscapes" for those in `weights/`, "trained"
    for those that an earlier notebook of this profile saved.
    """

    name: str
    cell_timeout_s: int
    weights: str
    models: tuple[str, ...]
    data: DataSpec
    pair: Recipe
    fastscnn: Recipe
    finetune: Recipe
    evaluate: EvaluateSpec
    networks: dict[str, Recipe]
    study: StudySpec
    prune: PruneSpec
    deploy: DeploySpec
    own: OwnSpec
    own_recipe: Recipe

    def recipe(self, network: str) -> Recipe:
        """Return the recipe of `network`: its own, or the recipe of the pair."""
        return self.fastscnn if network.startswith("fastscnn") else self.networks.get(network, self.pair)


def profile_names(table: Path = TABLE) -> list[str]:
    """Return the names that `load_profile` accepts."""
    return [name for name in _read(table) if name != "default"]


def load_profile(name: str, table: Path = TABLE) -> Profile:
    """Load the profile `name` from `table`. Raise CourseError for an unknown profile, or a wrong or missing key."""
    tables = _read(table)
    if name not in profile_names(table):
        raise CourseError(f"Unknown profile {name!r}: choose one of {', '.join(profile_names(table))}.")
    merged = _merge(tables["default"], tables[name])
    for key in ("finetune", "own_recipe"):
        merged[key] = _merge(merged["fastscnn"], merged[key])
    sections = {
        "data": DataSpec,
        "pair": Recipe,
        "fastscnn": Recipe,
        "finetune": Recipe,
        "evaluate": EvaluateSpec,
        "study": StudySpec,
        "prune": PruneSpec,
        "deploy": DeploySpec,
        "own": OwnSpec,
        "own_recipe": Recipe,
    }
    pair, networks = merged["pair"], merged.pop("networks")
    built = {key: _build(kind, merged.pop(key), f"[{name}.{key}]") for key, kind in sections.items()}
    built["networks"] = {
        network: _build(Recipe, _merge(pair, own), f"[{name}.networks.{network}]") for network, own in networks.items()
    }
    return _build(Profile, {"name": name, **merged, **built}, f"[{name}]")


def _read(table: Path) -> dict[str, Any]:
    return tomllib.loads(Path(table).read_text(encoding="utf-8"))


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merge(base[key], value) if isinstance(value, dict) and key in base else value
    return merged


def _build(kind: type, values: dict[str, Any], where: str):
    known = [field.name for field in fields(kind)]
    for key in values:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            raise CourseError(
                f"Unknown key {key!r} in {where} of profiles.toml: "
                + (f"did you mean {close[0]!r}?" if close else f"known keys are {', '.join(known)}.")
            )
    missing = [name for name in known if name not in values]
    if missing:
        raise CourseError(f"Missing key {missing[0]!r} in {where} of profiles.toml: set it there or under [default].")
    return kind(**{key: _frozen(value) for key, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
