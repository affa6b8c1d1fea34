"""Settings that must precede `import paddle`: threads, memory allocation, instruction set, caches, log messages.

`import helpers` applies them, so they are the same in JupyterLab, under papermill and on the command line. Environment
variables that are already set keep their values. `make bench` measures the speed-up.
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

from helpers.common import caches
from helpers.common.cores import usable_cores

# glibc mallopt parameters, from <malloc.h>
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def settle() -> None:
    """Apply the settings to this process; if Paddle is already imported, all but its environment variables."""
    _keep_freed_memory()
    warnings.filterwarnings("ignore", message="No ccache found")  # Paddle's C++ extension builder, not used here
    warnings.filterwarnings("ignore", message="Setuptools is replacing distutils")
    warnings.filterwarnings("ignore", message="When training, we now always track")  # batch norm, once per network
    if "paddle" in sys.modules:
        return
    for name, value in {**settings(), **caches.settings()}.items():
        os.environ.setdefault(name, value)
    if not any(isinstance(finder, _QuietPaddle) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietPaddle())


def settings() -> dict[str, str]:
    """Return the environment variables for this machine, by name."""
    chosen = {
        # One thread per usable core, shared by the processes of this node. Paddle's default is one thread, or all cores
        # of the machine.
        "OMP_NUM_THREADS": str(max(1, usable_cores() // processes_on_this_node())),
        # Dispatch eager operators to oneDNN where Paddle can; it cannot for convolutions (see helpers.cpu.onednn).
        "FLAGS_use_mkldnn": "1",
        # Milliseconds for which idle threads of Paddle's matrix library keep spinning on a core. The default of 200
        # blocks the threads of our operators (3 to 16 % of a training step of U-HRNet).
        "KMP_BLOCKTIME": "1",
        # Warnings of Paddle's C++ code and above; at level INFO each export prints a screenful.
        "GLOG_minloglevel": "2",
        # The same seed yields the same weights on a GPU too.
        "FLAGS_cudnn_deterministic": "1",
    }
    if _cpu_vendor() == "AuthenticAMD":
        # The MKL in Paddle's wheel takes a slow path on AMD unless this variable enables AVX2.
        chosen["MKL_DEBUG_CPU_TYPE"] = "5"
    return chosen


def processes_on_this_node() -> int:
    """Return the number of training processes on this machine, from `paddle.distributed.launch`; 1 without it."""
    return max(1, int(os.environ.get("PADDLE_LOCAL_SIZE", "1")))


def _keep_freed_memory() -> None:
    # Feature maps take hundreds of megabytes. By default glibc returns such buffers to the operating system, which
    # zeroes them page by page at the next allocation. Environment variables (MALLOC_*) would be too late in a running
    # Jupyter kernel, so call mallopt. Only glibc has these parameters.
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_M_TOP_PAD, 256 << 20)


class _QuietPaddle(importlib.abc.MetaPathFinder):
    """Import Paddle without its traces: two lines on standard error, and folders in the home folder.

    The lines are printed for every OMP_NUM_THREADS other than 1 (`paddle/base/__init__.py`, `__bootstrap__`), so a
    warning filter does not catch them. `paddle/dataset/common.py` creates ~/.cache/paddle without asking.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "paddle":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            load = spec.loader.exec_module

            def quietly(module) -> None:
                with contextlib.redirect_stderr(io.StringIO()) as output, caches.as_home():
                    load(module)
                rest = [line for line in output.getvalue().splitlines(True) if "OMP_NUM_THREADS" not in line]
                sys.stderr.write("".join(rest))

            spec.loader.exec_module = quietly
        return spec


def _cpu_vendor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    for line in info.splitlines():
        if line.startswith("vendor_id"):
            return line.split(":")[1].strip()
    return ""
