"""MiniScapes: schema, official conversion, agreement of images and labels, and perspective."""

import json

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import id2label, labels, name2label
from cityscapesscripts.preparation.json2instanceImg import json2instanceImg
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from small_miniscapes import annotations, read

from helpers.common.errors import CourseError
from helpers.miniscapes.camera import Camera, cut_to_frame
from helpers.miniscapes.cities import SCHEDULE, plan
from helpers.miniscapes.colour_baseline import fit
from helpers.miniscapes.published import FRAME_SHARE, INSTANCES_PER_FRAME, PIXEL_SHARE
from helpers.miniscapes.render import render

IDS = {f.id for f in labels if f.id >= 0}
CLASSES = {f.trainId for f in labels if 0 <= f.trainId < 255}


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


@pytest.mark.parametrize("size_hw", [(64, 128), (160, 320), (128, 128), (64, 256)])
def test_any_size_in_multiples_of_32(size_hw):
    image, annotation, _ = render(plan("train", 6, 0)[0], size_hw)
    assert image.shape == (*size_hw, 3) and (annotation["imgHeight"], annotation["imgWidth"]) == size_hw


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
