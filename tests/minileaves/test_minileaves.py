"""MiniLeaves: reproducible, annotated as LabelMe does, with each mistake where MISTAKES says it is."""

from __future__ import annotations

import hashlib
import json

import cv2
import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.minileaves import MISTAKES, generate

SMALL = {"plants": 7, "photographs": 7, "size_hw": (96, 128)}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("clean") / "leaves", **SMALL, with_mistakes=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("planted") / "leaves", **SMALL)


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.*"))}


def shapes(root, frame):
    return json.loads((root / frame).with_suffix(".json").read_text())


def test_the_same_seed_yields_the_same_bytes(clean, tmp_path):
    again = generate(tmp_path / "leaves", **SMALL, with_mistakes=False)
    assert contents(again) == contents(clean)
    other = generate(tmp_path / "other", **SMALL, with_mistakes=False, seed=1)
    assert contents(other)["plant_00/00.png"] != contents(clean)["plant_00/00.png"]


def test_outlines_have_the_colours_of_what_they_outline(clean):
    """Leaves are green, spots are brown, in every photograph: label and image belong together."""
    shares = []
    for path in sorted(clean.rglob("*.png")):
        image, label = cv2.imread(str(path))[..., ::-1], np.zeros((96, 128), np.uint8)
        content = shapes(clean, path)
        assert (content["imageHeight"], content["imageWidth"], content["imagePath"]) == (96, 128, path.name)
        for shape in content["shapes"]:
            points = np.rint(shape["points"]).astype(np.int32)
            cv2.fillPoly(label, [points], {"leaf": 1, "spot": 2}[shape["label"]])
        leaf = image[label == 1].mean(axis=0)
        assert leaf[1] > leaf[0] and leaf[1] > leaf[2]
        if (label == 2).sum() > 20:
            spot = image[label == 2].mean(axis=0)
            assert spot[0] > spot[1] > spot[2]
        shares.append(np.bincount(label.ravel(), minlength=3) / label.size)
    background, leaf, spot = np.mean(shares, axis=0)
    assert 0.6 < background < 0.95 and 0.05 < leaf < 0.3 and 0.001 < spot < 0.03  # spots are rare


def test_photographs_of_a_plant_are_alike_and_plants_differ(clean):
    def photograph(frame):
        return cv2.imread(str(clean / f"{frame}.png")).astype(float).mean(axis=(0, 1))

    within = np.linalg.norm(
        photograph("plant_00/00") / photograph("plant_00/00").sum()
        - photograph("plant_00/01") / photograph("plant_00/01").sum()
    )
    between = [
        np.linalg.norm(
            photograph("plant_00/00") / photograph("plant_00/00").sum()
            - photograph(f"plant_{n:02d}/00") / photograph(f"plant_{n:02d}/00").sum()
        )
        for n in range(1, 7)
    ]
    assert within < min(between)


def test_each_mistake_is_where_it_is_said_to_be(root, clean):
    assert [mistake.frame for mistake in MISTAKES] == sorted(mistake.frame for mistake in MISTAKES)
    assert "laef" in [shape["label"] for shape in shapes(root, "plant_00/03")["shapes"]]
    assert min(len(shape["points"]) for shape in shapes(root, "plant_01/01")["shapes"]) == 2
    assert min(x for x, _ in shapes(root, "plant_01/04")["shapes"][0]["points"]) > 128
    with pytest.raises(json.JSONDecodeError):
        shapes(root, "plant_03/02")
    assert not (root / "plant_04/00.json").exists() and (root / "plant_04/00.png").exists()
    assert cv2.imread(str(root / "plant_05/05.png")).shape == (48, 64, 3)
    assert shapes(root, "plant_05/05")["imageHeight"] == 96
    assert (root / "plant_06/00.png").read_bytes() == (root / "plant_02/copy_of_00.png").read_bytes()
    before, after = contents(clean), contents(root)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    # Everything else is untouched.
    assert changed - {".minileaves.json"} == {
        "plant_00/03.json",
        "plant_01/01.json",
        "plant_01/04.json",
        "plant_03/02.json",
        "plant_04/00.json",
        "plant_05/05.png",
        "plant_02/copy_of_00.png",
        "plant_02/copy_of_00.json",
    }


def test_an_existing_set_is_kept(root, tmp_path):
    before = contents(root)
    assert generate(root, **SMALL) == root and contents(root) == before
    with pytest.raises(CourseError, match="choose a new folder"):
        generate(root, **SMALL, seed=3)
    assert contents(root) == before
    with pytest.raises(CourseError, match="at least 7 plants"):
        generate(tmp_path / "few", plants=3)


def test_every_file_of_a_set_has_its_own_hash_but_the_planted_copy(root):
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.png")]
    assert len(hashes) - len(set(hashes)) == 1
