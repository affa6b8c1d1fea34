"""What all demos share: the last value wins, a busy state, errors in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from html import escape

import anywidget
import ipywidgets as widgets
import traitlets
from IPython import get_ipython

from helpers.common.errors import CourseError
from helpers.widgets.quiet import Quiet

PAUSE = 0.02  # seconds in which further changes are collected before the demo computes

# Runs in the browser. It marks the demo as busy, and names controls for screen readers: ipywidgets shows the
# description of a slider or of a row of buttons, but does not connect it to them.
_SCRIPT = """
function render({ model, el }) {
  const demo = () => el.closest(".course-demo");
  el.className = "course-busy-note";
  el.setAttribute("role", "status");
  const show = () => {
    const busy = model.get("on");
    el.textContent = busy ? "computing …" : "";
    demo()?.classList.toggle("course-busy", busy);
  };
  const name = () => {
    for (const control of demo()?.querySelectorAll(".widget-inline-hbox, .widget-toggle-buttons, .widget-play") ?? []) {
      const label = control.querySelector(".widget-label")?.textContent || "play";
      control.querySelectorAll(".noUi-handle").forEach((handle) => handle.setAttribute("aria-label", label));
      control.querySelectorAll(".widget-readout").forEach((box) => box.setAttribute("aria-label", label + ", value"));
      if (control.matches(".widget-toggle-buttons, .widget-play")) {
        control.setAttribute("role", "group");
        control.setAttribute("aria-label", label);
      }
    }
  };
  model.on("change:on", show);
  const appearing = new MutationObserver(name);  // the other widgets appear one by one
  let timer;
  const start = () => {
    if (!demo()) {
      timer = setTimeout(start, 20);
      return;
    }
    appearing.observe(demo(), { childList: true, subtree: true });
    name();
    show();
  };
  timer = setTimeout(start, 0);
  model.set("shown", model.get("shown") + 1);
  model.save_changes();
  return () => {
    clearTimeout(timer);
    appearing.disconnect();
  };
}
export default { render };
"""
_STYLE = """
.course-demo { position: relative; }
.course-busy-note { position: absolute; top: 4px; right: 12px; font-style: italic; visibility: hidden; }
.course-busy .course-busy-note { visibility: visible; transition: visibility 0s 0.1s; }
.course-busy img { opacity: 0.6; transition: opacity 0.1s 0.1s; }
.course-demo .noUi-handle:focus, .course-demo button:focus-visible, .course-demo img:focus-visible {
  outline: 2px solid var(--jp-brand-color1, #1976d2);
}
"""


class Busy(anywidget.AnyWidget):
    """The line "computing …", and whether a browser shows the demo: `shown` counts how often it was displayed."""

    _esm, _css = _SCRIPT, _STYLE
    on = traitlets.Bool(False).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)


class Demo(Quiet, widgets.VBox):
    """A column of widgets that computes when a control moves.

    A change that comes from the browser is answered after PAUSE, together with all that have come meanwhile, so that a
    fast slider queues nothing. A change made by Python is answered at once. `status`, an HTML widget of the subclass,
    shows a failure as a sentence.
    """

    status: widgets.HTML

    def __init__(self, children: Sequence[widgets.Widget]):
        self.busy = Busy()
        self._pending: dict[Callable[[], None], None] = {}
        super().__init__([*children, self.busy])
        self.add_class("course-demo")

    def _request(self, react: Callable[[], None]) -> None:
        if not _from_browser():
            self._answer(react)
            return
        self.busy.on = True
        if not self._pending:
            asyncio.get_running_loop().call_later(PAUSE, self._catch_up)
        self._pending[react] = None

    def _request_later(self, react: Callable[[], None]) -> None:
        """Answer when the running cell has shown its result, so that a demo appears before it is complete.

        Without a cell, answer at once.
        """
        shell = get_ipython()
        if shell is None or _from_browser():
            react()
            return

        def after_cell(_) -> None:
            shell.events.unregister("post_run_cell", after_cell)
            self._catch_up()

        self.busy.on = True
        self._pending[react] = None
        shell.events.register("post_run_cell", after_cell)

    def _catch_up(self) -> None:
        pending, self._pending = self._pending, {}
        try:
            for react in pending:
                self._answer(react)
        finally:
            self.busy.on = bool(self._pending)

    def _answer(self, react: Callable[[], None]) -> None:
        try:
            react()
        except CourseError as error:
            self._show_error(str(error))
        except Exception as error:
            if not _from_browser():
                raise
            self._show_error(f"{type(error).__name__}: {error}. Run the cell again to start afresh.")

    def _show_error(self, sentence: str) -> None:
        self.status.value = f'<span role="alert" style="color: #b00020">{escape(sentence)}</span>'


def _from_browser() -> bool:
    """Whether this code runs because of a message of a widget in the browser."""
    kernel = getattr(get_ipython(), "kernel", None)
    return kernel is not None and kernel.get_parent().get("header", {}).get("msg_type") == "comm_msg"
