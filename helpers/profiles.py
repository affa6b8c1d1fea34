"""The profiles smoke, mini and cityscapes: read `profiles.toml` into frozen dataclasses."""

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
    """Which data set, and for MiniScapes what to generate. Sizes are (height, width) in pixels."""

    kind: str
    size_hw: tuple[int, int]
    train: int
    val: int
    test: int
    seed: int


@dataclass(frozen=True)
class Recipe:
    """How one network is trained: `optimiser` sgd (with momentum), adam or adamw, polynomial decay after a linear
    warm-up.

    `crop_hw` in pixels, `batch_size` per process, `warmup` in iterations; `aux_weights` is the weight of the loss of
    each output of the network, the main one first; `losses` are names of `helpers.training.LOSSES` with their factors;
    `class_balance` is that of `helpers.training.class_weights`, 0 for none; `validate_every` in iterations, 0 for
    never; `amp` is mixed precision, on GPUs; `pretrained` is that of `helpers.models.build`, "" for random weights.
    """

    crop_hw: tuple[int, int]
    batch_size: int
    iterations: int
    optimiser: str
    lr: float
    min_lr: float
    power: float
    momentum: float
    weight_decay: float
    warmup: int
    scale_min: float
    scale_max: float
    scale_step: float
    jitter: float
    aux_weights: tuple[float, ...]
    class_balance: float
    losses: tuple[tuple[str, float], ...]
    validate_every: int
    amp: bool
    pretrained: str


@dataclass(frozen=True)
class StudySpec:
    """How far notebook 02 goes: `seeds` runs of each network, with the seed and those after it; `family` are the
    networks whose latency at `latency_size_hw` (height, width) is measured; `loss_iterations` steps of fine-tuning, at
    `loss_lr`, for each loss that is compared, on `loss_frames` validation frames."""

    seeds: int
    family: tuple[str, ...]
    latency_size_hw: tuple[int, int]
    loss_iterations: int
    loss_lr: float
    loss_frames: int


@dataclass(frozen=True)
class EvaluateSpec:
    """`views_frames`: val frames on which test-time augmentation is compared; `bootstrap`: draws of the frames."""

    views_frames: int
    bootstrap: int


@dataclass(frozen=True)
class PruneSpec:
    """What notebook 04 prunes, and how much it spends on its curves.

    `cut`: share of multiply-accumulates to remove, at least, one of `cuts`, those of the table; `report_size_hw`: input
    size they are counted at; `align`: channels are multiples of it, but in the plans for `unaligned_cuts`, made for
    comparison; `latency_cut`: share of the time to save; `teacher_share` of the loss in fine-tuning. For the curves:
    `criteria`, the random one as a mean of `draws`, `curve_cuts`, `curve_frames` of val, `curve_iterations` of
    fine-tuning for the cuts other than `cut`, `refresh_batches` for batch norm's statistics; `sensitivity_ratios` of
    filters and `sensitivity_frames` of val.
    """

    cut: float
    cuts: tuple[float, ...]
    report_size_hw: tuple[int, int]
    align: int
    unaligned_cuts: tuple[float, ...]
    latency_cut: float
    teacher_share: float
    criteria: tuple[str, ...]
    draws: int
    curve_cuts: tuple[float, ...]
    curve_frames: int
    curve_iterations: int
    refresh_batches: int
    sensitivity_ratios: tuple[float, ...]
    sensitivity_frames: int


@dataclass(frozen=True)
class DeploySpec:
    """Frame size (height, width) and number of runs for the latency measurement.

    `frames`: how many validation frames agreement and mIoU are counted on, at most; `networks`: those of notebook 02
    that are deployed beside the two Fast-SCNNs.
    """

    size_hw: tuple[int, int]
    warmup: int
    repeats: int
    frames: int
    networks: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """All that a notebook needs to know about how large to run. `finetune` is `fastscnn` with its own overrides,
    `networks` holds the recipes of networks that differ from `pair`."""

    name: str
    cell_timeout_s: int
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

    def recipe(self, network: str) -> Recipe:
        """How `network` is trained: its own recipe, else that of the pair."""
        return self.fastscnn if network.startswith("fastscnn") else self.networks.get(network, self.pair)


def profile_names(table: Path = TABLE) -> list[str]:
    """Names that `load_profile` accepts."""
    return [name for name in _read(table) if name != "default"]


def load_profile(name: str, table: Path = TABLE) -> Profile:
    """Return the profile `name` of `table`. Raises CourseError for an unknown profile or a misspelt key."""
    tables = _read(table)
    if name not in profile_names(table):
        raise CourseError(f"There is no profile {name!r}: choose one of {', '.join(profile_names(table))}.")
    merged = _merge(tables["default"], tables[name])
    merged["finetune"] = _merge(merged["fastscnn"], merged["finetune"])
    sections = {
        "data": DataSpec,
        "pair": Recipe,
        "fastscnn": Recipe,
        "finetune": Recipe,
        "evaluate": EvaluateSpec,
        "study": StudySpec,
        "prune": PruneSpec,
        "deploy": DeploySpec,
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
                f"profiles.toml {where} has the unknown key {key!r}: "
                + (f"did you mean {close[0]!r}?" if close else f"known keys are {', '.join(known)}.")
            )
    lacking = [name for name in known if name not in values]
    if lacking:
        raise CourseError(f"profiles.toml {where} lacks the key {lacking[0]!r}: give it there or under [default].")
    return kind(**{key: _frozen(value) for key, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
