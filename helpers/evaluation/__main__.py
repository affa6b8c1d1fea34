"""Score networks, label images and prepare submissions: `python -m helpers.evaluation evaluate|predict|submit`."""

from __future__ import annotations

import argparse
import math
import sys
from contextlib import nullcontext
from pathlib import Path

import pandas as pd

from helpers.common.command_line import exit_code
from helpers.common.locks import locked_target
from helpers.datasets import open_dataset
from helpers.devices import use_device
from helpers.evaluation import Evaluation, Views, evaluate, open_network
from helpers.evaluation.evaluating import check_save_path
from helpers.evaluation.predictions import predict_files
from helpers.evaluation.submission import submit


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 success, 1 an image was refused, 2 a mistake, 130 interrupted."""
    options = _parser().parse_args(arguments)

    def run() -> int | None:
        use_device(options.device)
        return options.run(options)

    return exit_code(run, "interrupted: every file written so far is complete")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers.evaluation", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    scoring = commands.add_parser("evaluate", help="score a network on labelled frames")
    scoring.add_argument("root", type=Path, help="folder of a data set: dataset.toml, or leftImg8bit/ and gtFine/")
    scoring.add_argument("--split", choices=("train", "val"), default="val")
    scoring.add_argument("--workers", type=_count, default=1, help="processes; each has as many threads as one alone")
    scoring.add_argument("--save", type=Path, metavar="FILE.npz", help="save the confusion matrix of every frame")
    scoring.set_defaults(run=_evaluate)

    predicting = commands.add_parser("predict", help="write colour map, overlay and train ids of your own images")
    predicting.add_argument("images", nargs="+", type=Path, help="files or folders")
    predicting.add_argument("--to", type=Path, required=True, help="folder for the results")
    predicting.add_argument("--data", type=Path, metavar="ROOT", help="data set with the classes of the network")
    predicting.add_argument("--opacity", type=_opacity, default=0.5, help="of the colours in the overlay, 0 to 1")
    predicting.set_defaults(run=_predict)

    submitting = commands.add_parser("submit", help="write label ids for the Cityscapes benchmark server")
    submitting.add_argument("root", type=Path, help="folder that holds leftImg8bit/")
    submitting.add_argument("--split", choices=("train", "val", "test"), default="test")
    submitting.add_argument("--to", type=Path, required=True, help="folder for the results, and name of the archive")
    submitting.add_argument("--resume", action="store_true", help="keep predictions that exist already")
    submitting.set_defaults(run=_submit)

    for each in (scoring, predicting, submitting):
        each.add_argument(
            "--network", required=True, help="name, file of weights, folder of a pruned or of an exported model"
        )
        each.add_argument("--weights", type=Path, help=".safetensors or .pdparams file, for a network given by name")
        each.add_argument(
            "--pretrained", metavar="DATA", help="trained weights for a network given by name: miniscapes or cityscapes"
        )
        each.add_argument("--engine", default="", help="for an exported model, see notebook 05")
        each.add_argument("--device", default="auto", help="auto, cpu, gpu:0")
        each.add_argument("--flip", action="store_true", help="average over mirrored views")
        each.add_argument("--scales", nargs="+", type=_scale, default=[1.0], help="such as 0.75 1 1.25")
        each.add_argument("--window", nargs=2, type=_count, metavar=("H", "W"), help="slide a window of this size")
        each.add_argument(
            "--stride", nargs=2, type=_count, metavar=("H", "W"), help="default: two thirds of the window"
        )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def _scale(text: str) -> float:
    if not 0 < (value := _float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number such as 0.75, got {text!r}")
    return value


def _opacity(text: str) -> float:
    if not 0 <= (value := _float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _how(options: argparse.Namespace) -> dict:
    views = Views(
        scales=tuple(options.scales),
        flip=options.flip,
        window_hw=tuple(options.window) if options.window else None,
        stride_hw=tuple(options.stride) if options.stride else None,
    )
    return {
        "weights": options.weights,
        "pretrained": options.pretrained,
        "engine": options.engine,
        "views": views,
    }


def _evaluate(options: argparse.Namespace) -> int:
    frames = open_dataset(options.root).frames(options.split)
    with locked_target(check_save_path(options.save)) if options.save else nullcontext():
        result = evaluate(options.network, frames, workers=options.workers, **_how(options))
        if options.save:
            result.save(options.save)
    print(describe(result))
    return 0


def describe(result: Evaluation) -> str:
    """Format all scores as tables: classes, categories if there are any, means, and milliseconds per stage."""
    scores, known = result.scores, result.classes
    classes = pd.DataFrame(
        {
            "IoU": scores.class_iou,
            "Acc": scores.class_acc,
            "precision": scores.class_precision,
            "Dice": scores.class_dice,
        },
        index=pd.Index(known.names if known else range(len(scores.class_iou)), name="class"),
    )
    categories = mean = ""
    if scores.category_iou.size:
        pairs = zip(known.category_names, scores.category_iou, strict=True)
        categories = f"IoU of the categories: {', '.join(f'{name} {iou:.4f}' for name, iou in pairs)}\n"
        mean = f"category mIoU {scores.category_miou:.4f}  "
    work = ", ".join(f"{stage} {1000 * each / len(result.stems):.0f}" for stage, each in result.seconds.items())
    return "\n".join(
        [
            classes.to_string(float_format=lambda number: f"{number:.4f}", na_rep="absent"),
            "",
            f"{categories}mIoU {scores.miou:.4f}  {mean}Acc {scores.acc:.4f}  "
            f"Kappa {scores.kappa:.4f}  mean Acc {scores.mean_acc:.4f}  Dice {scores.mean_dice:.4f}  "
            f"frequency-weighted IoU {scores.fw_iou:.4f}",
            f"{len(result.stems)} frames; milliseconds a frame: {work}",
        ]
    )


def _predict(options: argparse.Namespace) -> int:
    classes = open_dataset(options.data).classes if options.data else None
    network = open_network(options.network, **_how(options))
    written = predict_files(network, options.images, options.to, classes, options.opacity)
    for sentence in written.refused.values():
        print(f"left out: {sentence}", file=sys.stderr)
    print(f"predicted: {len(written.files)}; train ids, colours and overlays are in {options.to}")
    return 1 if written.refused else 0


def _submit(options: argparse.Namespace) -> int:
    frames = open_dataset(options.root).frames(options.split)
    print(submit(options.network, frames, options.to, archive=True, resume=options.resume, **_how(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
