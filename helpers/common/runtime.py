"""Settings that only work before `import paddle`: threads, memory, instruction set, log noise.

`import helpers` applies them, so they are the same in JupyterLab, under papermill and on the command line.
A variable that the user has set is left alone. What each setting is worth is measured by `make bench`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.abc
import importlib.util
import io
import os
import platform
import sys
import warnings
from pathlib import Path

# glibc mallopt parameters, from <malloc.h>
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def settle() -> None:
    """Apply the settings to this process. Does nothing to thread counts and flags once Paddle is loaded."""
    _keep_freed_memory()
    warnings.filterwarnings("ignore", message="No ccache found")  # Paddle's C++ extension builder, not used here
    warnings.filterwarnings("ignore", message="Setuptools is replacing distutils")
    warnings.filterwarnings("ignore", message="When training, we now always track")  # batch norm, at every network
    if "paddle" in sys.modules:
        return
    for name, value in settings().items():
        os.environ.setdefault(name, value)
    if not any(isinstance(finder, _QuietPaddle) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietPaddle())


def settings() -> dict[str, str]:
    """Environment variables that this machine profits from, by name."""
    chosen = {
        # One thread per core that this process may use; Paddle's own default is one thread, or every core it sees.
        "OMP_NUM_THREADS": str(max(1, usable_cores() // processes_on_this_node())),
        # Eager operators by oneDNN where Paddle leads there; convolutions are not among them (helpers.cpu.onednn).
        "FLAGS_use_mkldnn": "1",
        # Milliseconds for which the threads of Paddle's matrix library stay on a core after their work; the default of
        # 200 keeps the threads of our operators waiting (3 to 16 % of a step of U-HRNet).
        "KMP_BLOCKTIME": "1",
        # Paddle's C++ logs at level INFO print a screenful at every exported model.
        "GLOG_minloglevel": "2",
        # The same seed gives the same weights on a GPU too.
        "FLAGS_cudnn_deterministic": "1",
    }
    if _cpu_vendor() == "AuthenticAMD":
        # The MKL inside Paddle's wheel takes a slow path on AMD unless it is told that AVX2 is there.
        chosen["MKL_DEBUG_CPU_TYPE"] = "5"
    return chosen


def usable_cores() -> int:
    """Cores that this process may run on (respects taskset, cpusets and containers)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes_on_this_node() -> int:
    """Training processes that share this machine, as `paddle.distributed.launch` tells them."""
    return max(1, int(os.environ.get("PADDLE_LOCAL_SIZE", "1")))


def _keep_freed_memory() -> None:
    # Feature maps are hundreds of megabytes. By default glibc hands such buffers back to the kernel when they are
    # freed and has them zeroed page by page again at the next step. Environment variables (MALLOC_*) would come too
    # late in a running kernel, so ask malloc itself. Only glibc knows these parameters.
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_M_TOP_PAD, 256 << 20)


class _QuietPaddle(importlib.abc.MetaPathFinder):
    """Drop the two lines with which Paddle objects to every thread count but 1 while it is imported.

    They are printed, not warned (`paddle/base/__init__.py`, `__bootstrap__`), so no warning filter reaches them.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "paddle":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            load = spec.loader.exec_module

            def quietly(module) -> None:
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    load(module)
                rest = [line for line in said.getvalue().splitlines(True) if "OMP_NUM_THREADS" not in line]
                sys.stderr.write("".join(rest))

            spec.loader.exec_module = quietly
        return spec


def _cpu_vendor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return ""
    for line in info.read_text().splitlines():
        if line.startswith("vendor_id"):
            return line.split(":")[1].strip()
    return ""
