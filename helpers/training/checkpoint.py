"""Checkpoints of an unfinished run: whole or not at all, known to be whole when read, the one before kept."""

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

from helpers.cityscapes import Frame
from helpers.common.files import atomic_path
from helpers.datasets import GENERATORS
from helpers.profiles import Recipe
from helpers.training.history import History

PATTERN = "checkpoint_*.pdckpt"
KEPT = 2
_MARK = b"whole:"  # followed by the SHA-256 of all before it; unpickling stops before both
_BLOCK = 1 << 20


def identity(net: nn.Layer, frames: list[Frame], recipe: Recipe, seed: int, processes: int) -> dict[str, Any]:
    """What must be equal for a run to be the continuation of another, in values that JSON keeps."""
    shapes = [(name, list(parameter.shape)) for name, parameter in net.named_parameters()]
    facts = {
        "network": _digest(shapes),
        "frames": _digest([frame.stem for frame in frames]),
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
    history: History,
) -> None:
    """Write the state after the last iteration of `history`, and remove all older checkpoints but one.

    The schedule and the sampler's position are functions of the iteration, and so is the state of Paddle's generators,
    which are set anew at each; the states of Python's and NumPy's are kept.
    """
    with GENERATORS:  # else a loading thread might have its own states in place right now
        generators = (random.getstate(), np.random.get_state())
    state = {
        "run": run,
        "net": net.state_dict(),
        "optimiser": _renamed(optimiser.state_dict(), {own: name for name, own in _parameter_names(net).items()}),
        "scaler": scaler.state_dict(),
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
    say=print,
) -> History | None:
    """Load the newest whole checkpoint of the same run into the objects given; None when there is none.

    Names every damaged checkpoint, and what differs when the checkpoint belongs to another run.
    """
    for path in sorted(folder.glob(PATTERN), reverse=True):
        if not is_whole(path):
            say(f"The checkpoint {path} is damaged: going on from the one before it.")
            continue
        state = paddle.load(str(path))
        if state["run"] != run:
            say(
                f"The checkpoint {path} is of another run ({difference(state['run'], run)}): starting from the first "
                "iteration."
            )
            return None
        net.set_state_dict(state["net"])
        optimiser.set_state_dict(_renamed(state["optimiser"], _parameter_names(net)))
        if state["scaler"]:
            scaler.load_state_dict(state["scaler"])
        with GENERATORS:
            random.setstate(state["generators"][0])
            np.random.set_state(state["generators"][1])
        return History(**state["history"])
    return None


def clear(folder: Path) -> None:
    """Remove the checkpoints of a finished run, and what a killed one was about to write."""
    for path in folder.glob(PATTERN):
        path.unlink()
    clear_unfinished(folder)


def clear_unfinished(folder: Path) -> None:
    """Remove the temporary folders in which a killed run was writing."""
    for path in folder.glob(".*"):
        if path.is_dir() and path.name.startswith((".checkpoint_", ".model.", ".best.", ".history.")):
            shutil.rmtree(path, ignore_errors=True)


def is_whole(path: Path) -> bool:
    """Whether the file is as it was written."""
    length = path.stat().st_size - len(_MARK) - hashlib.sha256().digest_size
    if length <= 0:
        return False
    with open(path, "rb") as file:
        digest = _sha256(file, length)
        return file.read() == _MARK + digest


def difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """In words, what of the identities of two runs differs, for example "lr 0.01 instead of 0.02"."""
    parts = []
    for key in ("network", "frames"):
        if old.get(key) != new[key]:
            parts.append(f"other {key}")
    pairs = [(key, old.get(key), new[key]) for key in ("seed", "processes")]
    pairs += [(key, old.get("recipe", {}).get(key), value) for key, value in new["recipe"].items()]
    parts += [f"{key} {before} instead of {now}" for key, before, now in pairs if before != now]
    return ", ".join(parts) or "unknown differences"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _sha256(file, length: int) -> bytes:
    """SHA-256 of the next `length` bytes of an open file, which stands behind them afterwards."""
    digest, left = hashlib.sha256(), length
    while left and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
    return digest.digest()


def _parameter_names(net: nn.Layer) -> dict[str, str]:
    """From a parameter's place in the network to the name that Paddle gave it, which counts up over the process."""
    return {place: parameter.name for place, parameter in net.named_parameters()}


def _renamed(state: dict, names: dict[str, str]) -> dict:
    """Optimiser state with the parameter name at the start of each key replaced; the schedule's state is left out."""
    renamed = {}
    for key, value in state.items():
        if key == "LR_Scheduler":
            continue
        # "<parameter>_velocity_0": the longest name that fits, since one name may be the beginning of another.
        name = max((name for name in names if key.startswith(f"{name}_")), key=len)
        renamed[names[name] + key.removeprefix(name)] = value
    return renamed
