"""Train an exported network on arrays of frames. Needs PyTorch, onnx and NumPy, but not Paddle.

python -m scripts.pretrain.train FOLDER NAME --seconds 300 reads FOLDER/graphs/NAME.onnx and FOLDER/data, and writes
FOLDER/trained/NAME.npz (arrays by the names of the Paddle network's state dict) and NAME.json (recipe and curve).
On a GPU the step runs in bfloat16 as one CUDA graph, on a CPU in float32.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scripts.pretrain.batches import CLASSES, IGNORE, Batches, class_weights, normalised
from scripts.pretrain.graph import Graph
from scripts.pretrain.recipes import RECIPES, Recipe

VALIDATION_SETS = ("val", "val_more")


class Trainer:
    """A network with its optimiser: one training step, captured as a CUDA graph on a GPU."""

    def __init__(self, graph: Graph, recipe: Recipe, weights: Tensor, batch: int, device: str):
        """`weights`: of the classes, float32 (19,)."""
        self._graph, self._weights, self._cuda = graph, weights, device == "cuda"
        for parameter in graph.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        # A captured step reads the learning rate from the GPU.
        self._lr = torch.tensor(0.0, device=device) if self._cuda else 0.0
        groups = [
            {"params": [p for p in graph.parameters() if p.dim() > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in graph.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        optimiser = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimiser]
        self._optimiser = optimiser(groups, lr=self._lr, capturable=self._cuda)
        self._x = torch.zeros(batch, 3, *graph.size_hw, device=device).contiguous(memory_format=torch.channels_last)
        self._y = torch.full((batch, *graph.size_hw), IGNORE, dtype=torch.long, device=device)
        self._loss = torch.zeros((), device=device)
        if self._cuda:
            self._capture()

    def step(self, x: Tensor, y: Tensor, lr: float) -> None:
        """Take one step. `x` float32 (batch, 3, H, W), normalised, and `y` int64 (batch, H, W)."""
        self._x.copy_(x)
        self._y.copy_(y)
        if self._cuda:
            self._lr.fill_(lr)
            self._captured.replay()
            return
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        self._eager()

    def wait(self) -> None:
        """Wait for the steps that a GPU has not finished yet."""
        if self._cuda:
            torch.cuda.synchronize()

    @property
    def loss(self) -> float:
        """Loss of the last batch."""
        return float(self._loss)

    def _eager(self) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        self._forward_and_backward()

    def _forward_and_backward(self) -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self._cuda, cache_enabled=False):
            logits = self._graph(self._x)
        logits = F.interpolate(logits.float(), size=self._y.shape[1:], mode="bilinear", align_corners=False)
        loss = F.cross_entropy(logits, self._y, weight=self._weights, ignore_index=IGNORE)
        loss.backward()
        self._optimiser.step()
        self._loss.copy_(loss.detach())

    def _capture(self) -> None:
        # CUDA wants some steps on a side stream first. The learning rate is still 0, so no weight changes.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._eager()
        torch.cuda.current_stream().wait_stream(stream)
        self._captured = torch.cuda.CUDAGraph()
        self._optimiser.zero_grad(set_to_none=True)  # so that gradients are written, not added to
        with torch.cuda.graph(self._captured):
            self._forward_and_backward()


def learning_rate(recipe: Recipe, step: int, elapsed: float) -> float:
    """Return the rate of step `step`, from 0, when `elapsed` of the time (0 to 1) has passed."""
    return recipe.lr * min(1.0, (step + 1) / recipe.warmup) * max(1e-3, 1 - elapsed) ** recipe.power


def evaluate(graph: Graph, images: Tensor, labels: Tensor, device: str) -> dict[str, float]:
    """Return miou and acc on images uint8 (N, H, W, 3) and labels uint8 (N, H, W).

    Classes that appear neither in a label nor in a prediction do not count.
    """
    matrix = torch.zeros(CLASSES**2, dtype=torch.long, device=device)
    graph.eval()
    with torch.no_grad():
        for x, y in zip(images.split(8), labels.split(8), strict=True):
            x, y = normalised(x.to(device).permute(0, 3, 1, 2)), y.to(device).long()
            logits = F.interpolate(graph(x), size=y.shape[1:], mode="bilinear", align_corners=False)
            counted = y != IGNORE
            matrix += torch.bincount(y[counted] * CLASSES + logits.argmax(1)[counted], minlength=CLASSES**2)
    graph.train()
    matrix = matrix.view(CLASSES, CLASSES).double().cpu()
    hits = matrix.diag()
    iou = hits / (matrix.sum(0) + matrix.sum(1) - hits)
    return {"miou": float(iou.nanmean()), "acc": float(hits.sum() / matrix.sum())}


def train(
    trainer: Trainer,
    batches: Batches,
    recipe: Recipe,
    seconds: float,
    validate: Callable[[], dict],
    validations: int,
) -> list[dict]:
    """Train for `seconds`, validation not counted, and return the curve.

    Parameters
    ----------
    trainer : Trainer
        Takes the steps.
    batches : Batches
        Draws the crops.
    recipe : Recipe
        Its learning rate decays with the elapsed time.
    seconds : float
        Length of the training.
    validate : callable
        Returns scores, which go into the curve.
    validations : int
        How often to validate, the last time at the end.

    Returns
    -------
    list of dict
        For each validation: seconds, steps, loss of the last batch, and the scores.
    """
    curve: list[dict] = []
    step, paused, started = 0, 0.0, time.perf_counter()
    for number in range(1, validations + 1):
        elapsed = time.perf_counter() - started - paused
        while True:
            trainer.step(*batches.draw(), learning_rate(recipe, step, elapsed / seconds))
            step += 1
            if step % 50 == 0:
                trainer.wait()  # else a GPU may fall behind this clock
            elapsed = time.perf_counter() - started - paused
            if elapsed >= seconds * number / validations:
                break
        before = time.perf_counter()
        curve.append({"seconds": round(elapsed, 1), "steps": step, "loss": trainer.loss, **validate()})
        paused += time.perf_counter() - before
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0, help="of the crops")
    parser.add_argument("--validations", type=int, default=8)
    given = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True

    about = json.loads((given.folder / "graphs" / f"{given.name}.json").read_text())
    recipe = RECIPES[about["recipe"]]
    graph = Graph(given.folder / "graphs" / f"{given.name}.onnx", about["tensors"]).to(device)
    images, labels = (array.to(device) for array in load(given.folder / "data" / "train.npz"))
    validation = {name: load(given.folder / "data" / f"{name}.npz") for name in VALIDATION_SETS}

    def validate() -> dict:
        scores = {name: evaluate(graph, *arrays, device) for name, arrays in validation.items()}
        print(given.name, *(f"{name} {each['miou']:.4f}" for name, each in scores.items()), flush=True)
        return scores

    weights = class_weights(labels, recipe.class_balance)
    trainer = Trainer(graph, recipe, weights, given.batch, device)
    batches = Batches(images, labels, recipe, graph.size_hw, given.batch, given.seed)
    curve = train(trainer, batches, recipe, given.seconds, validate, given.validations)

    target = given.folder / "trained" / given.name
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(target.with_suffix(".npz"), **graph.arrays())
    result = {
        **{key: about[key] for key in ("network", "recipe", "start", "size_hw")},
        "optimiser": asdict(recipe),
        "seconds": given.seconds,
        "batch": given.batch,
        "seed": given.seed,
        "frames": len(images),
        "validation_frames": {name: len(labels) for name, (_, labels) in validation.items()},
        "software": f"PyTorch {torch.__version__}, " + ("bfloat16, CUDA graph" if device == "cuda" else "float32"),
        "hardware": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "curve": curve,
    }
    target.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"{given.name}: {curve[-1]['steps']} steps on {result['hardware']}, loss {curve[-1]['loss']:.3f}", flush=True)


def load(path: Path) -> tuple[Tensor, Tensor]:
    """Read an archive of `data.py`: images uint8 (N, H, W, 3) and labels uint8 (N, H, W)."""
    with np.load(path, allow_pickle=False) as arrays:
        return torch.from_numpy(arrays["images"]), torch.from_numpy(arrays["labels"])


if __name__ == "__main__":
    main()
