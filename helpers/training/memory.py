"""Compare the memory that training needs with what is free, before the first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.runtime import processes_on_this_node
from helpers.models import training_memory
from helpers.profiles import Recipe

CERTAIN = 1.5  # estimates may be wrong by a third; above this factor of the free memory, training is refused
CGROUPS = Path("/sys/fs/cgroup")
MOST_PER_PIXEL = 16_000  # bytes; U-HRNet-W48 needs 7,000. Below this bound nothing needs to be measured
_GB = 1e9


def check_memory(net: nn.Layer, recipe: Recipe, say: Callable[[str], None]) -> None:
    """Say how to make training fit if it may need more memory than is free. Raise CourseError if far more."""
    free = free_memory()
    weights = 16 * sum(parameter.size for parameter in net.parameters())  # with gradients and two states, float32
    if weights + MOST_PER_PIXEL * recipe.batch_size * recipe.crop_hw[0] * recipe.crop_hw[1] <= free:
        return
    half = recipe.amp and paddle.get_device().startswith("gpu")  # float16 activations
    compare(recipe, lambda batch: training_memory(net, recipe.crop_hw, batch) / (1 + half), free, say)


def compare(recipe: Recipe, needed: Callable[[int], float], free: float, say: Callable[[str], None]) -> None:
    """Say how to make training fit if it may need more than `free` bytes of memory.

    `needed` maps a number of images per batch to bytes. Raise CourseError if `recipe` needs far more than is free.
    """
    bytes_needed = needed(recipe.batch_size)
    if bytes_needed <= free:
        return
    sentence = (
        f"Training with batches of {recipe.batch_size} needs about {bytes_needed / _GB:.1f} GB of memory, "
        f"{free / _GB:.1f} GB are free: {_advice(recipe, needed, free)}."
    )
    if bytes_needed > CERTAIN * free:
        raise CourseError(sentence)
    say(sentence)


def _advice(recipe: Recipe, needed: Callable[[int], float], free: float) -> str:
    for batch in range(recipe.batch_size - 1, 0, -1):
        if recipe.batch_size % batch == 0 and needed(batch) <= free:
            factor = recipe.batch_size // batch
            return f"set batch_size = {batch} and accumulate = {factor * recipe.accumulate} in profiles.toml"
    return "lower crop_hw in profiles.toml, or take a smaller network"


def free_memory() -> float:
    """Return the bytes that this process may still take: of the current GPU, or of the machine and its containers."""
    if paddle.get_device().startswith("gpu"):
        total = paddle.device.cuda.get_device_properties().total_memory
        return total - paddle.device.cuda.memory_allocated()
    meminfo, available = Path("/proc/meminfo"), float("inf")
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        available = 1024.0 * int(fields["MemAvailable"].split()[0])
    return min(available, _left_in_cgroup()) / processes_on_this_node()


def _left_in_cgroup() -> float:
    """Return what the memory limits of control groups, version 2, leave to this process; infinity without a limit."""
    left = float("inf")
    own = Path("/proc/self/cgroup")
    lines = own.read_text().splitlines() if own.exists() else []
    name = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    for group in (CGROUPS / name, *(CGROUPS / name).parents):
        try:
            limit = (group / "memory.max").read_text().strip()
            used = int((group / "memory.current").read_text())
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except OSError:
            continue
        if limit != "max":
            left = min(left, int(limit) - used + int(statistics.get("inactive_file", 0)))
    return left
