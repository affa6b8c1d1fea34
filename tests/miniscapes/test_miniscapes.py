"""MiniScapes: layout, schema, official conversion, determinism, and agreement of images and labels."""

import errno
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import id2label, labels, name2label
from cityscapesscripts.preparation.json2instanceImg import json2instanceImg
from cityscapesscripts.preparation.json2labelImg import json2labelImg

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset
from helpers.datasets.dataset import DESCRIPTION
from helpers.miniscapes import __main__ as command
from helpers.miniscapes import generate, write
from helpers.miniscapes.camera import Camera, cut_to_frame
from helpers.miniscapes.cities import SCHEDULE, SPLITS, plan
from helpers.miniscapes.colour_baseline import fit
from helpers.miniscapes.published import FRAME_SHARE, INSTANCES_PER_FRAME, PIXEL_SHARE
from helpers.miniscapes.render import render

SMOKE = {"train": 12, "val": 6, "test": 2, "size_hw": (128, 256)}
TINY = {"train": 2, "val": 1, "test": 1, "size_hw": (64, 128)}
IDS = {f.id for f in labels if f.id >= 0}
CLASSES = {f.trainId for f in labels if 0 <= f.trainId < 255}


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def digest(root: Path) -> dict[str, str]:
    files = (p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp("miniscapes") / "smoke", **SMOKE, workers=1)


def annotations(root: Path, kind: str, split: str = "*") -> list[Path]:
    found = sorted(root.glob(f"gtFine/{split}/*/*_gtFine_{kind}"))
    assert found
    return found


# --- the folder -------------------------------------------------------------------------------------------------------


def test_folders_and_names_are_the_official_ones(smoke):
    frames = {}
    for split, count in (("train", 12), ("val", 6), ("test", 2)):
        images = sorted((smoke / "leftImg8bit" / split).rglob("*.png"))
        assert len(images) == count
        for image in images:
            name = re.fullmatch(r"([a-z]+)_\d{6}_\d{6}_leftImg8bit\.png", image.name)
            assert name and name[1] == image.parent.name
            frames[image.name.removesuffix("_leftImg8bit.png")] = split
            assert read(image).shape == (128, 256, 3)
    kinds = ["color.png", "instanceIds.png", "labelIds.png", "labelTrainIds.png", "polygons.json"]
    expected = {f"gtFine/{s}/{f.split('_')[0]}/{f}_gtFine_{k}" for f, s in frames.items() if s != "test" for k in kinds}
    assert {str(p.relative_to(smoke)) for p in (smoke / "gtFine").rglob("*") if p.is_file()} == expected


def test_cities_are_real_and_splits_share_none(smoke):
    cities = {split: {p.name for p in (smoke / "leftImg8bit" / split).iterdir()} for split in ("train", "val", "test")}
    assert len(cities["train"]) >= 3 and cities["val"] == {"frankfurt", "lindau", "munster"}
    assert not cities["train"] & cities["val"] and not cities["train"] & cities["test"]
    assert [len(SPLITS[s]) for s in ("train", "val", "test")] == [18, 3, 6]


def test_list_files_follow_paddleseg_format(smoke):
    for name, count in (("train", 12), ("val", 6), ("trainval", 18)):
        rows = [line.split(" ") for line in (smoke / f"{name}.list").read_text().splitlines()]
        assert len(rows) == count
        for image, label in rows:
            assert (smoke / image).is_file() and (smoke / label).is_file()
            assert Path(image).name.removesuffix("_leftImg8bit.png") == Path(label).name.removesuffix(
                "_gtFine_labelTrainIds.png"
            )
    for name in ("test", "infer"):
        rows = (smoke / f"{name}.list").read_text().splitlines()
        assert len(rows) == 2 and all((smoke / row).is_file() for row in rows)


def test_marker_states_specification_and_version(smoke):
    spec = json.loads((smoke / "miniscapes.json").read_text())
    assert spec == {
        "kind": "MiniScapes",
        "version": write.VERSION,
        "train": 12,
        "val": 6,
        "test": 2,
        "size_hw": [128, 256],
        "seed": 0,
    }


# --- the annotation ---------------------------------------------------------------------------------------------------


def test_polygons_follow_the_official_schema(smoke):
    seen = set()
    for path in annotations(smoke, "polygons.json"):
        annotation = json.loads(path.read_text())
        assert set(annotation) == {"imgHeight", "imgWidth", "objects"}
        assert (annotation["imgHeight"], annotation["imgWidth"]) == (128, 256)
        for thing in annotation["objects"]:
            assert set(thing) == {"label", "polygon"}
            seen.add(thing["label"])
            assert thing["label"].removesuffix("group") in name2label or thing["label"] in name2label
            assert len(thing["polygon"]) >= 3
            assert all(0 <= x < 256 and 0 <= y < 128 and type(x) is type(y) is int for x, y in thing["polygon"])
    assert {"ego vehicle", "out of roi", "rectification border", "license plate"} <= seen


