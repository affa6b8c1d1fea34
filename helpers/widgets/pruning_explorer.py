"""Choose a cut and see the kept channels, the remaining work and the predicted latency, without training."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from helpers.common.errors import CourseError
from helpers.plotting import describe
from helpers.plotting.pruning import channels_left, kept_channels
from helpers.pruning import CRITERIA, Analysis, Plan
from helpers.pruning.analysis import Curves
from helpers.pruning.latency import LatencyModel
from helpers.widgets.demo import Demo
from helpers.widgets.picture import Picture

ALIGN = 16  # channel counts that are no multiple of it are hatched
UNIFORM, SENSITIVITY = "same share", "same loss"


class PruningExplorer(Demo):
    """Explore pruning plans of a network.

    Controls: `criterion`, `allocation` (the same share from every group or, with `curves` of `pruning.sensitivity`, the
    same loss), `cut` (share of multiply-accumulates to remove), `align` (channel counts are multiples of it). Outputs:
    `picture` (PNG bytes in `.value`), `status` (numbers or the reason why no plan exists), `plan` (or None). `latency`
    holds models of `helpers.pruning.latency`, fitted on this machine; without one, no time is shown.
    """

    def __init__(
        self,
        analysis: Analysis,
        latency: Sequence[LatencyModel] = (),
        curves: Curves | None = None,
        cut: float = 0.5,
    ):
        self._analysis, self._latency, self._curves = analysis, tuple(latency), curves
        self._unpruned = analysis.plan(0.0)
        self.criterion = widgets.ToggleButtons(options=list(CRITERIA), description="criterion")
        self.criterion.style.button_width = "6em"
        self.allocation = widgets.ToggleButtons(
            options=[UNIFORM, SENSITIVITY] if curves else [UNIFORM], description="allocation"
        )
        self.cut = widgets.FloatSlider(
            cut, min=0.05, max=0.9, step=0.01, description="cut", readout_format=".0%", continuous_update=False
        )
        self.align = widgets.ToggleButtons(
            options=[("any", 1), ("8", 8), ("16", 16), ("32", 32)], description="multiples of"
        )
        self.align.style.button_width = "4em"
        self.picture = Picture(pointing=False)
        self.status = widgets.HTML()
        self.plan: Plan | None = None
        self._canvas, self._background = self._empty_chart()
        self._listen(self._show, self.criterion, self.allocation, self.cut, self.align)
        self._show()
        super().__init__(
            [self.criterion, self.allocation, widgets.HBox([self.cut, self.align]), self.status, self.picture]
        )

    def _show(self) -> None:
        try:
            self.plan = self._analysis.plan_for(
                self.cut.value,
                criterion=self.criterion.value,
                curves=self._curves if self.allocation.value == SENSITIVITY else None,
                align=self.align.value,
            )
        except CourseError as error:
            self.plan = None
            self._show_error(str(error))
            return
        self.status.value = self._numbers(self.plan)
        self._draw(self.plan)

    def _numbers(self, plan: Plan) -> str:
        lines = [
            f"<b>{plan.macs_after / 1e9:.2f}</b> of {plan.macs_before / 1e9:.2f} GMACs kept, "
            f"{plan.cut:.1%} removed, at {plan.size_hw[0]} x {plan.size_hw[1]}"
        ]
        for model in self._latency:
            now, before = (model.predict(self._analysis, each) for each in (plan, self._unpruned))
            lines.append(
                f"{escape(model.engine)}: predicted <b>{now:.0f} ms</b>, {now / before:.2f} of {before:.0f} ms"
            )
        return "<br>".join(lines)

    def _empty_chart(self) -> tuple[FigureCanvasAgg, Any]:
        """Draw what all plans share, once: it takes three quarters of the time."""
        figure = Figure(figsize=(10, 4.2), dpi=90, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        groups = self._unpruned.groups
        channels = [group.channels for group in groups]
        ax = channels_left([group.name for group in groups], channels, channels, figure.add_subplot(), align=ALIGN)
        figure.supxlabel(f"hatched: not a multiple of {ALIGN}", fontsize=9, color="0.35")
        _remove_kept(ax)
        canvas.draw()
        return canvas, canvas.copy_from_bbox(figure.bbox)

    def _draw(self, plan: Plan) -> None:
        figure = self._canvas.figure
        (ax,) = figure.axes
        _remove_kept(ax)
        self._canvas.restore_region(self._background)
        for artist in kept_channels([len(group.kept) for group in plan.groups], ax, ALIGN):
            ax.draw_artist(artist)
        self.picture.alt = describe(figure)
        self.picture.show(np.asarray(self._canvas.buffer_rgba())[..., :3], "png")


def _remove_kept(ax: Axes) -> None:
    for artist in [*ax.containers[1:], *ax.texts]:
        artist.remove()
