"""The prediction demo without a front end: set a control, read the picture."""

import asyncio
import io
import zlib
from datetime import datetime
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from IPython.core.events import EventManager, available_events
from PIL import Image
from tiny_cityscapes import write_set

from helpers import evaluation, models
from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import Classes, open_dataset, read_image, read_label
from helpers.datasets.pictures import LARGEST_UPLOAD
from helpers.widgets import demo as demo_module
from helpers.widgets import prediction_demo
from helpers.widgets.prediction_demo import PredictionDemo

ROAD, SKY = CITYSCAPES.index("road"), CITYSCAPES.index("sky")


class Constant:
    """Predicts one class everywhere and records the shapes of its inputs."""

    def __init__(self, train_id):
        self.train_id, self.shapes = train_id, []

    def __call__(self, image):
        self.shapes.append(image.shape)
        return np.full(image.shape[:2], self.train_id, np.uint8)


@pytest.fixture
def frames(tmp_path):
    return open_dataset(write_set(tmp_path)).frames("val")


@pytest.fixture
def demo(frames):
    demo = PredictionDemo({"all road": Constant(ROAD), "all sky": Constant(SKY)}, frames)
    demo.opacity.value = 1.0
    return demo


def shown(demo):
    return cv2.imdecode(np.frombuffer(demo.picture.value, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def is_class(pixels, train_id):
    return np.abs(pixels - CITYSCAPES.palette[train_id].astype(int)).mean() < 6  # JPEG


def likeness(picture, brightness):
    small = cv2.resize(picture.astype(np.uint8), brightness.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.corrcoef(small.mean(axis=2).ravel(), brightness.ravel())[0, 1]


def send(demo, name, data):
    file = {"name": name, "type": "image/png", "size": len(data), "content": memoryview(data)}
    demo.upload.value = ({**file, "last_modified": datetime(2024, 1, 1)},)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_wipe_divides_the_picture(demo):
    demo.wipe.value = 0.25
    picture = shown(demo)
    assert picture.shape == (16 * 32, 16 * 64, 3)  # small frames are enlarged for the screen
    assert is_class(picture[:, :250], ROAD) and is_class(picture[:, 260:], SKY)
    demo.wipe.value = 1.0
    assert is_class(shown(demo), ROAD)
    demo.wipe.value = 0.0
    assert is_class(shown(demo), SKY)


def test_network_predicts_a_picture_once(demo):
    road = demo._networks["all road"]
    assert road.shapes == [(32, 64, 3)] and "all road 0.00 s with preparation" in demo.status.value
    demo.wipe.value, demo.opacity.value = 0.9, 0.3
    demo.left.value = "all sky"
    demo.left.value = "all road"
    assert len(road.shapes) == 1
    demo.number.value = 1
    assert len(road.shapes) == 2 and "preparation" not in demo.status.value
    demo.number.value = 0
    assert len(road.shapes) == 2


def test_a_cell_shows_the_demo_before_the_left_network_predicts(frames, monkeypatch):
    shell = SimpleNamespace(events=EventManager(None, available_events))
    monkeypatch.setattr(demo_module, "get_ipython", lambda: shell)
    road, sky = Constant(ROAD), Constant(SKY)
    demo = PredictionDemo({"all road": road, "all sky": sky}, frames)
    demo.opacity.value = 1.0
    picture, brightness = shown(demo), read_image(frames[0]).mean(axis=2)
    assert demo.busy.on and not road.shapes and "all sky" in demo.status.value and "all road" not in demo.status.value
    assert likeness(picture[:, :500], brightness[:, :31]) > 0.95 and is_class(picture[:, 520:], SKY)
    for _ in range(2):
        shell.events.trigger("post_run_cell", None)
        assert not demo.busy.on and len(road.shapes) == len(sky.shapes) == 1
    assert is_class(shown(demo)[:, :500], ROAD) and "all road" in demo.status.value


@pytest.mark.parametrize("name", ["uhrnet_w18_small", "fastscnn_pruned_73"])
def test_shipped_weights_predict_as_elsewhere(name, frames):
    demo = PredictionDemo({"net": name}, frames)
    image = read_image(frames[0])
    np.testing.assert_array_equal(demo.network("net")(image), evaluation.predict(models.load_shipped(name), image))
    assert all(np.isfinite(tensor.numpy()).all() for tensor in demo.network("net").net.parameters())


def test_the_latest_predictions_are_kept(demo, monkeypatch):
    monkeypatch.setattr(prediction_demo, "KEPT", 2)
    for number in (1, 0, 1, 0):
        demo.number.value = number
        assert len(demo._predicted) == 2 and {name for name, _ in demo._predicted} == {demo._frames[number].stem}


def test_fast_networks_predict_ahead_while_a_browser_shows_the_demo(demo, monkeypatch):
    async def show():
        demo.busy.shown += 1
        await asyncio.sleep(0.3)

    monkeypatch.setattr(prediction_demo, "PATIENT", -1)  # all are slow
    asyncio.run(show())
    assert len(demo._predicted) == 2
    monkeypatch.setattr(prediction_demo, "PATIENT", 10)
    asyncio.run(show())
    assert len(demo._predicted) == 4
    demo.number.value = 1
    assert len(demo._networks["all road"].shapes) == 2


def test_other_colours(demo):
    demo.wipe.value = 1.0
    demo.switches.palette.value = "distinct"
    colours = CITYSCAPES.with_palette("distinct").palette.astype(int)
    assert np.abs(shown(demo) - colours[ROAD]).mean() < 6
    assert f"rgb{tuple(colours[ROAD])}" in demo.switches.boxes[ROAD].description


def test_opacity_and_classes(demo, frames):
    demo.wipe.value = 1.0
    demo.opacity.value = 0.0
    brightness = read_image(frames[0]).mean(axis=2)  # noise, of which JPEG blurs the colours
    assert likeness(shown(demo), brightness) > 0.95
    demo.opacity.value = 1.0
    demo.switches.boxes[ROAD].value = False
    assert likeness(shown(demo), brightness) > 0.95
    demo.switches.all_off.click()
    assert demo.switches.on == ()
    demo.switches.all_on.click()
    assert is_class(shown(demo), ROAD)


def test_pointer_shows_the_classes(demo, frames):
    truth = read_label(frames[0])
    demo.picture.pointer = [0.9, 0.1]
    assert truth[3, 57] == SKY
    assert demo.at(0.9, 0.1) == {"all road": "road", "all sky": "sky", "label": "sky"}
    assert "all road: <b>road</b>" in demo.under.value and "label: <b>sky</b>" in demo.under.value
    demo.picture.pointer = []
    demo.picture.clicked = [0.5, 0.99, 1.0]  # the ego vehicle
    assert "label: <b>not evaluated</b>" in demo.under.value
    assert demo.at(1.0, 1.0)["all sky"] == "sky"


def test_the_label_can_be_chosen(demo, frames):
    demo.left.value = "label"
    demo.wipe.value = 1.0
    truth = read_label(frames[0])
    assert is_class(shown(demo)[:96, 480:], SKY) and truth[3, 40] == SKY
    assert "all sky" in demo.status.value and "all road" not in demo.status.value


def test_upload_is_predicted(demo):
    send(demo, "mine.png", png(np.full((40, 30, 3), 100, np.uint8)))
    assert "mine.png, 30 x 40" in demo.status.value and " s " in demo.status.value
    assert shown(demo).shape == (25 * 40, 25 * 30, 3)
    assert demo.at(0.5, 0.5) == {"all road": "road", "all sky": "sky"}
    assert "label" not in demo.left.options and demo.upload.value == ()
    demo.number.value = 1
    assert "label" in demo.left.options and shown(demo).shape == (512, 1024, 3)


def test_label_is_deselected_for_an_upload(demo):
    demo.left.value = "label"
    send(demo, "mine.png", png(np.zeros((8, 8, 3), np.uint8)))
    assert (demo.left.value, demo.right.value) == ("all road", "all sky")


def test_huge_upload_is_shrunk(demo):
    send(demo, "wide.png", png(np.zeros((400, 12_000, 3), np.uint8)))
    height, width = demo._networks["all road"].shapes[-1][:2]
    assert height * width <= 1024 * 2048 and width / height == pytest.approx(30, rel=0.02)
    assert "12000 x 400, shrunk to" in demo.status.value
    assert shown(demo).shape[1] == 1024


@pytest.mark.parametrize("data", [b"road, road", b""])
def test_unreadable_upload_keeps_the_old_picture(demo, data):
    before = demo.picture.value
    send(demo, "<notes>.txt", data)
    assert "&lt;notes&gt;.txt is" in demo.status.value and demo.picture.value == before
    assert demo.at(0.9, 0.1)["label"] == "sky"


def test_upload_of_too_many_bytes_or_pixels_is_refused_in_a_sentence(demo):
    before = demo.picture.value
    send(demo, "long.png", bytes(LARGEST_UPLOAD + 1))
    assert "long.png has 64 MiB, more than 64" in demo.status.value and demo.picture.value == before
    header = bytearray(png(np.zeros((1, 1, 3), np.uint8)))
    header[16:24] = (20_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    send(demo, "wide.png", bytes(header))
    assert "wide.png has more than 178 million pixels" in demo.status.value and demo.picture.value == before


@pytest.mark.parametrize("kind", ["MPO", "TIFF"])
def test_first_image_of_a_photo_is_taken(demo, kind):
    file = io.BytesIO()
    large, small = (Image.new("RGB", size, "green") for size in ((40, 30), (4, 3)))
    large.save(file, kind, save_all=True, append_images=[small])
    send(demo, f"phone.{kind.lower()}", file.getvalue())
    assert "40 x 30" in demo.status.value
    assert ".jfif" in demo.upload.accept and ".tif" in demo.upload.accept


def test_networks_of_other_classes_than_the_data(frames):
    two = Classes(("cell <1>", "rest"), ((255, 0, 0), (0, 0, 255)))
    demo = PredictionDemo({"net": Constant(1), "other": Constant(0)}, frames, two)
    assert demo.at(0.5, 0.5) == {"net": "rest", "other": "cell <1>"} and "label" not in demo.left.options
    demo.picture.pointer = [0.5, 0.5]
    assert "cell &lt;1&gt;" in demo.under.value and len(demo.switches.boxes) == 2


def test_error_of_a_network_is_shown(frames):
    def fails(image):
        raise CourseError("Too small for this network.")

    demo = PredictionDemo({"one": Constant(ROAD), "two": fails}, frames)
    assert "Too small" in demo.status.value
    demo.right.value = "one"
    assert "Too small" not in demo.status.value and demo.picture.value


def test_invalid_arguments_are_rejected(frames):
    with pytest.raises(CourseError, match="at least one network and one frame"):
        PredictionDemo({}, frames)
    with pytest.raises(CourseError, match="at least one network and one frame"):
        PredictionDemo({"one": Constant(0)}, [])
    with pytest.raises(CourseError, match="names the label"):
        PredictionDemo({"label": Constant(0)}, frames)
