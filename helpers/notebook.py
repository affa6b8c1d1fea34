"""Set up a notebook: resolve its parameters, find its data, record its metrics."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers import miniscapes
from helpers.cityscapes import CITYSCAPES
from helpers.cityscapes.frames import layout
from helpers.common.course import NOTEBOOKS
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json, write_json
from helpers.datasets import Classes, Dataset, Frame, find_dataset, open_dataset
from helpers.datasets.dataset import DESCRIPTION
from helpers.profiles import Profile, load_profile

CITYSCAPES_CLASSES = "the classes of Cityscapes"

PLAY = 8  # frames of notebook 00, so that a newcomer need not wait for the whole set


class Notebook:
    """The resolved parameters of one notebook. Generates MiniScapes if the profile needs it and it does not exist.

    Parameters
    ----------
    number : str
        Number of the notebook, "00" to "06". Notebook "06" has no data set until `use` gives it one.
    profile : str, default "mini"
        Name of a profile in helpers/profiles.toml.
    seed : int, default 0
        Seed of all random numbers.
    device : str, default "auto"
        Device of the networks: auto, cpu or gpu:0.
    data_root : str, optional
        Folder with a `dataset.toml`, or in the layout of Cityscapes; by default the data set of the profile.
    output_dir : str, optional
        Folder of all outputs; by default see `output_folder`.

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
        self._dataset = None if self._brings_data(data_root) else self._find_data(data_root)
        self._is_recorded = self._generates(data_root) or self._brings_data(data_root)
        folder = output_dir or output_folder(self.profile, None if self._generates(data_root) else self._dataset)
        self.output_dir = Path(folder).expanduser().resolve()
        self.output_dir.mkdir(parents=True, exist_ok=True)

    def _generates(self, data_root: str) -> bool:
        return self.profile.data.kind == "miniscapes" and not data_root

    def _brings_data(self, data_root: str) -> bool:
        return self.number == "06" and not data_root

    def _find_data(self, data_root: str) -> Dataset:
        name, spec = self.profile.name, self.profile.data
        if self.number == "00":
            name, spec = f"{name}-play", replace(spec, train=1, val=min(PLAY, spec.val), test=1)
        if self._generates(data_root):
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
        return replace(data, root=data.root.resolve(), name="Cityscapes" if _is_own(self.profile, data) else data.name)

    @property
    def dataset(self) -> Dataset:
        """The data set. Raise CourseError in notebook 06 before it has one."""
        if self._dataset is None:
            raise CourseError(f"Notebook {NOTEBOOKS[self.number]} has no data yet: run the cells above first.")
        return self._dataset

    def use(self, dataset: Dataset) -> None:
        """Take frames, classes and captions from another data set from now on."""
        self._dataset = dataset

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

    def has(self, what: str) -> bool:
        """Return whether the data can answer what a section asks; print a sentence if not.

        `what` is "the classes of Cityscapes", or an annotation of its layout, such as "polygons" or "instanceIds".
        """
        if what == CITYSCAPES_CLASSES:
            known = self.classes.names == CITYSCAPES.names
            reason = "has other classes than Cityscapes: the comparison with it is left out here"
        else:
            path = self.frames("val")[0].annotation(what)
            known = path is not None and path.is_file() and self.dataset.images == layout("").images
            reason = f"has no {what}, unlike Cityscapes: there is nothing to show here"
        if not known:
            print(f"{self.data_name} {reason}.")
        return known

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

        Earlier metrics of this notebook are replaced, those of other notebooks are kept. A damaged file is renamed to
        metrics.damaged1.json with a warning. Raises CourseError if a value is not a finite number.
        """
        prefix = f"{self.number}."
        metrics = {f"{prefix}{name}": _to_number(name, value) for name, value in numbers.items()}
        path = self.path("metrics.json")
        kept = {name: value for name, value in _read_metrics(path).items() if not name.startswith(prefix)}
        write_json(path, dict(sorted({**kept, **metrics}.items())))
        return metrics

    def recorded_difference(self, first: str, second: str = "") -> str:
        """Return one line: `first` minus `second`, metrics of this notebook, in the recorded runs of several seeds.

        Without `second`, `first` is a difference already. The runs are those in outputs/<profile>/reference.json, of
        the hardware with most seeds. Runs of other data are not recorded, nor are those of every profile.
        """
        path = PROJECT / "outputs" / self.profile.name / "reference.json"
        entries = read_json(path) if self._is_recorded and path.is_file() else {}
        found: dict[str, dict[str, float]] = {}  # hardware -> seed -> difference
        for hardware, runs in entries.get(f"{self.number}.{first}", {}).get("by_hardware", {}).items():
            others = entries.get(f"{self.number}.{second}", {}).get("by_hardware", {}).get(hardware, {})
            found[hardware] = {
                seed: value - (others[seed] if second else 0)
                for seed, value in sorted(runs.items(), key=lambda run: int(run[0]))
                if seed in others or not second
            }
        hardware = max(found, key=lambda name: len(found[name]), default="")
        runs = found.get(hardware, {})
        if len(runs) < 2:
            return f"no runs of several seeds are recorded for this data and profile {self.profile.name}"
        values = list(runs.values())
        return (
            f"{', '.join(f'{value:+.3f}' for value in values)} (seeds {', '.join(runs)} on {hardware}); mean "
            f"{sum(values) / len(values):+.3f}, above zero in {sum(value > 0 for value in values)} of {len(values)}"
        )


def output_folder(profile: Profile, data: Dataset | None) -> Path:
    """Return the default output folder of a profile with the data in DATA_ROOT, None if that is not set.

    It is outputs/<profile>, or outputs/<profile>-<folder of the data> for other data than the profile is made for, so
    that its results do not overwrite those of the profile.
    """
    own = data is None or _is_own(profile, data)
    return PROJECT / "outputs" / (profile.name if own else f"{profile.name}-{data.root.resolve().name}")


def _is_own(profile: Profile, data: Dataset) -> bool:
    """Whether this is Cityscapes itself and the profile is made for it; a profile generates its MiniScapes itself."""
    return profile.data.kind == "cityscapes" and not (data.root / DESCRIPTION).is_file()


def _read_metrics(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        metrics = read_json(path)
    except CourseError:
        metrics = None
    if isinstance(metrics, dict):
        return metrics
    number = 1 + sum(1 for _ in path.parent.glob("metrics.damaged*.json"))
    aside = path.rename(path.with_name(f"metrics.damaged{number}.json"))
    warnings.warn(
        f"{path} was damaged and is now {aside.name}: run the other notebooks again to record their metrics.",
        stacklevel=3,
    )
    return {}


def _to_number(name: str, value: Any) -> int | float:
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
        raise CourseError(f"Expected a finite number for {name}, got {value!r}.")
    return number
