"""Checkpoints of an unfinished run: written atomically, verified when read; the previous one is kept."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from helpers.datasets import Frame
from helpers.datasets.samples import GENERATORS
from helpers.profiles import Recipe
from helpers.training import checkpoint_files
from helpers.training.averaging import Average
from helpers.training.history import History

PATTERN = "checkpoint_*.pdckpt"
KEPT = 2


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
        python, (kind, keys, *rest) = random.getstate(), np.random.get_state()
    accumulators = _renamed(optimiser.state_dict(), {own: name for name, own in _parameter_names(net).items()})
    states = {"net": net.state_dict(), "optimiser": accumulators, "average": average.state}
    tensors = {f"{part}/{name}": tensor.numpy() for part, state in states.items() for name, tensor in state.items()}
    scaling = {
        key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in scaler.state_dict().items()
    }
    values = {
        "run": run,
        "scaler": scaling,
        "history": asdict(history),
        "python": python,
        "numpy": (kind, keys.tolist(), *rest),
    }
    checkpoint_files.write(folder / f"checkpoint_{len(history.loss):08d}.pdckpt", tensors, values)
    for old in _kept(folder)[:-KEPT]:
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
        Objects that receive the saved state. A checkpoint that does not fit them is not loaded.
    say : callable, default print
        Called with one sentence for each checkpoint that cannot be used, and for a checkpoint of another run.
    """
    paths = _kept(folder)[::-1]
    for path in paths:
        remedy = "starting from the first iteration" if path == paths[-1] else "trying the previous one"
        try:
            tensors, values = checkpoint_files.read(path)
            if values["run"] != run:
                say(
                    f"The checkpoint {path} belongs to another run ({difference(values['run'], run)}): starting from "
                    "the first iteration."
                )
                return None
            states, history, scaling = _states(tensors, net), _history(values["history"]), values["scaler"]
            python, numpy = _generators(values["python"], values["numpy"])
            np.hstack([0.0, *(scaling[key] for key in scaler.state_dict() if scaling)]).astype(float)  # or an error
        except checkpoint_files.Unusable as error:
            say(f"The checkpoint {path} {error}: {remedy}.")
            continue
        except (AttributeError, KeyError, IndexError, OverflowError, TypeError, ValueError):
            say(f"The checkpoint {path} holds other values than one of this course: {remedy}.")
            continue
        net.set_state_dict(states["net"])
        optimiser.set_state_dict(_renamed(states["optimiser"], _parameter_names(net)))
        if scaling:
            scaler.load_state_dict(scaling)
        average.state = states["average"]
        with GENERATORS:
            random.setstate(python)
            np.random.set_state(numpy)
        return history
    return None


def clear(folder: Path) -> None:
    """Remove the checkpoints of a finished run, and temporary files of a killed one."""
    for path in _kept(folder):
        path.unlink()
    clear_unfinished(folder)


def clear_unfinished(folder: Path) -> None:
    """Remove temporary folders that a killed run left behind."""
    for path in folder.glob(".*"):
        if path.is_dir() and path.name.startswith((".checkpoint_", ".model.", ".best.", ".history.")):
            shutil.rmtree(path, ignore_errors=True)


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


def _kept(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, the oldest first."""
    return sorted(path for path in folder.glob(PATTERN) if not path.is_dir())


def _states(tensors: dict[str, np.ndarray], net: nn.Layer) -> dict[str, dict[str, paddle.Tensor]]:
    """Sort the tensors of a checkpoint by the part of their names. Raise ValueError if they do not fit `net`."""
    states: dict[str, dict[str, np.ndarray]] = {"net": {}, "optimiser": {}, "average": {}}
    for name, array in tensors.items():
        part, _, own = name.partition("/")
        states[part][own] = array
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    for part in ("net", "average"):
        if (states[part] or part == "net") and {name: array.shape for name, array in states[part].items()} != shapes:
            raise ValueError(part)
    for name, array in states["optimiser"].items():
        if array.shape not in (shapes[_owner(name, shapes)], (1,)):
            raise ValueError(name)
    return {part: {name: paddle.to_tensor(array) for name, array in state.items()} for part, state in states.items()}


def _history(values: dict[str, Any]) -> History:
    """Return the history of a checkpoint. Raise TypeError or ValueError if it is not one."""
    history = History(**values)
    np.hstack(list(values.values())).astype(float)
    if not all(isinstance(values[key], list) for key in ("loss", "lr", "validated", "miou")):
        raise ValueError(values)
    return history


def _generators(python: list, numpy: list) -> tuple[tuple, tuple]:
    """Return the states of Python's and NumPy's generators. Raise TypeError or ValueError if they are not states."""
    version, keys, gauss = python
    states = (version, tuple(keys), gauss), (numpy[0], np.asarray(numpy[1], np.uint32), *numpy[2:])
    random.Random().setstate(states[0])
    np.random.RandomState().set_state(states[1])
    return states


def _parameter_names(net: nn.Layer) -> dict[str, str]:
    """Map the path of each parameter in the network to Paddle's own name, which is numbered per process."""
    return {path: parameter.name for path, parameter in net.named_parameters()}


def _renamed(state: dict, names: dict[str, str]) -> dict:
    """Replace the parameter name at the start of each key of an optimiser state; drop the state of the schedule."""
    renamed = {}
    for key, value in state.items():
        if key != "LR_Scheduler":
            name = _owner(key, names)
            renamed[names[name] + key.removeprefix(name)] = value
    return renamed


def _owner(key: str, names: Iterable[str]) -> str:
    """Return the name at the start of the key of an accumulator, such as "<parameter>_velocity_0"."""
    # Take the longest match, since one name may be a prefix of another.
    return max((name for name in names if key.startswith(f"{name}_")), key=len)
