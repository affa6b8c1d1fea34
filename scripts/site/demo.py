"""Write the demo of the front page: the network as ONNX, ONNX Runtime for browsers, samples and a description."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from helpers import models
from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.common.files import write_json
from helpers.datasets.pictures import write_picture
from helpers.deployment.onnx import write_onnx
from helpers.miniscapes.cities import plan
from helpers.miniscapes.render import render

HERE = Path(__file__).parent
NETWORK = "fastscnn_pruned_51"
SIZE_HW = (256, 512)
SAMPLES = (0, 8, 13, 23)  # of the 24 validation frames of profile mini: other cities than those of the training
PACKAGE = "onnxruntime-web"
PALETTES = {"of Cityscapes": "own", "easy to tell apart": "distinct"}
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")


@dataclass(frozen=True)
class Demo:
    """What the front page says about the demo: facts of the network, file and name of each sample, palettes."""

    network: dict[str, str]
    samples: list[dict[str, str]]
    palettes: list[str]


def write(folder: Path) -> Demo:
    """Write all files of the demo into `folder`, which must exist, and return what the page says about them.

    Raises CourseError if npm is missing or cannot fetch ONNX Runtime.
    """
    runtime = fetch()
    (folder / "ort").mkdir()
    for name in RUNTIME:
        shutil.copy(runtime / "dist" / name, folder / "ort" / name)
    for name in ("demo.js", "network.js"):
        shutil.copy(HERE / "static" / name, folder / name)

    card = models.cards()[NETWORK]
    size = write_onnx(models.load_shipped(NETWORK), folder / "network.onnx", SIZE_HW, graph="labels").stat().st_size
    samples = []
    for number in SAMPLES:
        frame = plan("val", 24, seed=0)[number]
        file = f"{frame.stem}.png"
        write_picture(folder / file, render(frame, SIZE_HW)[0])
        samples.append({"file": file, "name": f"{frame.city.name.capitalize()}, {frame.weather}"})

    palettes = {name: CITYSCAPES.with_palette(palette).colours for name, palette in PALETTES.items()}
    height, width = SIZE_HW
    megabytes = (size + sum((folder / "ort" / name).stat().st_size for name in RUNTIME)) / 1e6
    about = {"file": "network.onnx", "width": width, "height": height, "megabytes": round(megabytes)}
    write_json(folder / "demo.json", {"network": about, "classes": CITYSCAPES.names, "palettes": palettes})
    facts = {"title": card.title, "parameters": f"{card.params / 1e6:.2f}", "megabytes": f"{size / 1e6:.1f}"}
    return Demo(facts, samples, list(palettes))


def fetch() -> Path:
    """Return the folder of ONNX Runtime for browsers, as package-lock.json pins it; npm fetches it if it is missing.

    Raises CourseError if npm is missing or fails.
    """
    package = HERE / "node_modules" / PACKAGE
    wanted = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    if _version(package) == wanted["packages"][f"node_modules/{PACKAGE}"]["version"]:
        return package
    if shutil.which("npm") is None:
        raise CourseError(
            f"Expected npm, which fetches {PACKAGE} for the front page: install it (Debian, Ubuntu: apt-get install "
            "nodejs npm)."
        )
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.strip()), f"exit code {done.returncode}")
        raise CourseError(f"npm could not fetch {PACKAGE} ({reason.strip()}): check the network.")
    return package


def _version(package: Path) -> str:
    try:
        return json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    except (OSError, ValueError, KeyError):
        return ""
