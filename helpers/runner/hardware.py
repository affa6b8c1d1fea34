"""Name the hardware of a run: a short key for the reference, a sentence for the report."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
DRIVER_TIMEOUT_S = 30


def key(device: str = "auto") -> str:
    """Return the name of the GPU, such as "NVIDIA H100 PCIe", or the kind of CPU.

    A CPU is "x86-avx2", "x86-avx512" or "x86-amx" by the widest instructions it has: they choose the kernels of Paddle,
    and with them the order of additions.
    """
    if device.startswith("gpu") or (device == "auto" and _has_paddle_for_gpus()):
        names = _gpus()
        index = int(device[4:]) if device[4:].isdigit() else 0
        if index < len(names):
            return names[index]
    flags = set(re.findall(r"\w+", _cpu_line("flags")))
    for flag, level in (("amx_tile", "amx"), ("avx512f", "avx512"), ("avx2", "avx2")):
        if flag in flags:
            return f"x86-{level}"
    return platform.machine()


def describe() -> str:
    """Return cores, CPU, memory and GPUs as text."""
    cpu = _cpu_line("model name") or platform.processor() or platform.machine()
    parts = [f"{len(os.sched_getaffinity(0))} cores of {cpu}"]
    parts.append(f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB of memory")
    return ", ".join([*parts, *_gpus()])


def _cpu_line(name: str) -> str:
    text = CPUINFO.read_text() if CPUINFO.exists() else ""
    match = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else ""


def _has_paddle_for_gpus() -> bool:
    try:
        return bool(version("paddlepaddle-gpu"))
    except PackageNotFoundError:
        return False


def _gpus() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=DRIVER_TIMEOUT_S)
    except subprocess.TimeoutExpired:  # a driver that hangs
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []
