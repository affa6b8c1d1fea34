"""Compare the memory that training needs with what is free, before the first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import paddle

from helpers.common.errors import CourseError
from helpers.profiles import Recipe

CERTAIN = 1.5  # estimates may be wrong by a third; above this factor of the free memory, training is refused
CGROUPS = Path("/sys/fs/cgroup")
_GB = 1e9


def check_memory(recipe: Recipe, needed: Callable[[int], float], free: float, say: Callable[[str], None]) -> None:
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
    meminfo = Path("/proc/meminfo")
    available = [float("inf")]
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        available.append(1024.0 * int(fields["MemAvailable"].split()[0]))
    return min(*available, _left_in_cgroup())


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
