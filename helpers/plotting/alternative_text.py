"""Alternative text: a figure in words, for readers who cannot see it.

Importing this package inside IPython adds the text to every figure that a notebook shows, as the metadata that
nbconvert writes into `<img alt="...">`. JupyterLab 4.6 ignores this metadata.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

MOST = 8  # series, bars or panels that are listed one by one


def describe(figure: Figure) -> str:
    """Return the title, panels, axes, series and caption of a figure as sentences."""
    parts = [part for ax in figure.axes if ax.get_visible() and (part := _panel(ax))]
    titled = [part for part in parts if part != "image"]
    panels = _shorten(titled, "; ") or ("image" if parts else "An empty figure")
    legends = [_legend(legend) for legend in figure.legends]
    parts = (figure.get_suptitle(), panels, *legends, figure.get_supxlabel())
    return ". ".join(part for part in parts if part).replace("\n", " ") + "."


def show_in_notebooks() -> None:
    """Add the text to the output of every figure, if this is IPython."""
    ipython = sys.modules.get("IPython")  # importing it takes a second that a script need not wait for
    if ipython and (shell := ipython.get_ipython()):
        shell.display_formatter.mimebundle_formatter.for_type(Figure, _mimebundle)


def _mimebundle(figure: Figure, include=None, exclude=None) -> tuple[dict, dict]:
    text = describe(figure)
    return {"text/plain": text}, {"image/png": {"alt": text}}


def _panel(ax: Axes) -> str:
    """Return what one panel shows, or nothing for an empty one or a colour bar."""
    title = next(filter(None, map(ax.get_title, ("center", "left", "right"))), "")
    if ax.get_label() == "<colorbar>":
        return ""
    if ax.images:
        kind = f"matrix of {_axis(ax.yaxis)} by {_axis(ax.xaxis)}" if ax.axison else "image"
        return f"{kind}: {title}" if title else kind
    shown = _bars(ax) + _lines(ax.lines) + _clouds(ax)
    if not shown and not ax.has_data() and not ax.texts and not ax.tables:
        return ""
    heading = f"{title}: " if title else ""
    words = [text.get_text() for text in ax.texts if text.get_text().strip()]
    if not ax.axison:
        return f"{heading}drawing of {_shorten(words or ['shapes'])}"
    series = _shorten(shown or words or _lines(ax.lines, unnamed=True) or ["shapes"])
    return f"{heading}chart of {_axis(ax.yaxis)} by {_axis(ax.xaxis)}: {series}"


def _axis(axis: Axis) -> str:
    names = [text for text in (tick.get_text() for tick in axis.get_ticklabels()) if text]
    label = axis.get_label_text()
    if names and not any(name.strip("−-$%").replace(".", "").isdigit() or "mathdefault" in name for name in names):
        return f"{label} ({_shorten(names)})" if label else _shorten(names)
    return f"{label or 'value'} from {_number(axis.get_view_interval()[0])} to {_number(axis.get_view_interval()[1])}"


def _bars(ax: Axes) -> list[str]:
    """Describe each series of bars by its smallest and largest value."""
    found = []
    for bars in ax.containers:
        values = np.asarray(bars.datavalues, dtype=float) if isinstance(bars, BarContainer) else np.zeros(1)
        if values.any():  # a series of zeros is an entry of the legend
            found.append(f"{_named(bars.get_label(), 'bars')} {_span(values)}")
    return found


def _lines(lines: Sequence[Line2D], unnamed: bool = False) -> list[str]:
    """Describe each named line by its ends, and a point or an interval by its values; `unnamed` ones may be guides."""
    found = []
    for line in lines:
        x, y = line.get_xdata(orig=False), line.get_ydata(orig=False)  # dates and categories as numbers
        label = str(line.get_label())
        if label.startswith("_") != unnamed or not len(y):
            continue
        name = _named(label, "line")
        is_number = not line.axes.xaxis.have_units()
        start, end = (f"{_number(y[i])} at {_number(x[i])}" if is_number else _number(y[i]) for i in (0, -1))
        if len(y) == 1:
            found.append(f"{name} {start}")
        elif len(y) == 2 and y[0] == y[1] and is_number and line.get_transform() == line.axes.transData:
            found.append(f"{name} from {_number(x[0])} to {_number(x[1])}")  # not of axhline
        else:
            found.append(f"{name} from {start} to {end}")
    return found


def _clouds(ax: Axes) -> list[str]:
    """Describe each cloud of points by their number and vertical range."""
    found = []
    for cloud in ax.collections:
        points = np.asarray(cloud.get_offsets(), dtype=float) if isinstance(cloud, PathCollection) else ()
        if len(points):
            found.append(f"{_named(cloud.get_label(), 'points')}, {len(points)} points {_span(points[:, 1])}")
    return found


def _legend(legend) -> str:
    names = [text.get_text() for text in legend.get_texts()]
    heading = legend.get_title().get_text()
    return ". ".join(part for part in (f"Colours: {', '.join(names)}", heading) if part)


def _named(label: str, otherwise: str) -> str:
    """Return the label without the `_` that hides it from the legend; Matplotlib's own are `_container0` and so on."""
    return otherwise if label.startswith(("_container", "_child", "_nolegend")) else label.removeprefix("_")


def _span(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"from {_number(known.min())} to {_number(known.max())}" if len(known) else "without values"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _shorten(parts: Sequence[str], separator: str = ", ") -> str:
    rest = len(parts) - MOST
    return separator.join(parts[:MOST]) + (f"{separator}and {rest} more" if rest > 0 else "")
