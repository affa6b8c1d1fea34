"""Count the cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_MEMBERSHIP = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores that this process may use; respects taskset, cpusets and the CPU quota of a container.

    A quota of 1.5 cores counts as 2.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, cpu_quota())))


def cpu_quota(membership: Path = _MEMBERSHIP, mount: Path = _MOUNT) -> float:
    """Return the CPU quota in cores, infinity without one.

    `membership` lists the control groups of the process, `mount` is where they are mounted. The smallest quota of the
    group and the groups above it applies. Formats: cgroups(7), and cpu.max in the kernel's cgroup-v2.rst.
    """
    smallest = math.inf
    for line in _read(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:  # version 2
            smallest = min(smallest, *(_quota_2(each) for each in _and_above(mount, group)))
        elif "cpu" in controllers.split(","):  # version 1
            for root in (mount / controllers, mount / "cpu"):
                smallest = min(smallest, *(_quota_1(each) for each in _and_above(root, group)))
    return smallest


def _and_above(root: Path, group: str) -> list[Path]:
    # Inside a container the group may be that of the host, which is not mounted: the root is then the container's.
    parts = [part for part in group.split("/") if part not in ("", "..")]
    return [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _quota_2(group: Path) -> float:
    return _ratio(_read(group / "cpu.max").split())


def _quota_1(group: Path) -> float:
    return _ratio([_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")])


def _ratio(numbers: list[str]) -> float:
    """Return quota / period; infinity for "max", -1 and files that do not exist."""
    try:
        quota, period = map(int, numbers)
    except ValueError:
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
