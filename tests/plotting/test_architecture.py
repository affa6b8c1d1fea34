"""Drawings of networks: boxes and numbers follow from the counted layers."""

import pytest

from helpers import models
from helpers.common.errors import CourseError
from helpers.models.structure import Branch
from helpers.plotting import architecture


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_structure_draws_a_box_per_branch_with_share_and_channels():
    branches = [Branch(0, 2, 64, 10), Branch(0, 4, 64, 20), Branch(1, 4, 18, 30), Branch(1, 8, 36, 40)]
    ax = architecture.structure(branches, total_macs=200)
    assert len(ax.patches) == 4
    assert texts(ax)[0::2] == ["5%", "10%", "15%", "20%"] and texts(ax)[1::2] == ["64", "64", "18", "36"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1/2", "1/4", "1/8"]


def test_structure_bridges_stages_without_a_resolution():
    branches = [Branch(1, 4, 8, 1), Branch(2, 8, 8, 1), Branch(3, 4, 8, 1)]
    ax = architecture.structure(branches)
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in dashed] == [[0, 2]]


def test_fastscnn_draws_the_counted_channels_and_resolutions():
    cost = models.cost("fastscnn", (256, 512))
    ax = architecture.fastscnn(cost)
    boxes = [patch for patch in ax.patches if patch.get_height() < 1 and patch.get_zorder() == 3]
    rows = [round(box.get_y() + box.get_height() / 2) for box in boxes]
    assert rows == [1, 2, 3, 4, 5, 5, 5, 3, 3]  # log2 of the stride
    numbers = [int(text) for text in texts(ax) if text.isdigit()]
    assert numbers == [32, 48, 64, 64, 96, 128, 128, 128, 19]
    modules = [text for text in texts(ax) if text.endswith("%") and "\n" in text]
    assert [text.splitlines()[0] for text in modules] == ["learning to", "global feature", "feature", "classifier"]
    assert sum(int(text.split("\n")[-1].rstrip("%")) for text in modules) == pytest.approx(100, abs=2)


def test_fastscnn_refuses_other_networks():
    with pytest.raises(CourseError, match="Fast-SCNN"):
        architecture.fastscnn(models.cost("hrnet_w18_small_v1", (64, 128)))


def test_the_way_from_a_classifier_has_five_steps_that_end_in_classes():
    ax = architecture.from_classifier()
    titles = [text for text in texts(ax) if text[:1].isdigit() and "  " in text]
    assert [title.split("  ")[1] for title in titles] == [
        "Classifier",
        "Fully convolutional",
        "Upsampling",
        "Skip connections",
        "Pyramid",
    ]
    assert texts(ax).count("logits") == 5 and texts(ax).count("enlarged") == 3
    assert all(text.get_fontsize() >= 9 for text in ax.texts)
