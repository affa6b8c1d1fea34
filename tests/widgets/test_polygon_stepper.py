"""The polygon stepper without a front end."""

from tiny_cityscapes import write_set

from helpers.datasets import open_dataset
from helpers.widgets.polygon_stepper import PolygonStepper


def test_controls_draw_polygons_one_by_one(tmp_path):
    frame = open_dataset(write_set(tmp_path)).frames("val")[0]
    stepper = PolygonStepper(frame)
    seen = [stepper.picture.value]
    assert stepper.status.value == "no polygon yet" and stepper.count.max == 9
    stepper.count.value = 2
    assert stepper.status.value == "<b>building</b>" and stepper.picture.value not in seen
    seen.append(stepper.picture.value)
    stepper.play.value = 4
    assert stepper.count.value == 4 and "car" in stepper.status.value and stepper.picture.value not in seen
    seen.append(stepper.picture.value)
    stepper.opacity.value = 1
    assert stepper.picture.value not in seen
    seen.append(stepper.picture.value)
    stepper.palette.value = "distinct"
    assert stepper.picture.value not in seen
