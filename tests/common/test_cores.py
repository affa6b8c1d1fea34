"""The CPU quota of a container limits the number of cores."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from helpers.common import cores


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),  # docker run --cpus 1, as seen inside
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", {}, math.inf),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, 0.5),  # of the group above
        ("0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "250000 100000\n"}, 2.5),
        ("0::/../other\n", {"cpu.max": "300000 100000\n"}, 3),  # a group outside the mount
        (
            "4:cpu,cpuacct:/docker/1\n",
            {"cpu,cpuacct/docker/1/cpu.cfs_quota_us": "150000", "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000"},
            1.5,
        ),
        # inside a container: the group of the host is not mounted
        ("4:cpuacct,cpu:/docker/1\n", {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
        ("3:cpuset:/\n0::/\n", {"cpu.max": "not a number\n"}, math.inf),
        ("nonsense\n\n::", {"cpu.max": "0 0\n"}, math.inf),
        ("0::/\n", {"cpu.max": "1 2 3\n"}, math.inf),
    ],
)
def test_quota(membership, files, expected, tmp_path):
    mount = write(tmp_path / "mount", files)
    assert cores.cpu_quota(write(tmp_path, {"cgroup": membership}) / "cgroup", mount) == expected


def test_without_control_groups(tmp_path):
    assert cores.cpu_quota(tmp_path / "none", tmp_path) == math.inf


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"), [(8, math.inf, 8), (8, 1, 1), (8, 0.5, 1), (8, 1.5, 2), (2, 4, 2)]
)
def test_usable_cores(affinity, quota, expected, monkeypatch):
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: set(range(affinity)))
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert cores.usable_cores() == expected
