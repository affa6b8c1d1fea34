"""A picture that tells where the pointer is on it, which no widget of ipywidgets does."""

from __future__ import annotations

import anywidget
import cv2
import numpy as np
import traitlets

from helpers.common.errors import CourseError

# What the browser runs. Positions are fractions of the picture, so they hold at any size on the screen. Moves are sent
# at most twenty times a second, the latest one always.
_SCRIPT = """
function render({ model, el }) {
  const picture = document.createElement("img");
  picture.className = "course-picture";
  picture.draggable = false;
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
  picture.addEventListener("click", (event) => {
    model.set("clicked", [...where(event), model.get("clicked").length ? model.get("clicked")[2] + 1 : 1]);
    model.save_changes();
  });
  model.on("change:value", show);
  show();
  el.appendChild(picture);
  return () => {
    clearTimeout(timer);
    URL.revokeObjectURL(picture.src);
  };
}
export default { render };
"""


class Picture(anywidget.AnyWidget):
    """An encoded picture on the screen.

    `value`: the bytes of a PNG or JPEG file, `format`: "png" or "jpeg". `pointer`: where the pointer is, [x, y] as
    fractions of width and height from the top left corner, or [] when it is elsewhere. `clicked`: [x, y, number of
    clicks so far], or [] before the first. Both may be set from Python, which is how tests point and click.
    """

    _esm = _SCRIPT
    _css = ".course-picture { max-width: 100%; cursor: crosshair; image-rendering: auto; display: block; }"

    value = traitlets.Bytes().tag(sync=True)
    format = traitlets.Enum(["png", "jpeg"], default_value="png").tag(sync=True)
    alt = traitlets.Unicode("picture").tag(sync=True)
    pointer = traitlets.List(traitlets.Float()).tag(sync=True)
    clicked = traitlets.List(traitlets.Float()).tag(sync=True)

    def show(self, image: np.ndarray, format: str = "jpeg") -> None:
        """Encode and show uint8 `image` (H, W, 3), RGB; "png" keeps flat colours exact, "jpeg" is quicker to send."""
        done, data = cv2.imencode(f".{format}", np.ascontiguousarray(image[..., ::-1]))
        if not done:
            raise CourseError(f"An image of shape {image.shape} cannot be written as {format}: give uint8 (H, W, 3).")
        with self.hold_sync():  # one message: the browser never reads new bytes in the old format
            self.format = format
            self.value = data.tobytes()
