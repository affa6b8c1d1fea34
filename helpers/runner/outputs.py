"""Bound what one cell stores in the executed notebook and, with it, in the report."""

from __future__ import annotations

import json
from typing import Any

CELL_BYTES = 5_000_000


def bound(cell) -> None:
    """Cut the outputs of an executed cell to CELL_BYTES in all, and append a line that says so."""
    left, kept, dropped = CELL_BYTES, [], 0
    for output in cell.get("outputs", []):
        size = _size(output)
        if size > left and output.output_type == "stream":
            output.text, size, dropped = output.text[:left], left, dropped + size - left
        elif size > left and output.output_type != "error":
            dropped += size
            continue
        kept.append(output)
        left = max(0, left - size)
    if dropped:
        text = f"\n[{dropped / 1e6:.1f} MB of output left out: a cell may store {CELL_BYTES / 1e6:.0f} MB]\n"
        kept.append(type(cell)(output_type="stream", name="stdout", text=text))
        cell.outputs = kept


def _size(output: dict[str, Any]) -> int:
    return len(output.text) if output.output_type == "stream" else len(json.dumps(output))
