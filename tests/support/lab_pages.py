"""Demos on a page of JupyterLab: their controls, and the labels that they show, read from the pixels of the picture."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Mapping

import numpy as np
from PIL import Image

from helpers.datasets import IGNORE, Classes

BUSY_MS = 120_000  # for an answer of a demo on a busy machine
SAME = 0.97  # share of pixels that are not ignored; JPEG blurs the colours along edges, and two networks differ more
PIXELS = """picture => {
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth; canvas.height = picture.naturalHeight;
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return canvas.toDataURL();
}"""
LOADED = "picture => picture.complete && picture.naturalWidth > 0"


def wait_for_kernel(page) -> None:
    """Wait for a kernel: a notebook run before asks for one in a dialog, although its indicator is idle by then."""
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for()
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()


def slider(demo, name: str):
    return demo.locator(".widget-slider", has=demo.page.get_by_text(name, exact=True))


def press(demo, name: str, key: str, times: int = 1) -> None:
    """Press a key on the handle of a slider."""
    handle = slider(demo, name).locator(".noUi-handle")
    for _ in range(times):
        handle.press(key)


def choose(demo, name: str, option: str) -> None:
    """Choose from a menu."""
    menu = demo.locator(".widget-dropdown", has=demo.page.get_by_text(name, exact=True))
    menu.locator("select").select_option(option)


def wait_for_match(demo, pattern: str) -> re.Match:
    """Wait until the text of a demo matches, and return the match."""
    until = time.monotonic() + BUSY_MS / 1000
    while not (found := re.search(pattern, text := demo.inner_text())):
        assert time.monotonic() < until, f"no {pattern!r} in {text!r}"
        demo.page.wait_for_timeout(100)
    return found


def shown_labels(demo, classes: Classes, size_hw: tuple[int, int]) -> np.ndarray:
    """Return the train ids (H, W) whose colours are nearest to the picture of a demo with opacity 1.

    A picture of small frames is enlarged by an integer factor; the middle of each block counts.
    """
    picture = demo.locator("img.course-picture")
    demo.page.wait_for_function(LOADED, arg=picture.element_handle())
    data = base64.b64decode(picture.evaluate(PIXELS).partition(",")[2])
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32)
    height, width = size_hw
    factor = pixels.shape[0] // height
    assert pixels.shape == (height * factor, width * factor, 3), f"the picture has the shape {pixels.shape}"
    middle = slice((factor - 1) // 2, factor // 2 + 1)
    blocks = pixels.reshape(height, factor, width, factor, 3)[:, middle, :, middle].mean(axis=(1, 3))
    return np.square(blocks[:, :, np.newaxis] - classes.palette).sum(axis=-1).argmin(axis=-1)


def wait_for_labels(demo, classes: Classes, known: Mapping[tuple[str, str], np.ndarray], wanted: tuple[str, str]):
    """Wait until a demo shows the labels `known[wanted]`, and none of the other frames and networks in `known`."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        shown = shown_labels(demo, classes, known[wanted].shape)
        same = {name: float((shown == labels)[labels != IGNORE].mean()) for name, labels in known.items()}
        nearest = max(same, key=same.get)
        if nearest == wanted and same[nearest] >= SAME:
            return
        assert time.monotonic() < until, f"expected {wanted}, but {nearest} is nearest: {same}"
        demo.page.wait_for_timeout(300)
