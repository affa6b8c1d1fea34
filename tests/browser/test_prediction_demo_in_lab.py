"""The prediction demo in JupyterLab: wipe, upload and pointer."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import write_set

pytestmark = pytest.mark.timeout(900)

SOURCE = """
import numpy as np
from helpers.datasets import open_dataset
from helpers.widgets.prediction_demo import PredictionDemo

demo = PredictionDemo(
    {{
        "all road": lambda image: np.full(image.shape[:2], 0, np.uint8),
        "all sky": lambda image: np.full(image.shape[:2], 10, np.uint8),
    }},
    open_dataset({root!r}).frames("val"),
)
demo.opacity.value = 1.0
demo
"""
# The colours on the screen at a tenth and at nine tenths of the width.
ENDS = """() => {
  const picture = document.querySelector("img.course-picture");
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth; canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  return [0.1, 0.9].map(x =>
    [...context.getImageData(Math.floor(x * canvas.width), Math.floor(canvas.height / 2), 1, 1).data.slice(0, 3)]);
}"""
ROAD, SKY = [128, 64, 128], [70, 130, 180]


@pytest.fixture
def page(run_cell, tmp_path):
    page = run_cell(SOURCE.format(root=str(write_set(tmp_path / "set"))))
    page.locator("img.course-picture").wait_for()
    return page


def wait_for_ends(page, left, right):
    """Wait until the picture shows these colours, up to JPEG errors."""
    page.wait_for_function(
        f"expected => ({ENDS})().every((pixel, i) => pixel.every((part, c) => Math.abs(part - expected[i][c]) < 12))",
        arg=[left, right],
    )


def upload(page, path):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="your own picture").click()
    chooser.value.set_files(path)


def test_wipe_pointer_and_upload(page, tmp_path):
    picture = page.locator("img.course-picture")
    wait_for_ends(page, ROAD, SKY)
    page.get_by_text("all road 0").wait_for()  # seconds

    handle = page.locator(".widget-slider", has=page.get_by_text("wipe", exact=True)).locator(".noUi-handle")
    handle.press("End")
    wait_for_ends(page, ROAD, ROAD)
    handle.press("Home")
    wait_for_ends(page, SKY, SKY)

    box = picture.bounding_box()
    picture.hover(position={"x": box["width"] * 0.9, "y": box["height"] * 0.1})
    page.get_by_text("all road: road · all sky: sky · label: sky").wait_for()

    Image.fromarray(np.full((30, 90, 3), 200, np.uint8)).save(tmp_path / "mine.png")
    upload(page, tmp_path / "mine.png")
    page.get_by_text("mine.png, 90 x 30").wait_for()
    page.wait_for_function("() => document.querySelector('img.course-picture').naturalWidth === 990")

    (tmp_path / "notes.txt").write_text("no picture")
    upload(page, tmp_path / "notes.txt")
    page.get_by_text("notes.txt is not an image that can be read").wait_for()
    assert page.evaluate("() => document.querySelector('img.course-picture').naturalWidth") == 990