def test_labels_equal_the_official_conversion_of_the_polygons(smoke, tmp_path):
    for polygons in annotations(smoke, "polygons.json")[::5]:
        for kind, convert in (
            ("labelIds", lambda a, b: json2labelImg(a, b, "ids")),
            ("labelTrainIds", lambda a, b: json2labelImg(a, b, "trainIds")),
            ("color", lambda a, b: json2labelImg(a, b, "color")),
            ("instanceIds", lambda a, b: json2instanceImg(a, b, "ids")),
        ):
            convert(str(polygons), str(tmp_path / "again.png"))
            ours, official = (
                read(polygons.with_name(polygons.name.replace("polygons.json", f"{kind}.png"))),
                read(tmp_path / "again.png"),
            )
            assert ours.dtype == official.dtype and (ours == official).all(), (polygons.name, kind)


def test_label_values_are_valid_and_consistent(smoke):
    for path in annotations(smoke, "labelIds.png"):
        ids = read(path)
        train_ids = read(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
        instances = read(path.with_name(path.name.replace("labelIds", "instanceIds"))).astype(int)
        assert set(np.unique(ids)) <= IDS
        for value in np.unique(ids):
            assert (train_ids[ids == value] == id2label[value].trainId).all()
        single = instances >= 1000
        assert (np.where(single, instances // 1000, instances) == ids).all()
        assert all(id2label[v].hasInstances for v in np.unique(ids[single]))


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_class_occurs_in_the_smallest_data_set(smoke, split):
    found = set()
    for path in annotations(smoke, "labelTrainIds.png", split):
        found |= set(np.unique(read(path)).tolist())
    assert found - {255} == CLASSES


def test_schedule_covers_every_class_for_small_counts():
    for split, counts in (("train", (6, 12, 31)), ("val", (6, 7, 24))):
        for count in counts:
            frames = plan(split, count, seed=3)
            assert len({f.stem for f in frames}) == count
            for name in SCHEDULE:
                assert sum(name in f.wanted for f in frames) >= 2, (split, count, name)


# --- agreement of image and annotation --------------------------------------------------------------------------------


def test_painted_pixels_equal_labelled_pixels():
    frame = plan("train", 12, 0)[4]
    image, annotation, seen = render(frame, (128, 256))
    ids = np.array(
        [name2label.get(o["label"], name2label.get(o["label"].removesuffix("group"))).id for o in annotation["objects"]]
    )
    assert image.shape == (128, 256, 3) and image.dtype == np.uint8
    assert (seen >= 0).mean() > 0.999
    painted = np.where(seen >= 0, ids[seen], 0)

    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.preparation.json2labelImg import createLabelImage

    official = Annotation()
    official.fromJsonText(json.dumps(annotation))
    assert (np.asarray(createLabelImage(official, "ids")) == painted).all()


def test_image_edges_coincide_with_label_edges(smoke):
    """Independent of the canvas: the image changes more at label edges than two pixels next to them."""
    at = {shift: [] for shift in (-2, 0, 2)}
    for path in annotations(smoke, "labelIds.png"):
        grey = (
            read(
                smoke
                / "leftImg8bit"
                / path.relative_to(smoke / "gtFine").with_name(path.name.replace("gtFine_labelIds", "leftImg8bit"))
            )
            .astype(float)
            .mean(2)
        )
        ids = read(path)
        change, edge = np.abs(np.diff(grey, axis=1)), np.diff(ids.astype(int), axis=1) != 0
        edge[:, :6] = edge[:, -6:] = False
        edge[116:] = False
        for shift, values in at.items():
            values.append(change[np.roll(edge, shift, axis=1)].mean())
    middle = np.mean(at[0])
    assert middle > 1.35 * np.mean(at[-2]) and middle > 1.35 * np.mean(at[2])


def test_street_is_the_same_at_every_size():
    frame = plan("val", 6, 0)[2]
    small, large = (render(frame, size) for size in ((128, 256), (512, 1024)))
    names_small = np.array([o["label"] for o in small[1]["objects"]] + [""])
    names_large = np.array([o["label"] for o in large[1]["objects"]] + [""])
    assert (names_small[small[2]] == names_large[large[2][2::4, 2::4]]).mean() > 0.9
    assert np.abs(small[0].astype(float) - cv2.resize(large[0], (256, 128), interpolation=cv2.INTER_AREA)).mean() < 12


# --- perspective ------------------------------------------------------------------------------------------------------


def test_camera_halves_sizes_at_twice_the_distance_and_inverts_on_the_ground():
    camera = Camera(1024, 430, offset_m=1.5, yaw=0.02, curve=3e-4)
    near, far = (camera.project([(2, 0, z), (2, 1.7, z)]) for z in (10.0, 20.0))
    assert near[0, 1] - near[1, 1] == pytest.approx(2262 * 1.7 / 10)
    assert near[0, 1] - near[1, 1] == pytest.approx(2 * (far[0, 1] - far[1, 1]))
    assert far[0, 1] < near[0, 1]  # more distant feet are higher in the image
    u, v = camera.project([(-3.0, 0, 17.0)])[0]
    assert np.allclose(camera.ground(u, v), (-3.0, 17.0))


def test_clipping_a_polygon_to_the_frame():
    square = np.array([(-1.0, -1.0), (1, -1), (1, 1), (-1, 1)])
    inside = cut_to_frame(square, 4, 4)
    assert {tuple(p) for p in inside} == {(0, 0), (1, 0), (1, 1), (0, 1)}
    assert len(cut_to_frame(square - 9, 4, 4)) == 0


def test_distant_people_are_smaller(smoke):
    feet, heights = [], []
    for path in annotations(smoke, "polygons.json"):
        for thing in json.loads(path.read_text())["objects"]:
            if thing["label"] == "person":
                y = [p[1] for p in thing["polygon"]]
                feet.append(max(y)), heights.append(max(y) - min(y))
    assert len(feet) > 20
    assert np.corrcoef(np.argsort(np.argsort(feet)), np.argsort(np.argsort(heights)))[0, 1] > 0.7


# --- determinism and atomic writing -----------------------------------------------------------------------------------


def test_same_bytes_for_any_number_of_processes(smoke, tmp_path):
    again = generate(tmp_path / "again", **SMOKE, workers=2)
    assert digest(again) == digest(smoke)


def test_weathers_restrict_every_city_and_are_part_of_the_specification(tmp_path):
    frames = plan("train", 24, 0, ("night", "rain"))
    assert {(f.city.name, f.weather) for f in frames} == {
        (f.city.name, weather) for f in plan("train", 24, 0) for weather in ("night", "rain")
    }
    assert [f.wanted for f in frames] == [f.wanted for f in plan("train", 24, 0)]
    night = generate(tmp_path / "night", **TINY, workers=1, weathers=("night",))
    usual = generate(tmp_path / "usual", **TINY, workers=1)
    assert json.loads((night / "miniscapes.json").read_text())["weathers"] == ["night"]
    assert generate(night, **TINY, weathers=("night",)) == night

    def brightness(root: Path) -> float:
        return np.mean([read(path).mean() for path in sorted(root.glob("leftImg8bit/train/*/*.png"))])

    assert brightness(night) < 0.7 * brightness(usual)
    for root, weathers in ((night, ()), (usual, ("night",)), (night, ("rain",))):
        with pytest.raises(CourseError, match=r"another MiniScapes data set \(weathers .* instead of .*\): delete"):
            generate(root, **TINY, weathers=weathers)


def test_another_seed_yields_other_streets(tmp_path):
    one, other = (digest(generate(tmp_path / str(seed), **TINY, seed=seed, workers=1)) for seed in (0, 1))
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one if name.endswith(".png") or name == "miniscapes.json")


def test_existing_data_set_is_reused_and_never_overwritten(tmp_path, monkeypatch):
    root = generate(tmp_path / "set", **TINY, workers=1)
    before = digest(root)
    monkeypatch.setattr(write, "write_frame", lambda job: pytest.fail("an existing data set was generated again"))
    assert generate(root, **TINY) == root
    with pytest.raises(CourseError, match=r"another MiniScapes data set \(seed 0 instead of 5\): delete"):
        generate(root, **TINY, seed=5)
    monkeypatch.setattr(write, "VERSION", write.VERSION + 1)
    with pytest.raises(CourseError, match="version"):
        generate(root, **TINY)
    (root / "miniscapes.json").write_text("{")
    with pytest.raises(CourseError, match="not valid JSON"):
        generate(root, **TINY)
    (root / "miniscapes.json").unlink()
    with pytest.raises(CourseError, match="not a MiniScapes data set"):
        generate(root, **TINY)
    assert digest(root).items() <= before.items() and len(digest(root)) == len(before) - 1


def test_classes_are_described_also_for_a_set_of_an_earlier_version(tmp_path, monkeypatch):
    root = generate(tmp_path / "set", **TINY, workers=1)
    described = open_dataset(root)
    assert described.name == "MiniScapes" and described.classes == CITYSCAPES
    (root / DESCRIPTION).unlink()
    assert open_dataset(generate(root, **TINY)) == described
    (root / DESCRIPTION).unlink()

    def read_only(dataset):
        raise CourseError("read-only")

    monkeypatch.setattr(type(described), "save", read_only)
    assert open_dataset(generate(root, **TINY)).classes == CITYSCAPES


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    assert (generate(tmp_path / "empty", **TINY, workers=1) / "train.list").is_file()


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_interruption_leaves_no_files(tmp_path, monkeypatch, failure):
    done = []

    def stop(job, real=write.write_frame):
        if len(done) == 2:
            raise failure
        done.append(real(job))
        return done[-1]

    monkeypatch.setattr(write, "write_frame", stop)
    expected = CourseError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        generate(tmp_path / "set", **TINY, workers=1)
    assert len(done) == 2 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"train": 0},
        {"val": -1},
        {"test": 2.5},
        {"train": True},
        {"train": 10**9},
        {"size_hw": (100, 200)},
        {"size_hw": (64, 96)},
        {"size_hw": (256, 128)},
        {"size_hw": 256},
        {"size_hw": (256,)},
        {"size_hw": ("a", "b")},
        {"size_hw": (64, 512)},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": "0"},
        {"workers": 0},
        {"workers": 1.5},
        {"weathers": ("snow",)},
        {"weathers": "night"},
    ],
)
def test_invalid_arguments_raise_one_sentence(tmp_path, wrong):
    with pytest.raises(CourseError) as error:
        generate(tmp_path / "set", **{**TINY, **wrong})
    text = str(error.value)
    assert text.startswith("MiniScapes needs") and text.endswith(".") and "\n" not in text
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("size_hw", [(64, 128), (160, 320), (128, 128), (64, 256)])
def test_any_size_in_multiples_of_32(size_hw):
    image, annotation, _ = render(plan("train", 6, 0)[0], size_hw)
    assert image.shape == (*size_hw, 3) and (annotation["imgHeight"], annotation["imgWidth"]) == size_hw


