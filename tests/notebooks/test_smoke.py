"""All notebooks, headless at smoke, as `make run PROFILE=smoke` runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.common.files import read_json
from helpers.profiles import load_profile
from helpers.runner.reference import is_time

PROJECT = Path(__file__).resolve().parents[2]
PROFILE = load_profile("smoke")
COUNTED = (*PROFILE.models, "hrnet_w48", "uhrnet_w48")
NAMES = {
    "00.first_prediction_ms",
    *(f"01.frames.{split}" for split in ("train", "val")),
    *(f"02.{model}.{what}" for model in PROFILE.models for what in ("loss_first", "loss_last")),
    *(f"02.{model}.{what}" for model in COUNTED for what in ("params", "gmacs")),
    *(f"03.{model}.{what}" for model in PROFILE.models for what in ("miou", "acc", "kappa", "boundary_iou")),
    *("04.gmacs.before", "04.gmacs.after", "04.cut", "04.miou.before", "04.miou.after"),
    "05.agreement",
}

pytestmark = pytest.mark.timeout(1500)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    # ipykernel prints to the terminal when it sees pytest's variable
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    command = [sys.executable, "-m", "helpers.runner", "--profile", "smoke", "--output-dir", str(folder), *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    """The output folder of one run of all notebooks."""
    folder = tmp_path_factory.mktemp("smoke")
    result = run(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    print(result.stdout)
    return folder


@pytest.fixture(scope="module")
def metrics(smoke) -> dict[str, float]:
    return read_json(smoke / "metrics.json")


def test_every_notebook_is_there_whole(smoke):
    names = sorted(path.name for path in (PROJECT / "notebooks").glob("*.ipynb"))
    assert sorted(path.name for path in smoke.glob("*.ipynb")) == names
    for name in names:
        cells = nbformat.read(smoke / name, as_version=4).cells
        counts = [cell.execution_count for cell in cells if cell.cell_type == "code"]
        assert counts == list(range(1, len(counts) + 1))


def test_every_notebook_shows_a_picture(smoke):
    for path in smoke.glob("*.ipynb"):
        shown = [output.get("data", {}) for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
        assert any("image/png" in data for data in shown), path.name


def test_run_all_reaches_every_comparison_with_a_prediction(smoke):
    for path in smoke.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        asked = sum("exercises.predict(" in cell.source for cell in cells if cell.cell_type == "code")
        texts = [output.get("data", {}).get("text/plain", "") for cell in cells for output in cell.get("outputs", [])]
        assert sum("Make your prediction above" in text and "Measured" in text for text in texts) == asked, path.stem


def test_every_figure_has_alternative_text(smoke):
    for path in smoke.glob("*.ipynb"):
        for output in (each for cell in nbformat.read(path, 4).cells for each in cell.get("outputs", [])):
            if "image/png" in output.get("data", {}):
                assert len(output.metadata.get("image/png", {}).get("alt", "")) > 40, f"{path.stem}: {output.metadata}"


def test_no_warnings_in_the_notebooks(smoke):
    for path in smoke.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                assert output.get("name") != "stderr", f"{path.stem}: {output.text}"


def test_metrics_have_the_names_that_others_rely_on(metrics):
    assert NAMES - set(metrics) == set()
    assert any(name.startswith("05.latency_ms.") for name in metrics)


def test_metrics_that_do_not_depend_on_training(metrics):
    assert metrics["01.frames.train"] == PROFILE.data.train
    assert metrics["01.frames.val"] == PROFILE.data.val
    # multiply-accumulates of the convolutions, counted by hand from the published networks
    assert metrics["02.hrnet_w48.gmacs"] == pytest.approx(186.9, abs=0.05)
    assert metrics["02.uhrnet_w48.gmacs"] == pytest.approx(187.5, abs=0.05)
    assert metrics["04.gmacs.before"] == pytest.approx(7.247, abs=0.0005)
    assert metrics["04.cut"] >= PROFILE.prune.cut
    assert metrics["04.cut"] == pytest.approx(1 - metrics["04.gmacs.after"] / metrics["04.gmacs.before"], abs=1e-6)


def test_metrics_are_in_their_ranges(metrics):
    for name, value in metrics.items():
        if name.startswith("03.difference."):
            assert -1 <= value <= 1, name
        elif name.split(".")[-1] in ("miou", "acc") or name.startswith("04.miou."):
            assert 0 <= value <= 1, name
        if is_time(name):
            assert value > 0, name
    assert 0.99 <= metrics["05.agreement"] <= 1


def test_the_report_has_all_notebooks_and_is_not_heavy(smoke):
    page = smoke / "report.html"
    text = page.read_text()
    assert page.stat().st_size < 20e6
    assert all(f'<section id="{path.stem}">' in text for path in (PROJECT / "notebooks").glob("*.ipynb"))
    assert "<script" not in text and 'src="http' not in text


def test_the_same_seed_gives_the_same_numbers(metrics, tmp_path):
    result = run(tmp_path, "--only", "02,03")
    assert result.returncode == 0, result.stdout + result.stderr
    again = {name: value for name, value in read_json(tmp_path / "metrics.json").items() if not is_time(name)}
    assert again and again == {name: metrics[name] for name in again}


def test_05_needs_no_notebook_before_it(metrics, tmp_path):
    """It starts from the weights in the checkout, so a fresh clone can run it first."""
    result = run(tmp_path, "--only", "05")
    assert result.returncode == 0, result.stdout + result.stderr
    again = read_json(tmp_path / "metrics.json")
    assert {name: value for name, value in again.items() if "miou" in name} == {
        name: value for name, value in metrics.items() if name.startswith("05.") and "miou" in name
    }
