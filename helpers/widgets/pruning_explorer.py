"""Choose a cut and see the kept channels, the remaining work and the predicted latency, without training."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import ipywidgets as widgets
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from helpers.common.errors import CourseError
from helpers.plotting.pruning import channels_left
from helpers.pruning import CRITERIA, Analysis, Plan
from helpers.pruning.analysis import Curves
from helpers.pruning.latency import LatencyModel
from helpers.widgets.demo import Demo
from helpers.widgets.picture import Picture

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
        self._box: Bbox | None = None  # of the axes, known after the first drawing
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

    def _draw(self, plan: Plan) -> None:
        figure = Figure(figsize=(10, 4.2), layout=None if self._box else "constrained")
        ax = figure.add_axes(self._box) if self._box else figure.add_subplot()
        channels_left(
            [group.name for group in plan.groups],
            [group.channels for group in plan.groups],
            [len(group.kept) for group in plan.groups],
            ax,
            align=16,
        )
        figure.supxlabel("hatched: not a multiple of 16", fontsize=9, color="0.35")
        self.picture.show_figure(figure, dpi=90)
        self._box = ax.get_position()  # names and sizes stay, and computing the layout takes as long as the drawing
