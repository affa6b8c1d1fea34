"""Prune the trained Fast-SCNN and export what is fine-tuned: pruned networks, and the unpruned one as their control.

python -m scripts.pretrain.prune FOLDER reads FOLDER/trained/fastscnn.npz and writes ONNX files, and the plans as
NAME.plan.json, into FOLDER/graphs. Needs Paddle.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

from paddle import nn

from helpers import pruning
from helpers.common.command_line import exit_code
from helpers.datasets import Frame
from helpers.notebook import Notebook
from helpers.profiles import Profile
from scripts.pretrain.export import SIZE_HW, export
from scripts.pretrain.pack import restore

NETWORK = "fastscnn"
CONTROL = "fastscnn_control"
REPORT_HW = (1024, 2048)
RATIOS = (0.3, 0.6, 0.85)  # of filters, whose loss of mIoU is measured; the largest is the most that a group can lose
# Share of the multiply-accumulates to remove, and the number that channels are multiples of.
CUTS: dict[str, tuple[float, int]] = {"fastscnn_pruned_51": (0.51, 16), "fastscnn_pruned_73": (0.73, 32)}


def sensitivity(net: nn.Layer, analysis: pruning.Analysis, frames: list[Frame], profile: Profile, path: Path) -> dict:
    """Return the loss of mIoU for each group and share of filters, with batch norm refreshed before each score.

    `frames`: other frames than the network was trained on and will be scored on. `path`: where results are kept.
    """
    few = frames[: profile.prune.sensitivity_frames]

    def score(network: nn.Layer) -> float:
        return pruning.quick_miou(refreshed(network, frames, profile), few)

    stems = ", ".join(frame.stem for frame in few)
    return pruning.sensitivity(net, analysis, score, path, ratios=RATIOS, on=stems)


def refreshed(net: nn.Layer, frames: list[Frame], profile: Profile) -> nn.Layer:
    """Return a copy of `net` with statistics of batch norm from `frames`."""
    batches = profile.prune.refresh_batches
    return pruning.refresh_statistics(copy.deepcopy(net), frames, profile.finetune, batches=batches, desc="")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", default="mini", help="its training frames choose the filters; default: mini")
    parser.add_argument("--uniform", action="store_true", help="the same share of every group: no sensitivity needed")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE_HW, metavar=("H", "W"))
    parser.add_argument("--data-root", default="", help="default: that of the profile")
    given = parser.parse_args(arguments)
    folder = given.folder / "graphs"
    common = {"network": NETWORK, "recipe": "fine_tuning", "size_hw": tuple(given.size)}

    def run() -> None:
        notebook = Notebook("04", profile=given.profile, data_root=given.data_root, output_dir=given.folder / "outputs")
        profile, frames = notebook.profile, notebook.frames("train")  # seed 0: training never saw them
        net = restore(given.folder, NETWORK)
        export(net, folder, CONTROL, start=f"`{NETWORK}`", **common)
        analysis = pruning.Analysis(net, REPORT_HW)
        curves = None
        if not given.uniform:
            curves = sensitivity(net, analysis, frames, profile, given.folder / "sensitivity.json")
        for name, (cut, align) in CUTS.items():
            plan = analysis.plan_for(cut, curves=curves, align=align)
            pruned = refreshed(pruning.apply_plan(copy.deepcopy(net), plan), frames, profile)
            plan.save(folder / f"{name}.plan.json")
            start = (
                f"`{NETWORK}`, pruned by {plan.cut:.0%} of its multiply-accumulates by L1 norm, allocation "
                f"{plan.allocation}, channels in multiples of {align}, batch norm refreshed"
            )
            export(pruned, folder, name, start=start, **common)
            print(f"{name}: {start}", flush=True)

    return exit_code(run, "interrupted: the same command continues")


if __name__ == "__main__":
    sys.exit(main())
