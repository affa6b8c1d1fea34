"""Repeat notebook 04 for several seeds and fine-tuning recipes: `python -m helpers.pruning.study --seeds 0,1,2`.

Each seed trains its own Fast-SCNN, or with `--start notebook` takes the network that the notebook starts from. It
measures sensitivity on training frames, prunes by the profile's cut with each of PLANS, and fine-tunes with each of
WAYS for the profile's number of steps. The plan "control" removes nothing: only the difference from it is the price of
pruning. Before pruning, filters chosen by L1 norm are compared with random filters at the profile's `curve_cuts`, with
batch norm refreshed and no fine-tuning. Every result is written to <folder>/study.json immediately, so that a killed
run resumes. The last lines printed are means over seeds.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import mean

from paddle import nn

from helpers import evaluation, models, training
from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json
from helpers.datasets import Frame
from helpers.devices import use_device
from helpers.models.pruned import Plan, apply_plan
from helpers.notebook import Notebook
from helpers.profiles import Profile, Recipe
from helpers.pruning.analysis import Analysis, Curves
from helpers.pruning.finetune import distilled, refresh_statistics, rewound
from helpers.pruning.sensitivity import quick_miou, sensitivity

# How the channels to remove are chosen: options of Analysis.plan_for.
PLANS: dict[str, dict] = {
    "kept": {"curves": True, "align": True},  # the plan of notebook 04
    "unaligned": {"curves": True},
    "same_share": {"align": True},
    "random": {"curves": True, "align": True, "criterion": "random"},
    "control": {"unpruned": True},
}


def _small(profile: Profile, steps: int) -> Recipe:
    return replace(profile.fastscnn, iterations=steps, lr=profile.fastscnn.lr / 10, warmup=0)


# How the network is fine-tuned: a recipe for a number of steps, and the share of the teacher in the loss.
WAYS: dict[str, tuple[Callable[[Profile, int], Recipe], float]] = {
    "notebook": (lambda profile, steps: replace(profile.finetune, iterations=steps), 0.0),
    "rewound": (lambda profile, steps: rewound(profile.fastscnn, steps), 0.0),
    "small": (_small, 0.0),  # a tenth of the learning rate: plain fine-tuning
    "distilled": (lambda profile, steps: rewound(profile.fastscnn, steps), 0.5),
}


class Study:
    """Results of one profile, in `folder`/study.json: mIoU by "<seed>.<name>"."""

    def __init__(
        self,
        folder: Path,
        profile: Profile,
        train: list[Frame],
        val: list[Frame],
        device: str = "auto",
        start: Callable[[], nn.Layer] | None = None,
    ):
        """Read the results in `folder`. `start` returns the trained network; by default each seed trains its own."""
        self.folder, self.profile, self.device = Path(folder), profile, device
        self.train, self.val, self.start = train, val, start
        self.path = self.folder / "study.json"
        self.numbers: dict[str, float] = read_json(self.path) if self.path.is_file() else {}

    def number(self, name: str, network: Callable[[], nn.Layer]) -> float:
        """Return the mIoU saved under `name`; if there is none, score `network()` and save its mIoU."""
        if name not in self.numbers:
            self.numbers[name] = float(evaluation.evaluate(network(), self.val, desc=name).scores.miou)
            write_json(self.path, self.numbers)
        print(f"{name:<32} {self.numbers[name]:.4f}", flush=True)
        return self.numbers[name]

    def run(self, seed: int, plans: list[str], ways: list[str], draws: int = 0) -> None:
        """Measure the missing results of `seed`; compare the L1 norm with this many random `draws`."""
        spec = self.profile.prune
        folder = self.folder / f"seed{seed}"
        net = self._trained(seed, folder / "unpruned")
        self.number(f"{seed}.unpruned", lambda: net)
        analysis = Analysis(net, spec.report_size_hw)
        if draws:
            self._against_random(seed, net, analysis, draws)
        curves = self._sensitivity(net, analysis, folder) if any("curves" in PLANS[name] for name in plans) else None
        for name in plans:
            options = PLANS[name]
            if "unpruned" in options:
                for way in ways:
                    self.number(
                        f"{seed}.{name}.{way}",
                        lambda way=way, name=name: self._tuned(net, None, way, seed, folder / f"{name}_{way}"),
                    )
                continue
            plan = analysis.plan_for(
                spec.cut,
                criterion=options.get("criterion", "l1"),
                curves=curves if "curves" in options else None,
                align=spec.align if "align" in options else 1,
                seed=seed,
            )
            pruned = apply_plan(copy.deepcopy(net), plan)
            self.number(f"{seed}.{name}.raw", lambda pruned=pruned: pruned)
            self.number(f"{seed}.{name}.refreshed", lambda pruned=pruned: self._refreshed(pruned))
            for way in ways:
                self.number(
                    f"{seed}.{name}.{way}",
                    lambda plan=plan, way=way, name=name: self._tuned(net, plan, way, seed, folder / f"{name}_{way}"),
                )

    def _against_random(self, seed: int, net: nn.Layer, analysis: Analysis, draws: int) -> None:
        for cut in self.profile.prune.curve_cuts:
            chosen = {f"{cut:.0%}.l1": analysis.plan_for(cut)}
            chosen |= {f"{cut:.0%}.random{n}": analysis.plan_for(cut, criterion="random", seed=n) for n in range(draws)}
            for name, plan in chosen.items():
                self.number(f"{seed}.{name}", lambda plan=plan: self._refreshed(apply_plan(copy.deepcopy(net), plan)))

    def _trained(self, seed: int, folder: Path) -> nn.Layer:
        use_device(self.device)  # before anything is built
        if self.start is not None:
            return self.start()
        net = models.build("fastscnn", len(self.train[0].dataset.classes), seed=seed)
        if (folder / models.WEIGHTS).is_file():
            return models.load_weights(net, folder / models.WEIGHTS, self.train[0].dataset.classes)
        training.fit(net, self.train, self.profile.fastscnn, seed=seed, folder=folder, device=self.device)
        return net

    def _sensitivity(self, net: nn.Layer, analysis: Analysis, folder: Path) -> Curves:
        spec = self.profile.prune
        few = self.train[:: max(1, len(self.train) // spec.sensitivity_frames)][: spec.sensitivity_frames]
        return sensitivity(
            net,
            analysis,
            lambda network: quick_miou(self._refreshed(network, spec.sensitivity_batches), few),
            folder / "sensitivity.json",
            ratios=spec.sensitivity_ratios,
            on=", ".join(frame.stem for frame in few),
        )

    def _refreshed(self, network: nn.Layer, batches: int = 0) -> nn.Layer:
        batches = batches or self.profile.prune.refresh_batches
        return refresh_statistics(copy.deepcopy(network), self.train, self.profile.finetune, batches=batches, desc="")

    def _tuned(self, net: nn.Layer, plan: Plan | None, way: str, seed: int, folder: Path) -> nn.Layer:
        make, share = WAYS[way]
        recipe = make(self.profile, self.profile.finetune.iterations)
        pruned = copy.deepcopy(net)
        if plan is not None:
            apply_plan(pruned, plan)
        with distilled(pruned, net, self.train, recipe, share=share) if share else nullcontext() as loss_fn:
            training.fit(
                pruned,
                self.train,
                recipe,
                seed=seed + 1,
                folder=folder,
                device=self.device,
                name=folder.name,
                loss_fn=loss_fn,
            )
        return pruned


def summary(numbers: dict[str, float]) -> dict[str, tuple[float, float, int]]:
    """Return, for each result, mean mIoU, mean difference from the unpruned network, and number of seeds."""
    found: dict[str, list[tuple[float, float]]] = {}
    for name, value in numbers.items():
        seed, _, what = name.partition(".")
        found.setdefault(what, []).append((value, value - numbers[f"{seed}.unpruned"]))
    return {what: (mean(v for v, _ in each), mean(d for _, d in each), len(each)) for what, each in found.items()}


def advantages(numbers: dict[str, float]) -> dict[str, list[float]]:
    """Return, for each cut and their mean "all", the mIoU by L1 norm minus that of random filters, per seed."""
    found: dict[str, list[float]] = {}
    for seed in dict.fromkeys(name.partition(".")[0] for name in numbers):
        differences = {}
        for name in numbers:
            if name.startswith(f"{seed}.") and name.endswith(".l1"):
                drawn = [v for other, v in numbers.items() if other.startswith(name.removesuffix("l1") + "random")]
                if drawn:
                    differences[name.split(".")[1]] = numbers[name] - mean(drawn)
        if differences:
            for cut, difference in {**differences, "all": mean(differences.values())}.items():
                found.setdefault(cut, []).append(difference)
    return found


def main() -> int:
    """Return exit code 0, or 2 after a user's mistake, with one sentence on standard error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--plans", default="kept", help=f"comma-separated, from {', '.join(PLANS)}")
    parser.add_argument("--ways", default="rewound", help=f"comma-separated, from {', '.join(WAYS)}")
    parser.add_argument("--start", default="own", choices=("own", "notebook"), help="the network that is pruned")
    parser.add_argument("--draws", type=int, default=5, help="random draws to compare the L1 norm with; 0: none")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output-dir", default="")
    arguments = parser.parse_args()

    def run() -> None:
        for names, known, kind in ((arguments.plans, PLANS, "plan"), (arguments.ways, WAYS, "way")):
            for name in names.split(","):
                if name not in known:
                    raise CourseError(f"Unknown {kind} {name!r}: choose from {', '.join(known)}.")
        if arguments.draws < 0:
            raise CourseError(f"Expected --draws of at least 0, got {arguments.draws}: 0 skips the comparison.")
        nb = Notebook("04", profile=arguments.profile, device=arguments.device, output_dir=arguments.output_dir)
        frames, start, folder = (nb.frames("train"), nb.frames("val")), None, "04/study"
        if arguments.start == "notebook":
            folder = "04/study_notebook"

            def start() -> nn.Layer:
                folder = nb.folder("04/fastscnn")
                return training.train_or_load("fastscnn", nb.profile, frames[0], folder, device=arguments.device)

        study = Study(nb.folder(folder), nb.profile, *frames, arguments.device, start)
        for seed in map(int, arguments.seeds.split(",")):
            study.run(seed, arguments.plans.split(","), arguments.ways.split(","), arguments.draws)
        print(f"\n{'mean over seeds':<24} {'mIoU':>8} {'minus unpruned':>18} {'seeds':>6}")
        for what, (value, difference, seeds) in summary(study.numbers).items():
            print(f"{what:<24} {value:8.4f} {difference:+18.4f} {seeds:6d}")
        for cut, each in advantages(study.numbers).items():
            print(f"L1 minus random, {cut:<7} {mean(each):+27.4f} {len(each):6d}  ", *(f"{one:+.4f}" for one in each))
        print(f"saved to {study.path}")

    return exit_code(run, "interrupted: run the same command again to resume")


if __name__ == "__main__":
    sys.exit(main())
