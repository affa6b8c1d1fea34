"""Set up a notebook: resolve its parameters, find its data, record its metrics."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers import miniscapes
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json, write_json
from helpers.datasets import Classes, Dataset, Frame, find_dataset, open_dataset
from helpers.profiles import load_profile

NOTEBOOKS = {
    "00": "00_play",
    "01": "01_explore_cityscapes",
    "02": "02_train_hrnet_uhrnet",
    "03": "03_evaluate",
    "04": "04_prune_fastscnn",
    "05": "05_deploy",
}

# The set of notebook 00: what differs from the data of the profile.
PLAY = {"train": 1, "val": 8, "test": 1, "size_hw": (256, 512)}


class Notebook:
    """The resolved parameters of one notebook. Generates MiniScapes if the profile needs it and it does not exist.

    Parameters
    ----------
    number : str
        Number of the notebook, "00" to "05".
    profile : str, default "mini"
        Name of a profile in helpers/profiles.toml.
    seed : int, default 0
        Seed of all random numbers.
    device : str, default "auto"
        Device of the networks: auto, cpu or gpu:0.
    data_root : str, optional
        Folder with a `dataset.toml`, or in the layout of Cityscapes; by default the data set of the profile.
    output_dir : str, optional
        Folder of all outputs; by default outputs/<profile>.

    Raises CourseError if the profile is unknown or the data set cannot be found.
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
        self.dataset = self._find_data(data_root)
        self.output_dir.mkdir(parents=True, exist_ok=True)

    def _find_data(self, data_root: str) -> Dataset:
        name, spec = self.profile.name, self.profile.data
        if self.number == "00":  # a few frames, so that a newcomer need not wait for the whole set
            name, spec = "play", replace(spec, **PLAY)
        if spec.kind == "miniscapes" and not data_root:
            root = miniscapes.generate(
                # The generator's version is part of the name, so an update does not mix two versions of the set.
                PROJECT / "data" / "miniscapes" / f"{name}-v{miniscapes.VERSION}",
                train=spec.train,
                val=spec.val,
                test=spec.test,
                size_hw=spec.size_hw,
                seed=spec.seed,
            )
            return open_dataset(root)
        data = find_dataset(data_root, default=PROJECT / "data" / "cityscapes")
        name = "Cityscapes" if spec.kind == "cityscapes" else data.name
        return replace(data, root=data.root.resolve(), name=name)

    @property
    def data_root(self) -> Path:
        """Folder of the data set."""
        return self.dataset.root

    @property
    def data_name(self) -> str:
        """Name of the data set in captions."""
        return self.dataset.name

    @property
    def classes(self) -> Classes:
        """The classes of the data set."""
        return self.dataset.classes

    @property
    def caption(self) -> str:
        """Data, profile and seed of a figure, for its caption."""
        return f"{self.data_name}, profile {self.profile.name}, seed {self.seed}"

    def frames(self, split: str) -> list[Frame]:
        """Return the frames of a split: train, val or test. Raise CourseError if there are none."""
        return self.dataset.frames(split)

    def path(self, name: str) -> Path:
        """Return the path of `name` in the output folder."""
        return self.output_dir / name

    def folder(self, name: str) -> Path:
        """Return the folder `name` in the output folder; create it if it does not exist."""
        folder = self.path(name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def require(self, name: str, made_by: str) -> Path:
        """Return the path of a file that notebook `made_by` ("02") writes; raise CourseError if it does not exist."""
        path = self.path(name)
        if not path.exists():
            raise CourseError(
                f"{path} does not exist: run notebook {NOTEBOOKS[made_by]} with PROFILE = {self.profile.name!r} first, "
                f"or `make run PROFILE={self.profile.name} ONLY={made_by}`."
            )
        return path

    def record(self, numbers: dict[str, Any]) -> dict[str, float]:
        """Write `numbers` to metrics.json, prefixed with the notebook's number, and return what was written.

        Earlier metrics of this notebook are replaced, those of other notebooks are kept. Raises CourseError if a
        value is not a finite number.
        """
        prefix = f"{self.number}."
        metrics = {f"{prefix}{name}": _to_number(name, value) for name, value in numbers.items()}
        path = self.path("metrics.json")
        others = read_json(path) if path.is_file() else {}
        kept = {name: value for name, value in others.items() if not name.startswith(prefix)}
        write_json(path, dict(sorted({**kept, **metrics}.items())))
        return metrics


def _to_number(name: str, value: Any) -> int | float:
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
        raise CourseError(f"Expected a finite number for {name}, got {value!r}.")
    return number
