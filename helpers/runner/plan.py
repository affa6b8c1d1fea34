"""Decide what a run executes: which notebooks, with which parameters, into which folder."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.common import course
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.datasets import find_dataset
from helpers.notebook import output_folder
from helpers.profiles import Profile, load_profile
from helpers.runner.headless import declared_parameters

NOTEBOOK_FOLDER = PROJECT / "notebooks"


@dataclass(frozen=True)
class Plan:
    """What a run executes.

    Attributes
    ----------
    profile : Profile
        Its settings.
    available, sources : tuple of Path
        All notebooks, and those to execute.
    parameters : dict
        Parameters of each notebook by its file name.
    folder : Path
        Folder of the executed notebooks and their outputs.
    seed : int
        Seed of all random numbers.
    changes : tuple of str
        What keeps the numbers from being those of the profile, such as "DATA_ROOT"; empty for the reference settings.
    language : str
        Language of the report; that of the notebooks changes no number.
    """

    profile: Profile
    available: tuple[Path, ...]
    sources: tuple[Path, ...]
    parameters: dict[str, dict[str, Any]]
    folder: Path
    seed: int = 0
    changes: tuple[str, ...] = field(default=())
    language: str = "en"

    def target(self, source: Path) -> Path:
        """Return the path of the executed notebook."""
        return self.folder / source.name

    def is_whole(self, source: Path) -> bool:
        """Return whether the executed notebook is complete, from the same source and with the same parameters.

        A notebook appears under its name only when all of its cells have run, and then holds the SHA-256 of its source.
        Changes in helpers/ or in the data are not noticed.
        """
        try:
            metadata = json.loads(self.target(source).read_bytes())["metadata"]
            run = metadata["course"]["source"], metadata["papermill"]["parameters"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return run == (digest(source), self.parameters[source.name])

    def missing(self) -> tuple[Path, ...]:
        """Return the notebooks from the first one that is not complete; later ones read what it writes."""
        for number, source in enumerate(self.sources):
            if not self.is_whole(source):
                return self.sources[number:]
        return ()

    def describe(self, sources: tuple[Path, ...]) -> str:
        """Return what executing `sources` would do, as text."""
        lines = [f"output folder: {self.folder}"]
        for source in sources:
            shown = ", ".join(f"{name}={value!r}" for name, value in self.parameters[source.name].items())
            lines.append(f"{source.stem}: {shown}{', replaces its result' if self.target(source).exists() else ''}")
        lines += [f"{source.stem}: complete, kept" for source in self.sources if source not in sources]
        written = ("metrics.json", "report.html") if sources else ("report.html",)
        return "\n".join([*lines, *(f"replaces {name}" for name in written if (self.folder / name).exists())])


def make_plan(
    profile: str,
    *,
    only: str = "",
    first: str = "",
    seed: int = 0,
    device: str = "auto",
    data_root: str = "",
    output_dir: str = "",
    extra: dict[str, Any] | None = None,
    notebooks: str | Path = "",
    language: str = "en",
) -> Plan:
    """Check the settings of a run; write nothing.

    Parameters
    ----------
    profile : str
        Name of a profile in helpers/profiles.toml.
    only : str, optional
        Notebooks to execute: "04", "02,03" or "02-04"; by default all.
    first : str, optional
        First notebook to execute, such as "03".
    seed : int, default 0
        Seed of all random numbers.
    device : str, default "auto"
        Device of the networks: auto, cpu or gpu:0.
    data_root : str, optional
        Folder with a `dataset.toml`, or in the layout of Cityscapes; by default the data set of the profile.
    output_dir : str, optional
        Folder of the executed notebooks and their outputs; by default see `output_folder`.
    extra : dict, optional
        More parameters, for those notebooks that declare them.
    notebooks : str or Path, optional
        Folder of the notebooks; by default notebooks/.
    language : str, default "en"
        Language of the report.

    Raises CourseError for invalid settings or missing data.
    """
    settings = load_profile(profile)
    available = select(Path(notebooks or NOTEBOOK_FOLDER), "")
    sources = select(Path(notebooks or NOTEBOOK_FOLDER), only, first)
    if seed < 0:
        raise CourseError(f"SEED must be at least 0, got {seed}.")
    parameters: dict[str, Any] = {"PROFILE": profile, "SEED": seed}
    if device != "auto":
        parameters["DEVICE"] = device
    data = None
    if data_root or settings.data.kind == "cityscapes":
        data = find_dataset(data_root, default=PROJECT / "data" / "cityscapes")  # fail now, not after half an hour
        parameters["DATA_ROOT"] = str(data.root.resolve())  # the notebooks run in another working directory
    folder = output_folder(settings, data)
    other_data = folder != output_folder(settings, None)
    if output_dir:
        folder = Path(output_dir).expanduser().resolve()
        parameters["OUTPUT_DIR"] = str(folder)
    seed_changed = ["SEED"] if seed else []
    return Plan(
        profile=settings,
        available=tuple(available),
        sources=tuple(sources),
        parameters=_by_notebook(sources, parameters, extra or {}),
        folder=folder,
        seed=seed,
        changes=(*seed_changed, *(["DATA_ROOT"] if other_data else []), *(extra or {})),
        language=language,
    )


def _by_notebook(sources: list[Path], parameters: dict[str, Any], extra: dict[str, Any]) -> dict[str, dict[str, Any]]:
    declared = {source.name: declared_parameters(source) for source in sources}
    for source, names in declared.items():
        for name in parameters:
            if name not in names:
                known = ", ".join(names) or "none: it has no cell tagged `parameters`"
                raise CourseError(f"{source} does not declare the parameter {name}; it declares {known}.")
    for name in extra:
        if not any(name in names for names in declared.values()):
            known = ", ".join(dict.fromkeys(known for names in declared.values() for known in names))
            raise CourseError(f"Expected a parameter of a notebook after -p, got {name}: choose from {known}.")
    return {
        source: {**parameters, **{name: value for name, value in extra.items() if name in names}}
        for source, names in declared.items()
    }


def digest(source: Path) -> str:
    """Return the SHA-256 of a notebook's file."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def parse_value(text: str) -> Any:
    """Return the number, truth value, list or None that `text` writes in Python, else `text` itself."""
    try:
        value = ast.literal_eval(text)
        same = json.loads(json.dumps(value)) == value  # not a tuple, a set or bytes, which a notebook cannot store
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return value if same else text


