"""What every notebook does first and last: settle its parameters, find its data, record its numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from helpers import miniscapes
from helpers.cityscapes import Frame, find_root, index
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json, write_json
from helpers.profiles import load_profile

NOTEBOOKS = {
    "01": "01_explore_cityscapes",
    "02": "02_train_hrnet_uhrnet",
    "03": "03_evaluate",
    "04": "04_prune_fastscnn",
    "05": "05_deploy",
}


class Notebook:
    """The settled parameters of one notebook.

    `number` is "01" to "05"; the others are the values of the parameters cell, where an empty `data_root` or
    `output_dir` stands for the profile's own. MiniScapes is generated here when it is not there yet.
    """

    def __init__(
        self,
        number: str,
        *,
        profile: str = "mini",
        seed: int = 0,
        device: str = "auto",
        data_root: str = "",
        output_dir: str = "",
    ):
        self.number = number
        self.profile = load_profile(profile)
        self.seed = seed
        self.device = device
        self.output_dir = Path(output_dir or PROJECT / "outputs" / self.profile.name).expanduser().resolve()
        self.data_root = self._find_data(data_root)
        self.output_dir.mkdir(parents=True, exist_ok=True)

    def _find_data(self, data_root: str) -> Path:
        spec = self.profile.data
        if spec.kind == "miniscapes" and not data_root:
            return miniscapes.generate(
                # The generator's version is in the name: after an update the new set stands beside the old one.
                PROJECT / "data" / "miniscapes" / f"{self.profile.name}-v{miniscapes.VERSION}",
                train=spec.train,
                val=spec.val,
                test=spec.test,
                size_hw=spec.size_hw,
                seed=spec.seed,
            )
        return find_root(data_root, default=PROJECT / "data" / "cityscapes").resolve()

    @property
    def data_name(self) -> str:
        """Name of the data for captions: MiniScapes, Cityscapes, or the folder's own name."""
        if (self.data_root / "miniscapes.json").is_file():
            return "MiniScapes"
        return "Cityscapes" if self.profile.data.kind == "cityscapes" else self.data_root.name

    @property
    def caption(self) -> str:
        """Which data and profile a figure comes from."""
        return f"{self.data_name}, profile {self.profile.name}, seed {self.seed}"

    def frames(self, split: str) -> list[Frame]:
        """Frames of the split train, val or test."""
        return index(self.data_root, split)

    def path(self, name: str) -> Path:
        """Where this profile keeps `name`."""
        return self.output_dir / name

    def folder(self, name: str) -> Path:
        """The folder `name` of this profile's outputs, made when it is not there."""
        folder = self.path(name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def require(self, name: str, made_by: str) -> Path:
        """Path of a file that notebook `made_by` ("02") writes. Raises CourseError when it is not there."""
        path = self.path(name)
        if not path.exists():
            raise CourseError(
                f"{path} is missing: run notebook {NOTEBOOKS[made_by]} with PROFILE = {self.profile.name!r} first, "
                f"or `make run PROFILE={self.profile.name} ONLY={made_by}`."
            )
        return path

    def record(self, numbers: dict[str, Any]) -> dict[str, float]:
        """Merge `numbers` into metrics.json under this notebook's number; returns what was written.

        What this notebook recorded before is replaced, what others recorded stays.
        """
        prefix = f"{self.number}."
        mine = {f"{prefix}{name}": _plain(name, value) for name, value in numbers.items()}
        path = self.path("metrics.json")
        others = read_json(path) if path.is_file() else {}
        kept = {name: value for name, value in others.items() if not name.startswith(prefix)}
        write_json(path, dict(sorted({**kept, **mine}.items())))
        return mine


def _plain(name: str, value: Any) -> int | float:
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
        raise CourseError(f"{name} must be a finite number to be recorded, not {value!r}.")
    return number
