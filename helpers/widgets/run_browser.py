"""Compare the curves of training runs over the images seen: selected, coloured by a setting, smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from helpers.common.errors import CourseError
from helpers.widgets.demo import Demo
from helpers.widgets.picture import Picture

QUANTITIES = {"mIoU, validation": "miou", "training loss": "loss", "learning rate": "lr"}
SETTINGS = ("network", "lr", "crop_hw", "losses", "optimiser", "batch_size")


class RunBrowser(Demo):
    """Draw the curves of `runs`, objects like `helpers.training.recorded.Run`; raise CourseError without a run.

    Controls: `quantity` (to draw), `colour` (setting that determines the colour), `chosen` (runs), `smooth` (recorded
    values over which the loss is averaged, at most a quarter of them), `logarithmic` (axis of images seen).
    Outputs: `picture` (figure as PNG), `table` (final values as HTML), `status` (an error, else empty).
    """

    def __init__(self, runs: Sequence[Any], caption: str = ""):
        if not runs:
            raise CourseError("Expected at least one run, got none: train a network first.")
        self.runs, self.caption = list(runs), caption
        names = [run.name for run in self.runs]
        differing = [key for key in SETTINGS if len({_text(run.settings.get(key)) for run in self.runs}) > 1]
        self.quantity = ipywidgets.Dropdown(options=list(QUANTITIES), description="show")
        self.colour = ipywidgets.Dropdown(options=differing or ["network"], description="colour by")
        self.smooth = ipywidgets.IntSlider(20, 1, 50, description="smooth", continuous_update=False)
        self.logarithmic = ipywidgets.Checkbox(True, description="logarithmic axis")
        self.chosen = ipywidgets.SelectMultiple(
            options=names, value=names, rows=min(12, len(names)), description="runs", layout={"width": "420px"}
        )
        self.picture = Picture(pointing=False, layout={"width": "640px"})
        self.table, self.status = ipywidgets.HTML(), ipywidgets.HTML()
        self._listen(self._draw, self.quantity, self.colour, self.smooth, self.logarithmic, self.chosen)
        controls = ipywidgets.VBox([self.quantity, self.colour, self.smooth, self.logarithmic, self.chosen])
        super().__init__(
            [ipywidgets.HBox([controls, self.picture], layout={"flex_flow": "row wrap"}), self.status, self.table]
        )
        self._draw()

    def _draw(self) -> None:
        runs = [run for run in self.runs if run.name in self.chosen.value]
        figure = Figure(figsize=(7.5, 4.4), dpi=100)
        ax = figure.add_axes((0.1, 0.16, 0.88, 0.81))  # a layout that is computed takes as long as the drawing
        key, kind = self.colour.value, QUANTITIES[self.quantity.value]
        values = list(dict.fromkeys(_text(run.settings.get(key)) for run in self.runs))
        labelled = set()
        for run in runs:
            value = _text(run.settings.get(key))
            x, y = self._curve(run, kind)
            if not len(x):  # not recorded
                continue
            label = f"{key} {value}" if value not in labelled else None
            labelled.add(value)
            ax.plot(x, y, color=f"C{values.index(value) % 10}", marker="o" if len(x) < 20 else None, label=label)
        ax.set(
            xlabel="images seen",
            xscale="log" if self.logarithmic.value else "linear",
            ylabel=self.quantity.value,
            ylim=(0, None),
        )
        ax.grid(alpha=0.3)
        if labelled:
            ax.legend(fontsize=9)
        figure.supxlabel(self.caption, fontsize=9, color="0.35")
        self.picture.show_figure(figure)
        self.table.value = _table(runs)

    def _curve(self, run: Any, kind: str) -> tuple[np.ndarray, np.ndarray]:
        if kind == "miou":
            return np.asarray(run.validated), np.asarray(run.miou)
        values = np.asarray(getattr(run, kind), dtype=float)
        if not len(values):
            return values, values
        width = max(1, min(self.smooth.value if kind == "loss" else 1, len(values) // 4))
        mean = np.convolve(values, np.full(width, 1 / width), mode="valid")
        return np.asarray(run.samples)[width - 1 :], mean


def _table(runs: Sequence[Any]) -> str:
    rows = "".join(
        f"<tr><td style='text-align:left'>{escape(run.name)}</td><td>{run.samples[-1]:,}</td>"
        f"<td>{np.mean(run.loss[-max(1, min(20, len(run.loss) // 10)) :]):.3f}</td>"
        f"<td>{f'{run.miou[-1]:.3f}' if len(run.miou) else ''}</td></tr>"
        for run in runs
    )
    head = (
        "<tr><th style='text-align:left'>run</th><th>images seen</th><th>loss, last steps</th><th>mIoU, last</th></tr>"
    )
    return f"<table style='border-spacing:1em 0'>{head}{rows}</table>"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
        return " + ".join(f"{factor:g} {name}" if factor != 1 else str(name) for name, factor in value)
    if isinstance(value, (list, tuple)):
        return " x ".join(str(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
