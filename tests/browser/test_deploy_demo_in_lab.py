"""The deployment demo in JupyterLab: network and engine update labels and latency."""

from __future__ import annotations

import pytest
from lab_pages import choose, wait_for_match

pytestmark = pytest.mark.timeout(900)

# Two networks with one class each: the colour on the screen identifies the network.
SOURCE = """
import numpy as np
import paddle
from paddle import nn
from helpers.cityscapes import CITYSCAPES
from helpers.deployment import export
from helpers.widgets.deploy_demo import DeployDemo


class Always(nn.Layer):
    def __init__(self, train_id):
        super().__init__()
        self.conv = nn.Conv2D(3, 19, 1)
        bias = np.zeros(19, np.float32)
        bias[train_id] = 100
        self.conv.bias.set_value(bias)

    def forward(self, x):
        return [self.conv(x)]


folders = {{
    name: export(Always(train_id), {root!r} + "/" + name.replace(" ", "_"), network=name, classes=CITYSCAPES)
    for name, train_id in {{"all road": 0, "all sky": 10}}.items()
}}
demo = DeployDemo(folders, [np.full((64, 128, 3), 90, np.uint8)])
demo.opacity.value = 1.0
demo
"""
COLOUR = """() => {
  const picture = document.querySelector("img.course-picture");
  if (!picture?.naturalWidth) return [];
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth; canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  return [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data.slice(0, 3)];
}"""


def wait_for_colour(page, expected):
    """Wait until the centre of the picture has this colour, up to JPEG errors."""
    page.wait_for_function(
        f"expected => expected.every((part, c) => Math.abs(part - ({COLOUR})()[c]) < 12)", arg=expected
    )


def test_network_and_engine_update_the_labels(run_cell, tmp_path):
    page = run_cell(SOURCE.format(root=str(tmp_path)))
    demo = page.locator(".course-demo")
    wait_for_colour(page, [128, 64, 128])
    wait_for_match(demo, r"frames per second \(128 x 64, median of [123]\)")  # of fewer than 3 on a busy machine
    choose(demo, "network", "all sky")
    wait_for_colour(page, [70, 130, 180])
    choose(demo, "engine", "Paddle Inference, OpenVINO")
    choose(demo, "network", "all road")  # by the other engine: changes are answered in their order
    wait_for_colour(page, [128, 64, 128])
    assert not demo.locator("[role=alert]").count()