# --- command line and the rest ----------------------------------------------------------------------------------------


def test_command_line(tmp_path, capsys):
    arguments = ["--to", str(tmp_path / "set"), "--train", "2", "--val", "1", "--test", "1", "--size", "64", "128"]
    assert command.main([*arguments, "--workers", "1"]) == 0
    assert (tmp_path / "set" / "miniscapes.json").is_file()
    capsys.readouterr()
    assert command.main([*arguments, "--seed", "3"]) == 2
    assert "delete that folder" in capsys.readouterr().err


def test_importing_it_does_not_import_paddle():
    code = "import sys, helpers.miniscapes, helpers.miniscapes.colour_baseline; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_published_table():
    assert len(PIXEL_SHARE) == 19 and sum(PIXEL_SHARE.values()) == pytest.approx(1)
    assert PIXEL_SHARE["road"] == pytest.approx(0.36869696, abs=1e-8)  # DANNet prints the same eight digits
    assert PIXEL_SHARE["bicycle"] == pytest.approx(0.00413907, abs=1e-8)
    assert FRAME_SHARE["train"] == pytest.approx(142 / 2975)
    assert INSTANCES_PER_FRAME["car"] == pytest.approx(9.04, abs=0.01) and len(INSTANCES_PER_FRAME) == 8


def test_colour_baseline_by_hand():
    """Two colours, three classes: red is the common class at balance 0, and the rare one at balance 1."""
    image = np.zeros((1, 10, 3), np.uint8)
    image[0, :8] = (200, 0, 0)
    label = np.array([[0, 0, 0, 0, 0, 5, 5, 255, 0, 7]], np.uint8)  # red: five 0, two 5; black: one 0, one 7
    baseline = fit([(image, label)])
    assert baseline.fine.sum() == 9
    assert baseline.predict(image, 0.0)[0, 0] == 0
    assert baseline.predict(image, 1.0)[0, 0] == 5 and baseline.predict(image, 1.0)[0, 9] == 7
    with pytest.raises(CourseError, match="between 0 and 1"):
        baseline.predict(image, 2.0)
    with pytest.raises(CourseError, match="labelled pixel"):
        fit([(image, np.full((1, 10), 255, np.uint8))])
