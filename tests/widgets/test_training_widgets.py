"""The demos of notebook 02 without a front end: set values, read pictures."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from helpers.cityscapes import PALETTE
from helpers.common.errors import CourseError
from helpers.training import recorded
from helpers.training.recorded import Run, recorded_runs, runs_below
from helpers.widgets.run_browser import RunBrowser
from helpers.widgets.training_view import TrainingView


def pixels(widget) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(widget.value)).convert("RGB"))


def test_training_view_shows_the_prediction():
    image = np.zeros((4, 6, 3), np.uint8)
    view = TrainingView(image, lambda net, image: np.full(image.shape[:2], net), title="net")
    np.testing.assert_array_equal(pixels(view.picture), image)
    view.look(7, 10)
    np.testing.assert_allclose(pixels(view.picture)[0, 0], 0.7 * PALETTE[10], atol=2)
    assert view.note.value == "net: after iteration 7"
    assert [iteration for iteration, _ in view.seen] == [7]


def run(name, lr, losses=(("cross_entropy", 1.0),)):
    settings = {"network": "a", "lr": lr, "losses": losses}
    return Run(name, settings, list(np.linspace(3, lr, 40)), [lr] * 40, [20, 40], [0.1, lr])


@pytest.fixture
def browser():
    return RunBrowser([run("slow", 0.01), run("fast", 0.1), run("dice", 0.1, (("dice", 1.0),))])


def test_only_differing_settings_are_offered_as_colour(browser):
    assert browser.colour.options == ("lr", "losses")


@pytest.mark.parametrize(
    ("control", "value"),
    [("quantity", "mIoU, validation"), ("colour", "losses"), ("smooth", 1), ("chosen", ("slow",))],
)
def test_every_control_changes_the_picture(browser, control, value):
    before = browser.picture.value
    getattr(browser, control).value = value
    assert browser.picture.value != before
    assert pixels(browser.picture).shape[0] > 300


def test_table_lists_only_the_chosen_runs(browser):
    browser.chosen.value = ("fast",)
    assert "fast" in browser.table.value and "slow" not in browser.table.value
    assert "0.100" in browser.table.value


def test_names_of_runs_are_escaped():
    assert "<b>" not in RunBrowser([run("<b>slow", 0.01)]).table.value


def test_no_chosen_run_draws_an_empty_picture(browser):
    browser.chosen.value = ()
    assert pixels(browser.picture).shape[0] > 300


def test_no_run_is_an_error():
    with pytest.raises(CourseError, match="at least one recorded run"):
        RunBrowser([])


def test_recorded_runs_say_what_they_are_and_learn():
    about = json.loads(recorded.RECORDED.read_text())["about"]
    assert "MiniScapes" in about and "seed" in about
    runs = recorded_runs()
    assert len(runs) >= 6
    for each in runs:
        assert len(each.loss) == len(each.lr) and len(each.validated) == len(each.miou)
        assert np.mean(each.loss[-10:]) < each.loss[0]
    for key in ("lr", "crop_hw", "losses"):
        assert len({str(each.settings[key]) for each in runs}) > 1


def test_runs_of_a_folder(tmp_path):
    for place in ("hrnet", "losses/0"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "history.json").write_text(
            json.dumps({"loss": [2.0], "lr": [0.1], "seconds": 1.0, "run": {"recipe": {"lr": 0.1}}})
        )
    found = runs_below(tmp_path)
    assert [(each.name, each.settings["network"], each.settings["lr"]) for each in found] == [
        ("hrnet", "hrnet", 0.1),
        ("losses/0", "losses", 0.1),
    ]
