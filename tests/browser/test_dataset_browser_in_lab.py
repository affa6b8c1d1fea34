"""The dataset browser in JupyterLab: controls update the picture, the pointer shows the class."""

from __future__ import annotations

import re

import pytest
from tiny_cityscapes import write_set

pytestmark = pytest.mark.timeout(900)

# The colour on the screen at a point of the picture, in fractions of width and height.
PIXEL = """([x, y]) => {
  const picture = document.querySelector("img.course-picture");
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth; canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  return [...context.getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data.slice(0, 3)];
}"""
SOURCE = "img => img.src"
CAR, SKY = [0, 0, 142], [70, 130, 180]


@pytest.fixture
def page(run_cell, tmp_path):
    root = write_set(tmp_path / "set")
    page = run_cell(
        "from helpers.datasets import open_dataset\n"
        "from helpers.widgets.dataset_browser import DatasetBrowser\n"
        f"browser = DatasetBrowser(open_dataset({str(root)!r}))\nbrowser"
    )
    page.locator("img.course-picture").wait_for()
    return page


def slider(page, name):
    return page.locator(".widget-slider", has=page.get_by_text(name, exact=True)).locator(".noUi-handle")


def changed(page, picture, before):
    """Wait until the picture has changed and return its address."""
    page.wait_for_function("before => document.querySelector('img.course-picture').src !== before", arg=before)
    return picture.evaluate(SOURCE)


def point(page, picture, x, y, click=False):
    box = picture.bounding_box()
    position = {"x": box["width"] * x, "y": box["height"] * y}
    picture.click(position=position) if click else picture.hover(position=position)


def test_controls_update_the_picture_and_the_pointer_shows_the_class(page):
    picture = page.locator("img.course-picture")
    first = picture.evaluate(SOURCE)

    slider(page, "frame").press("ArrowRight")
    second = changed(page, picture, first)
    page.get_by_text("aachen_000001_000019").wait_for()

    page.get_by_role("button", name="labels", exact=True).click()
    third = changed(page, picture, second)
    page.wait_for_function("() => document.querySelector('img.course-picture').complete")
    # Frame 1 of the tiny set, 64 x 32: the car has moved by one pixel, to columns 9 to 17 of rows 16 to 20.
    assert page.evaluate(PIXEL, [12.5 / 64, 18.5 / 32]) == CAR
    assert page.evaluate(PIXEL, [0.9, 0.1]) == SKY

    page.get_by_role("checkbox", name=re.compile("car$")).click()
    changed(page, picture, third)
    page.wait_for_function(f"() => ({PIXEL})([12.5 / 64, 18.5 / 32]).every(part => part === 0)")

    point(page, picture, 12.5 / 64, 18.5 / 32, click=True)
    page.get_by_text("car, train id 13, label id 26, vehicle, instance 26000").wait_for()
    point(page, picture, 0.9, 0.1)
    page.get_by_text("sky, train id 10, label id 23, sky").wait_for()
    page.mouse.move(5, 5)  # outside the picture, the last click counts
    page.get_by_text("car, train id 13").wait_for()


def test_another_group(page):
    picture = page.locator("img.course-picture")
    first = picture.evaluate(SOURCE)
    page.get_by_label("group").select_option("bochum")
    changed(page, picture, first)
    page.get_by_text("bochum_000000_000019").wait_for()
