"""Checkpoints of an unfinished run: written atomically, verified when read; the previous one is kept."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from helpers.common.files import atomic_path
from helpers.datasets import Frame
from helpers.datasets.samples import GENERATORS
from helpers.profiles import Recipe
from helpers.training.averaging import Average
from helpers.training.history import History

PATTERN = "checkpoint_*.pdckpt"
KEPT = 2
_MARK = b"whole:"  # then the SHA-256 of everything before it; unpickling stops before both
_BLOCK = 1 << 20


def identity(net: nn.Layer, frames: list[Frame], recipe: Recipe, seed: int, processes: int) -> dict[str, Any]:
    """Return what must be equal for one run to resume another, in values that survive JSON."""
    shapes = [(name, list(parameter.shape)) for name, parameter in net.named_parameters()]
    facts = {
        "network": _digest(shapes),
        "frames": _digest([frame.stem for frame in frames]),
        "classes": list(frames[0].dataset.classes.names),
        "recipe": asdict(recipe),
        "seed": seed,
        "processes": processes,
    }
    return json.loads(json.dumps(facts))


def save(
    folder: Path,
    run: dict[str, Any],
    net: nn.Layer,
    optimiser: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    average: Average,
    history: History,
) -> None:
    """Write a checkpoint after the last iteration of `history`, and remove all older ones but one.

    Schedule, sampler position and Paddle's generators are functions of the iteration, so they are not saved. The states
    of Python's and NumPy's generators are.

    Parameters
    ----------
    folder : Path
        Folder of the run; created if needed.
    run : dict
        Identity of the run, see `identity`.
    net : nn.Layer
        Network that is trained.
    optimiser : paddle.optimizer.Optimizer
        Its accumulators are saved by position in the network, since Paddle's names differ between processes.
    scaler : paddle.amp.GradScaler
        Loss scaling of mixed precision.
    average : Average
        Moving average of the weights.
    history : History
        Curves so far; the number of losses is the iteration of the checkpoint.
    """
    with GENERATORS:  # a loading thread may have swapped in its own states
        generators = (random.getstate(), np.random.get_state())
    state = {
        "run": run,
        "net": net.state_dict(),
        "optimiser": _renamed(optimiser.state_dict(), {own: name for name, own in _parameter_names(net).items()}),
        "scaler": scaler.state_dict(),
        "average": average.state,
        "history": asdict(history),
        "generators": generators,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / f"checkpoint_{len(history.loss):08d}.pdckpt") as temporary:
        paddle.save(state, str(temporary))
        with open(temporary, "r+b") as file:
            digest = _sha256(file, temporary.stat().st_size)
            file.write(_MARK + digest)
            file.flush()
            os.fsync(file.fileno())  # a rename may reach the disk before the bytes do
    for old in sorted(folder.glob(PATTERN))[:-KEPT]:
        old.unlink()


def resume(
    folder: Path,
    run: dict[str, Any],
    net: nn.Layer,
    optimiser: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    average: Average,
    say=print,
) -> History | None:
    """Load the newest intact checkpoint of the same run; return its history, or None if there is no such checkpoint.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    run : dict
        Identity of the run, see `identity`; a checkpoint of another run is not loaded.
    net, optimiser, scaler, average
        Objects that receive the saved state.
    say : callable, default print
        Called with one sentence for each damaged checkpoint, and for a checkpoint of another run.
    """
    for path in sorted(folder.glob(PATTERN), reverse=True):
        if not is_intact(path):
            say(f"The checkpoint {path} is damaged: trying the previous one.")
            continue
        state = paddle.load(str(path))
        if state["run"] != run:
            say(
                f"The checkpoint {path} belongs to another run ({difference(state['run'], run)}): starting from the "
                "first iteration."
            )
            return None
        net.set_state_dict(state["net"])
        optimiser.set_state_dict(_renamed(state["optimiser"], _parameter_names(net)))
        if state["scaler"]:
            scaler.load_state_dict(state["scaler"])
        average.state = state["average"]
        with GENERATORS:
            random.setstate(state["generators"][0])
            np.random.set_state(state["generators"][1])
        return History(**state["history"])
    return None


def clear(folder: Path) -> None:
    """Remove the checkpoints of a finished run, and temporary files of a killed one."""
    for path in folder.glob(PATTERN):
        path.unlink()
    clear_unfinished(folder)


def clear_unfinished(folder: Path) -> None:
    """Remove temporary folders that a killed run left behind."""
    for path in folder.glob(".*"):
        if path.is_dir() and path.name.startswith((".checkpoint_", ".model.", ".best.", ".history.")):
            shutil.rmtree(path, ignore_errors=True)


def is_intact(path: Path) -> bool:
    """Return whether the checkpoint is complete and its checksum matches."""
    length = path.stat().st_size - len(_MARK) - hashlib.sha256().digest_size
    if length <= 0:
        return False
    with open(path, "rb") as file:
        digest = _sha256(file, length)
        return file.read() == _MARK + digest


def difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Describe how the identities of two runs differ, for example "lr 0.01 instead of 0.02"."""
    parts = []
    for key in ("network", "frames", "classes"):
        if old.get(key) != new[key]:
            parts.append(f"different {key}")
    pairs = [(key, old.get(key), new[key]) for key in ("seed", "processes")]
    pairs += [(key, old.get("recipe", {}).get(key), value) for key, value in new["recipe"].items()]
    parts += [f"{key} {before} instead of {now}" for key, before, now in pairs if before != now]
    return ", ".join(parts) or "unknown differences"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _sha256(file, length: int) -> bytes:
    """Return the SHA-256 of the next `length` bytes of an open file, and advance it past them."""
    digest, left = hashlib.sha256(), length
    while left and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
    return digest.digest()


def _parameter_names(net: nn.Layer) -> dict[str, str]:
    """Map the path of each parameter in the network to Paddle's own name, which is numbered per process."""
    return {path: parameter.name for path, parameter in net.named_parameters()}


def _renamed(state: dict, names: dict[str, str]) -> dict:
    """Replace the parameter name at the start of each key of an optimiser state; drop the state of the schedule."""
    renamed = {}
    for key, value in state.items():
        if key == "LR_Scheduler":
            continue
        # "<parameter>_velocity_0": take the longest match, since one name may be a prefix of another.
        name = max((name for name in names if key.startswith(f"{name}_")), key=len)
        renamed[names[name] + key.removeprefix(name)] = value
    return renamed
