"""Switch classes on and off, and choose their colours."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets
import numpy as np
import traitlets

from helpers.datasets import IGNORE, Classes
from helpers.widgets.quiet import Quiet


def palette_choice() -> widgets.Dropdown:
    """Return a control whose value is one of `helpers.datasets.classes.PALETTES`."""
    options = [("of the data set", "own"), ("easy to tell apart", "distinct")]
    return widgets.Dropdown(options=options, description="colours")


class ClassSwitches(Quiet, widgets.VBox):
    """Switches for `classes`; many classes scroll.

    Controls: `boxes` (one per class), `all_on`, `all_off`, `palette`. The trait `on` holds the names of enabled
    classes; `classes` have the colours of the chosen palette.
    """

    on = traitlets.Tuple()

    def __init__(self, classes: Classes):
        self._classes = classes
        self.boxes = [
            widgets.Checkbox(value=True, indent=False, description_allow_html=True, layout=widgets.Layout(width="auto"))
            for _ in classes.names
        ]
        self.all_on = widgets.Button(description="all classes", layout=widgets.Layout(width="auto"))
        self.all_off = widgets.Button(description="none", layout=widgets.Layout(width="auto"))
        self.palette = palette_choice()
        self._listen(self._read, *self.boxes)
        self._listen(self._name, self.palette)
        self.all_on.on_click(lambda _: self._set_all(True))
        self.all_off.on_click(lambda _: self._set_all(False))
        column = min(24, max(9, 2 + 0.5 * max(map(len, classes.names))))  # em
        grid = widgets.GridBox(
            self.boxes,
            layout=widgets.Layout(
                grid_template_columns=f"repeat(auto-fill, {column:g}em)",
                width="100%",
                max_height="20em",
                overflow="auto",
            ),
        )
        super().__init__([widgets.HBox([self.all_on, self.all_off, self.palette]), grid])
        self._name()
        self._read()

    @property
    def classes(self) -> Classes:
        """The classes in the chosen colours."""
        return self._classes.with_palette(self.palette.value)

    def keep(self, train_ids: np.ndarray) -> np.ndarray:
        """Return train ids (H, W), uint8, with disabled classes replaced by IGNORE."""
        table = np.full(256, IGNORE, dtype=np.uint8)
        for i, box in enumerate(self.boxes):
            if box.value:
                table[i] = i
        return table[train_ids]

    def _name(self) -> None:
        classes = self.classes
        for box, name, colour in zip(self.boxes, classes.names, classes.colours, strict=True):
            box.description = f'<span style="color:rgb{colour}">■</span> {escape(name)}'

    def _read(self) -> None:
        self.on = tuple(name for name, box in zip(self._classes.names, self.boxes, strict=True) if box.value)

    def _set_all(self, value: bool) -> None:
        with self._quietly():
            for box in self.boxes:
                box.value = value
        self._read()
