"""An image widget that reports the position of the pointer, which ipywidgets does not offer."""

from __future__ import annotations

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure

from helpers.plotting import describe
from helpers.widgets.encoding import encode_figure, encode_image

# Runs in the browser. Positions are fractions of the image, valid at any size on the screen. Moves are sent at most
# twenty times per second; the latest one is always sent.
_SCRIPT = """
function render({ model, el }) {
  const picture = document.createElement("img");
  picture.className = "course-picture";
  picture.draggable = false;
  picture.tabIndex = model.get("pointing") ? 0 : -1;
  if (!model.get("pointing")) picture.style.cursor = "default";
  picture.setAttribute("data-lm-suppress-shortcuts", "true");  // JupyterLab would move to another cell
  const show = () => {
    const before = picture.src;
    picture.onload = () => before && URL.revokeObjectURL(before);
    picture.alt = model.get("alt");
    picture.src = URL.createObjectURL(new Blob([model.get("value")], { type: "image/" + model.get("format") }));
  };
  const where = (event) => {
    const box = picture.getBoundingClientRect();
    const inside = (part) => Math.min(Math.max(part, 0), 1);
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  };
  let latest = null, timer = null;
  const send = () => {
    timer = null;
    model.set("pointer", latest);
    model.save_changes();
  };
  const move = (position) => {
    latest = position;
    timer ??= setTimeout(send, 50);
  };
  picture.addEventListener("pointermove", (event) => move(where(event)));
  picture.addEventListener("pointerleave", () => move([]));
  // With the keyboard: arrow keys move the point, ten times as far with Shift.
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  picture.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    const from = latest?.length ? latest : [0.5, 0.5];
    const far = event.shiftKey ? 0.1 : 0.01;
    move(from.map((part, i) => Math.min(Math.max(part + far * step[i], 0), 1)));
    cross.style.left = `${latest[0] * picture.clientWidth}px`;
    cross.style.top = `${latest[1] * picture.clientHeight}px`;
    cross.hidden = false;
  });
  picture.addEventListener("blur", () => (cross.hidden = true));
  picture.addEventListener("pointerdown", () => (cross.hidden = true));
  picture.addEventListener("click", (event) => {
    model.set("clicked", [...where(event), model.get("clicked").length ? model.get("clicked")[2] + 1 : 1]);
    model.save_changes();
  });
  model.on("change:value", show);
  show();
  const cross = document.createElement("span");
  cross.className = "course-cross";
  cross.textContent = "+";
  cross.hidden = true;
  el.classList.add("course-framed");
  el.append(picture, cross);
  return () => {
    clearTimeout(timer);
    URL.revokeObjectURL(picture.src);
  };
}
export default { render };
"""


def pixel_at(x: float, y: float, size_hw: tuple[int, int]) -> tuple[int, int]:
    """Return row and column of the pixel at (x, y), fractions of width and height from 0 to 1."""
    height, width = size_hw
    return min(int(y * height), height - 1), min(int(x * width), width - 1)


class Picture(anywidget.AnyWidget):
    """An encoded image on the screen.

    `value` holds the bytes of a PNG or JPEG file, `format` is "png" or "jpeg". `pointer` is [x, y], fractions of width
    and height from the top left corner, or [] outside the image. `clicked` is [x, y, clicks so far], or [] before the
    first click. Tests set both from Python. Without a mouse, arrow keys move the pointer.
    """

    _esm = _SCRIPT
    _css = """
    .course-picture { max-width: 100%; cursor: crosshair; image-rendering: auto; display: block; }
    .course-framed { position: relative; }
    .course-cross {
      position: absolute; transform: translate(-50%, -50%); pointer-events: none;
      font: bold 24px monospace; color: white; text-shadow: 0 0 3px black, 0 0 3px black;
    }
    """

    value = traitlets.Bytes().tag(sync=True)
    format = traitlets.Enum(["png", "jpeg"], default_value="png").tag(sync=True)
    alt = traitlets.Unicode("picture").tag(sync=True)
    pointing = traitlets.Bool(True, help="Whether a point of the picture can be chosen.").tag(sync=True)
    pointer = traitlets.List(traitlets.Float()).tag(sync=True)
    clicked = traitlets.List(traitlets.Float()).tag(sync=True)

    def show(self, image: np.ndarray, format: str = "jpeg") -> None:
        """Encode and show a uint8 image (H, W, 3), RGB; "png" keeps colours exact, "jpeg" is faster to send."""
        data = encode_image(image, format)
        with self.hold_sync():  # one message: the browser never reads new bytes in the old format
            self.format = format
            self.value = data

    def show_figure(self, figure: Figure, dpi: int = 100) -> None:
        """Render and show a figure, with its alternative text."""
        data = encode_figure(figure, dpi)
        with self.hold_sync():
            self.format, self.alt = "png", describe(figure)
            self.value = data

    @property
    def position(self) -> list[float]:
        """[x, y] under the pointer, else of the last click, else []."""
        return self.pointer or self.clicked[:2]
