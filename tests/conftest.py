"""What all tests share: the order in which they run, and a fixture for tiny notebooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

import helpers  # noqa: F401  sets the environment that Paddle reads when it is imported


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests first: a broken helper should not wait for the headless runs to be told."""
    items.sort(key=lambda item: "notebooks" in item.path.parts[-2:] or "browser" in item.path.parts[-2:])


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """write_notebook("01_one", "x = 1", "print(x)") -> path; a cell `parameters` with PROFILE and SEED comes first."""

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
