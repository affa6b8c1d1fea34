"""Shared by all tests: their order, their independence, and a fixture that writes tiny notebooks."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from process_state import changes, process_state, seed

import helpers  # noqa: F401  sets environment variables before Paddle is imported

# A shell starts background commands with SIGINT ignored. Tests of Ctrl-C need it there, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that parallel workers end together."""
    items.sort(key=lambda item: "notebooks" not in item.path.parts)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Seed before the fixtures of a test, those of its file included."""
    seed()


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind():
    """Fail the file that leaves the process changed, instead of another one that runs after it."""
    before = process_state()
    yield
    assert not (left := changes(before, process_state())), left


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """write_notebook("01_one", "x = 1", "print(x)") -> path; its first code cell is tagged `parameters`."""

    def write(name: str, *sources: str, parameters: str = 'PROFILE = "mini"\nSEED = 0\nOUTPUT_DIR = ""') -> Path:
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
        notebook.metadata["language_info"] = {"name": "python"}
        notebook.cells.append(nbformat.v4.new_markdown_cell(f"# Title of {name}"))
        notebook.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        notebook.cells += [nbformat.v4.new_code_cell(source) for source in sources]
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return write
