"""React to controls, except while the demo itself sets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ipywidgets as widgets


class Quiet:
    """Mixin for a widget: `_listen` calls a function when controls change, unless inside `_quietly`."""

    _quiet = False

    def _listen(self, react: Callable[[], None], *controls: widgets.Widget, names="value") -> None:
        for control in controls:
            control.observe(lambda _: None if self._quiet else self._request(react), names)

    def _request(self, react: Callable[[], None]) -> None:
        react()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False
