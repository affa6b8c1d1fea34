"""Compile the Numba operators of the course ahead of time: `python -m helpers.cpu.compiling`, part of the set-up.

Numba compiles a function at its first call and caches it next to the source for later processes. Otherwise the first
step of the first training would take most of a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import paddle

from helpers.common.command_line import exit_code
from helpers.common.parallel import in_processes
from helpers.common.runtime import usable_cores
from helpers.cpu import pixels
from helpers.cpu.confusion import count_pairs, words
from helpers.cpu.cross_entropy import cross_entropy


def main() -> int:
    """Compile each operator for the types that the course uses, in several processes; return the exit code."""
    names = list(_OPERATORS)
    return exit_code(lambda: _all(names))


def _all(names: list[str]) -> None:
    for _ in in_processes(_call, names, workers=usable_cores(), chunk=1, desc="compiling", unit="part"):
        pass


def _call(names: Sequence[str]) -> None:
    for name in names:
        _OPERATORS[name]()


def _maps(*shape: int) -> paddle.Tensor:
    return paddle.to_tensor(np.ones(shape, np.float32), stop_gradient=False)


def _loss() -> None:
    label = paddle.zeros([2, 8, 8], "int64")
    cross_entropy(_maps(2, 4, 8, 8), label, paddle.ones([4]), ignore=255).backward()


def _small() -> None:
    workers = pixels.Workers(1)
    pixels.network_input(np.zeros((1, 8, 8, 3), np.uint8), workers)
    pixels.labels_of(np.zeros((1, 3, 8, 8), np.float32), (64, 64), False, workers)
    count_pairs(*words(np.zeros((8, 8), np.uint8)), *words(np.zeros((8, 8), np.uint8)))


_OPERATORS = {"loss": _loss, "small": _small}


if __name__ == "__main__":
    sys.exit(main())