def select(folder: Path, only: str, first: str = "") -> list[Path]:
    """Return the notebooks NN_*.ipynb of `folder` in order: those in `only`, from number `first` on.

    Raises CourseError if one does not exist.
    """
    available = {path.name[:2]: path for path in course.notebooks(folder)}
    if not available:
        raise CourseError(f"Expected notebooks like 01_explore_cityscapes.ipynb in {folder}, found none.")
    selected = _numbers(only, available) if only.strip() else set(available)
    if first.strip():
        start = first.strip().zfill(2)
        if start not in available:
            raise CourseError(f"Expected FROM to be one of {', '.join(available)}, got {first!r}.")
        selected = {number for number in selected if number >= start}
        if not selected:
            raise CourseError(f"ONLY={only} and FROM={first} leave no notebook: omit one of them.")
    return [available[number] for number in sorted(selected)]


def _numbers(only: str, available: dict[str, Path]) -> set[str]:
    selected: set[str] = set()
    for part in only.split(","):
        match = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise CourseError(f"Expected ONLY like 04, 02,03 or 02-04, got {only!r}.")
        selected |= {f"{number:02d}" for number in range(int(match[1]), int(match[2] or match[1]) + 1)}
    for number in sorted(selected):
        if number not in available:
            raise CourseError(f"Notebook {number} of ONLY={only} does not exist: choose from {', '.join(available)}.")
    return selected
