"""Model cards of the weights in `weights/`: how they were trained, what they score, what they are not for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json, write_text

_LABELS = {"crop_hw": "Crop, height and width", "scale_min_max_step": "Random scale: from, to, step"}


@dataclass(frozen=True)
class CurvePoint:
    """One validation during training.

    `seconds` since the start, `steps` of the optimiser, `samples` seen (steps times batch), `loss` of the last batch;
    `miou` and `acc` (0 to 1) on the frames of `Card.scores`, `miou_more` on those of `Card.more_scores`.
    """

    seconds: float
    steps: int
    samples: int
    loss: float
    miou: float
    acc: float
    miou_more: float


@dataclass(frozen=True)
class CardScores:
    """Scores on `frames` frames of `data`, 0 to 1 (Kappa -1 to 1); None where not recorded."""

    data: str
    frames: int
    miou: float
    acc: float
    kappa: float | None = None
    class_iou: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Card:
    """All that is known about one file of weights.

    Attributes
    ----------
    name : str
        Name of the weights, such as fastscnn_pruned_51.
    title : str
        Name of the network as the literature writes it.
    network : str
        The design, a name for `models.build`.
    classes : tuple of str
        Names of the classes, in the order of their train ids.
    origin : str
        How the weights were chosen: from how many runs and seeds.
    pruned : bool
        Whether `<name>.plan.json` prunes the design before the weights fit.
    params : int
        Parameters that compute, without auxiliary heads.
    gmacs : float
        10^9 multiply-accumulates at 1024 x 2048 pixels.
    data : dict
        The training frames: set, generator version, split, seed, frames, size_hw.
    training : dict
        Start, hardware, software, seconds, steps, batch and recipe.
    curve : tuple of CurvePoint
        Validations during training.
    scores, more_scores : CardScores
        Of these weights on the validation frames of profile mini, and on more frames of the same cities.
    real_scores : CardScores or None
        On real photographs.
    control : CardScores or None
        For pruned networks: the unpruned one, trained for as long.
    """

    name: str
    title: str
    network: str
    classes: tuple[str, ...]
    origin: str
    pruned: bool
    params: int
    gmacs: float
    data: dict[str, Any]
    training: dict[str, Any]
    curve: tuple[CurvePoint, ...]
    scores: CardScores
    more_scores: CardScores
    real_scores: CardScores | None = None
    control: CardScores | None = None

    def save(self, folder: str | Path) -> None:
        """Write `<name>.json`, and `<name>.md` for readers."""
        write_json(Path(folder) / f"{self.name}.json", asdict(self))
        write_text(Path(folder) / f"{self.name}.md", self.markdown())

    @classmethod
    def load(cls, path: str | Path) -> Card:
        """Read `<name>.json`. Raises CourseError if it is missing or not a card."""
        try:
            content = read_json(path)
            content["classes"] = tuple(content["classes"])
            content["curve"] = tuple(CurvePoint(**point) for point in content["curve"])
            for key in ("scores", "more_scores", "real_scores", "control"):
                content[key] = content[key] and _scores(content[key])
            return cls(**content)
        except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
            raise CourseError(f"{path} is not a model card ({error}): restore it with `git checkout`.") from error

    def markdown(self) -> str:
        """The card as Markdown."""
        height, width = self.data["size_hw"]
        facts = {
            "Network": f"`{self.network}`" + (f", pruned by `{self.name}.plan.json`" if self.pruned else ""),
            "Parameters": f"{self.params / 1e6:.2f} million",
            "Multiply-accumulates": f"{self.gmacs:.3f} · 10⁹ at 1024 x 2048 pixels",
            "Trained on": f"{self.data['set']}, generator version {self.data['version']}, split {self.data['split']}, "
            f"seed {self.data['seed']}: {self.data['frames']} frames of {width} x {height} pixels. The cities of the "
            "validation frames are not among them.",
            **{
                _LABELS.get(key, key.replace("_", " ").capitalize()): _text(value)
                for key, value in self.training.items()
            },
        }
        measured = [each for each in (self.scores, self.more_scores, self.control, self.real_scores) if each]
        return "\n".join(
            [
                f"# {self.title}: weights `{self.name}`",
                "",
                self.origin,
                "",
                "## How it was trained",
                "",
                *_table(["", ""], facts.items()),
                "",
                "Convolutions are stored as int8 with a float32 scale per output channel (largest magnitude / 127), "
                "everything else as float32. The first row of the scores and IoU per class were measured with these "
                "rounded weights, all else with the weights as they were trained.",
                "",
                "## Learning curve",
                "",
                f"mIoU on {self.scores.frames} and on {self.more_scores.frames} validation frames. "
                "The curve still rises at the end.",
                "",
                *_table(
                    ["seconds", "steps", "samples seen", "loss", f"mIoU, {self.scores.frames} frames",
                     f"mIoU, {self.more_scores.frames} frames"],
                    [(f"{p.seconds:g}", p.steps, p.samples, p.loss, p.miou, p.miou_more) for p in self.curve],
                ),
                "",
                "## Scores",
                "",
                *_table(
                    ["data", "frames", "mIoU", "Acc", "Kappa"],
                    [(s.data, s.frames, s.miou, s.acc, "" if s.kappa is None else s.kappa) for s in measured],
                ),
                "",
                f"IoU per class, {self.scores.data}:",
                "",
                *_table(["class", "IoU"], zip(self.classes, self.scores.class_iou, strict=True)),
                "",
                "## What it must not be used for",
                "",
                "Real streets. It has seen synthetic ones only. On 8 real Cityscapes frames, shrunk to 512 x 256, the "
                "three unpruned networks of this folder reach mIoU 0.16 to 0.21 and Acc 0.58 to 0.65. Use it to learn "
                "about evaluation, pruning and deployment, or as a start for training on your own frames; never to "
                "decide anything about a real scene.",
                "",
            ]
        )  # fmt: skip


def _scores(content: dict[str, Any]) -> CardScores:
    return CardScores(**{**content, "class_iou": content["class_iou"] and tuple(content["class_iou"])})


def _table(head: list[str], rows: Any) -> list[str]:
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in [head, *rows]]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
