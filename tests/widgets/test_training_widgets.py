"""The demos of notebook 02 without a front end: set values, read pictures."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.training.recorded import Run, lead_changes, runs_below, shipped_runs
from helpers.widgets.run_browser import RunBrowser
from helpers.widgets.training_view import TrainingView


def pixels(widget) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(widget.value)).convert("RGB"))


def test_training_view_shows_the_prediction():
    image = np.zeros((4, 6, 3), np.uint8)
    view = TrainingView(image, lambda net, image: np.full(image.shape[:2], net), CITYSCAPES, title="net")
    np.testing.assert_array_equal(pixels(view.picture), image)
    view.look(7, 10)
    np.testing.assert_allclose(pixels(view.picture)[0, 0], 0.7 * CITYSCAPES.palette[10], atol=2)
    assert view.note.value == "net: after iteration 7"
    assert [iteration for iteration, _ in view.seen] == [7]
    view.palette.value = "distinct"
    np.testing.assert_allclose(
        pixels(view.picture)[0, 0], 0.7 * CITYSCAPES.with_palette("distinct").palette[10], atol=2
    )


def run(name, lr, losses=(("cross_entropy", 1.0),)):
    settings = {"network": "a", "lr": lr, "losses": losses}
    return Run(name, settings, list(range(2, 82, 2)), list(np.linspace(3, lr, 40)), [lr] * 40, [40, 80], [0.1, lr])


@pytest.fixture
def browser():
    return RunBrowser([run("slow", 0.01), run("fast", 0.1), run("dice", 0.1, (("dice", 1.0),))])


def test_only_differing_settings_are_offered_as_colour(browser):
    assert browser.colour.options == ("lr", "losses")


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("quantity", "learning rate"),
        ("colour", "losses"),
        ("smooth", 1),
        ("logarithmic", False),
        ("chosen", ("slow",)),
    ],
)
def test_every_control_changes_the_picture(browser, control, value):
    browser.quantity.value = "training loss"
    before = browser.picture.value
    getattr(browser, control).value = value
    assert browser.picture.value != before
    assert pixels(browser.picture).shape[0] > 300


def test_table_lists_only_the_chosen_runs(browser):
    browser.chosen.value = ("fast",)
    assert "fast" in browser.table.value and "slow" not in browser.table.value
    assert "0.100" in browser.table.value and "80" in browser.table.value


def test_names_of_runs_are_escaped():
    assert "<b>" not in RunBrowser([run("<b>slow", 0.01)]).table.value


def test_no_chosen_run_draws_an_empty_picture(browser):
    browser.chosen.value = ()
    assert pixels(browser.picture).shape[0] > 300


def test_no_run_is_an_error():
    with pytest.raises(CourseError, match="at least one run"):
        RunBrowser([])


def test_a_run_without_learning_rates_is_drawn_where_it_has_values():
    shipped = Run("shipped", {"network": "b", "lr": 0.1}, [16, 32], [0.5, 0.4], [], [16, 32], [0.4, 0.8])
    browser = RunBrowser([run("slow", 0.01), shipped])
    browser.chosen.value = ("shipped",)
    with_values = browser.picture.value
    browser.quantity.value = "learning rate"
    assert browser.picture.value != with_values


def test_shipped_runs_are_those_of_the_cards():
    runs = {each.settings["network"]: each for each in shipped_runs() if "pruned" not in each.name}
    assert set(runs) == {"hrnet_w18_small_v2", "uhrnet_w18_small", "fastscnn"}
    hrnet = runs["hrnet_w18_small_v2"]
    assert hrnet.miou[-1] == pytest.approx(0.832, abs=1e-3)
    assert list(hrnet.samples) == list(hrnet.validated) and hrnet.samples[-1] == 16 * 3683
    assert hrnet.settings["optimiser"] == "adamw" and runs["fastscnn"].settings["optimiser"] == "adam"
    RunBrowser(list(runs.values()))


def test_lead_changes_count_crossings_and_skip_ties():
    assert lead_changes([1, 3, 3, 1], [2, 2, 2, 2]) == 2
    assert lead_changes([3, 2, 3], [2, 2, 2]) == 0
    assert lead_changes([3, 2, 1], [2, 2, 2]) == 1


def test_runs_of_a_folder(tmp_path):
    for place in ("hrnet", "losses/0"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "history.json").write_text(
            json.dumps(
                {
                    "loss": [2.0, 1.0],
                    "lr": [0.1, 0.1],
                    "validated": [2],
                    "miou": [0.5],
                    "run": {"recipe": {"lr": 0.1, "batch_size": 3}},
                }
            )
        )
    found = runs_below(tmp_path)
    assert [(each.name, each.settings["network"], each.settings["lr"]) for each in found] == [
        ("hrnet", "hrnet", 0.1),
        ("losses/0", "losses", 0.1),
    ]
    assert found[0].samples == [3, 6] and found[0].validated == [6]
