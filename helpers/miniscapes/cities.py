"""Cities of each split, their characteristics, and the schedule of rare classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class City:
    """Characteristics of a city: a cycle of weathers, season, building styles, heights (m) and street types."""

    name: str
    weathers: tuple[str, ...]
    season: str
    styles: tuple[str, ...]
    height_m: tuple[float, float]
    streets: tuple[str, ...]


def _city(name, weathers, season, styles, height, streets) -> City:
    return City(name, tuple(weathers.split()), season, tuple(styles.split()), height, tuple(streets.split()))


# Names and splits are those of Cityscapes; the rest is invented.
SPLITS: dict[str, tuple[City, ...]] = {
    "train": (
        _city("aachen", "overcast sunny overcast hazy", "summer", "brick plaster shop", (9, 16),
              "downtown suburb downtown park"),
        _city("bochum", "sunny rain sunny overcast", "autumn", "plaster office shop", (10, 18),
              "arterial downtown suburb"),
        _city("bremen", "rain overcast dusk rain", "summer", "brick brick shop", (8, 13), "suburb downtown park"),
        _city("cologne", "dusk night overcast sunny", "summer", "plaster shop office", (12, 20),
              "downtown arterial downtown"),
        _city("darmstadt", "sunny hazy sunny overcast", "summer", "plaster plaster office", (7, 13),
              "suburb park downtown"),
        _city("dusseldorf", "overcast sunny rain hazy", "winter", "office shop brick", (12, 22),
              "downtown downtown arterial"),
        _city("erfurt", "hazy overcast sunny dusk", "autumn", "plaster shop plaster", (9, 14), "downtown park suburb"),
        _city("hamburg", "night rain overcast dusk", "winter", "brick office brick", (11, 19),
              "downtown arterial suburb"),
        _city("hanover", "overcast overcast sunny rain", "winter", "plaster brick office", (9, 17),
              "arterial downtown park"),
        _city("jena", "sunny overcast hazy sunny", "summer", "plaster shop industrial", (8, 14),
              "suburb arterial downtown"),
        _city("krefeld", "sunny sunny overcast rain", "autumn", "brick shop plaster", (8, 15),
              "downtown suburb arterial"),
        _city("monchengladbach", "overcast hazy sunny dusk", "summer", "brick industrial plaster", (7, 12),
              "suburb arterial park"),
        _city("strasbourg", "sunny dusk overcast sunny", "summer", "shop plaster plaster", (11, 18),
              "downtown downtown park"),
        _city("stuttgart", "overcast sunny hazy overcast", "autumn", "office plaster shop", (10, 20),
              "arterial downtown suburb"),
        _city("tubingen", "hazy sunny overcast rain", "winter", "plaster shop brick", (8, 13), "suburb downtown park"),
        _city("ulm", "overcast rain sunny overcast", "summer", "plaster office brick", (8, 16),
              "downtown arterial suburb"),
        _city("weimar", "sunny overcast dusk hazy", "autumn", "plaster plaster shop", (8, 12), "park suburb downtown"),
        _city("zurich", "hazy sunny overcast night", "summer", "office shop plaster", (11, 18),
              "downtown park arterial"),
    ),
    "val": (
        _city("frankfurt", "sunny overcast hazy overcast", "summer", "office plaster shop", (10, 20),
              "downtown arterial suburb"),
        _city("lindau", "overcast hazy sunny dusk", "autumn", "plaster shop plaster", (8, 13), "suburb downtown park"),
        _city("munster", "rain sunny overcast dusk overcast sunny rain night", "summer", "brick shop plaster", (8, 15),
              "downtown suburb arterial"),
    ),
    "test": (
        _city("berlin", "overcast night sunny rain", "autumn", "plaster office brick", (12, 20),
              "downtown arterial park"),
        _city("bielefeld", "sunny rain dusk overcast", "winter", "plaster brick shop", (8, 14),
              "suburb downtown arterial"),
        _city("bonn", "hazy overcast sunny rain", "summer", "shop plaster office", (9, 15), "downtown park suburb"),
        _city("leverkusen", "overcast dusk hazy sunny", "winter", "industrial brick office", (8, 16),
              "arterial suburb downtown"),
        _city("mainz", "sunny overcast night hazy", "summer", "plaster shop brick", (9, 16), "downtown suburb park"),
        _city("munich", "dusk sunny overcast rain", "autumn", "plaster office shop", (10, 18),
              "downtown arterial park"),
    ),
}

# Share of frames in which a class is scheduled. The rarest classes occur about twice as often as in Cityscapes, so that
# a hundred frames are enough to learn them. A class that is not scheduled in a frame does not occur in it.
SCHEDULE = {"train": 0.10, "bus": 0.16, "truck": 0.19, "motorcycle": 0.23, "rider": 0.40, "bicycle": 0.57, "wall": 0.35,
            "fence": 0.45, "terrain": 0.57, "traffic light": 0.57, "traffic sign": 0.95, "person": 0.82, "car": 0.96}


@dataclass(frozen=True)
class FramePlan:
    """Plan of one frame: its split, city and number, and the classes that it must show."""

    split: str
    city: City
    number: int
    weather: str
    street: str
    wanted: frozenset[str]
    seed: int

    @property
    def stem(self) -> str:
        return f"{self.city.name}_{self.number:06d}_000019"

    def rng(self, *more: int) -> np.random.Generator:
        """Return a generator that depends only on seed, split, city, frame number and `more`."""
        split = list(SPLITS).index(self.split)
        city = [c.name for c in SPLITS[self.split]].index(self.city.name)
        return np.random.default_rng(np.random.SeedSequence([self.seed, split, city, self.number, *more]))


def plan(split: str, count: int, seed: int, weathers: tuple[str, ...] = ()) -> list[FramePlan]:
    """Plan a split: cities in equal shares (at least four frames each in train), rare classes spread evenly.

    `weathers`, if any, replaces the cycle of weathers of every city.
    """
    cities = SPLITS[split][:max(1, min(len(SPLITS[split]), count // (4 if split == "train" else 1)))]
    rng = np.random.default_rng(np.random.SeedSequence([seed, list(SPLITS).index(split), 4242]))
    wanted: list[set[str]] = [set() for _ in range(count)]
    for name, share in SCHEDULE.items():
        times = max(2 if count >= 6 else 1, round(count * share))  # a handful of frames cannot show everything
        start = rng.random()
        for k in range(times):
            wanted[int((k + start) * count / times) % count].add(name)
    frames = []
    for i in range(count):
        city = cities[i * len(cities) // count]
        number = i - -(-(i * len(cities) // count) * count // len(cities))
        turn = number + len(city.name)
        cycle = weathers or city.weathers
        frames.append(FramePlan(split, city, number, cycle[number % len(cycle)],
                            city.streets[turn % len(city.streets)], frozenset(wanted[i]), seed))
    return frames
