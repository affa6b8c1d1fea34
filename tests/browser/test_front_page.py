"""The front page of the site: the network runs in the browser, from a plain file server and without other hosts."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import re
import threading
from pathlib import PurePosixPath

import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers import models
from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.datasets.pictures import read_picture
from helpers.deployment import Predictor, agreement, export
from helpers.profiles import load_profile
from scripts.site import build, demo

WAIT_MS = 120_000  # on a busy machine
LABELLED = re.compile(r"labelled in \d+ ms")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def about(tmp_path_factory):
    """(folder of a site whose notebooks are empty, description of its demo)"""
    try:
        demo.fetch()
    except CourseError as error:  # npm is missing, or the network
        pytest.skip(str(error))
    outputs, folder = tmp_path_factory.mktemp("outputs"), tmp_path_factory.mktemp("site")
    for source in (PROJECT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        cells = [nbformat.v4.new_markdown_cell(f"# {source.stem}")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), outputs / source.name)
    (outputs / build.REPORT).write_text('<!DOCTYPE html><html lang="en"><title>Report</title></html>')
    (folder / "demo").mkdir()
    described = demo.write(folder / "demo")
    build.write_pages(folder, outputs, load_profile("smoke"), described)
    return folder, described


@pytest.fixture(scope="module")
def site(about):
    """Serve the site as `python -m http.server` does, and return its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(about[0])))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """The network of the demo in Python."""
    exported = export(
        models.load_shipped(demo.NETWORK), tmp_path_factory.mktemp("export") / "x", network="x", classes=CITYSCAPES
    )
    with Predictor(exported) as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(about, predictor):
    """Labels of the samples by name, uint8 (H, W), from the Python predictor."""
    folder, described = about
    return {each["name"]: predictor(read_picture(folder / "demo" / each["file"])) for each in described.samples}


class Visit:
    """A page of the site in a browser that can reach no other host; `elsewhere` and `problems` should stay empty."""

    def __init__(self, chrome, address: str, **settings):
        self.context = chrome.new_context(**settings)
        self.address, self.loaded, self.elsewhere, self.problems = address, [], [], []
        self.context.route("**/*", self._only_here)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.problems.append(line.text))

    def _only_here(self, route):
        if route.request.url.startswith(self.address):
            self.loaded.append(route.request.url)
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def open(self, path: str = "index.html") -> Visit:
        self.page.goto(f"{self.address}/{path}")
        return self

    def says(self, text: str | re.Pattern) -> str:
        self.page.locator("#status", has_text=text).wait_for()
        return self.page.locator("#status").inner_text()

    def choose(self, name: str) -> None:
        self.page.locator("#samples button", has_text=name).click()

    def drop(self, name: str, content: bytes) -> None:
        script = """([name, content]) => {
            const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            if (name) dataTransfer.items.add(new File([bytes], name));
            const options = { dataTransfer, bubbles: true, cancelable: true };
            document.getElementById("stage").dispatchEvent(new DragEvent("drop", options));
        }"""
        self.page.evaluate(script, [name, base64.b64encode(content).decode()])

    def labels(self) -> np.ndarray:
        """Train ids uint8 (H, W) of the colours over the picture."""
        url = self.page.evaluate("document.getElementById('labels').toDataURL()")
        rgba = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA"))
        assert (rgba[..., 3] == 255).all()
        same = (rgba[..., np.newaxis, :3] == CITYSCAPES.palette).all(axis=-1)  # (H, W, classes)
        assert same.any(axis=-1).all()
        return same.argmax(axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def visit(chrome, site):
    """The front page, open and ready."""
    opened = Visit(chrome, site, viewport={"width": 1400, "height": 1000}).open()
    opened.says(LABELLED)
    yield opened
    opened.context.close()


def picture(width: int, height: int, suffix: str = "jpeg") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 150)).save(file, suffix)
    return file.getvalue()


def test_labels_are_those_of_the_python_predictor(visit, expected):
    for name, labels in expected.items():
        visit.choose(name)
        visit.says(re.compile(f"{name}: labelled in"))
        assert len(np.unique(labels)) > 8
        assert agreement(visit.labels(), labels) >= 0.999
    assert visit.elsewhere == [] and visit.problems == []


def test_the_last_choice_is_shown(visit, expected):
    for name in expected:
        visit.choose(name)
    visit.says(re.compile(f"{name}: labelled in"))
    assert agreement(visit.labels(), expected[name]) >= 0.999
    pressed = visit.page.locator("#samples [aria-pressed=true]")
    assert pressed.all_inner_texts() == [name]


def test_class_under_the_pointer_and_under_the_cross_of_the_keys(visit, expected):
    name, labels = next(iter(expected.items()))
    visit.choose(name)
    visit.says(re.compile(f"{name}: labelled in"))
    stage, under = visit.page.locator("#stage"), visit.page.locator("#under")
    box = stage.bounding_box()
    for x, y in ((0.5, 0.8), (0.1, 0.2), (0.9, 0.5)):
        stage.hover(position={"x": x * box["width"], "y": y * box["height"]})
        assert under.inner_text() == CITYSCAPES.names[labels[int(y * 256), int(x * 512)]]
    assert visit.page.locator("#legend .here").inner_text().startswith(under.inner_text())
    column, row = int(x * 512), int(y * 256)
    stage.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "Shift+ArrowUp"):
        visit.page.keyboard.press(key)
    assert under.inner_text() == CITYSCAPES.names[labels[row + 7, column - 16]]
    assert visit.page.locator("#cross").is_visible()


def test_shares_of_the_classes_are_listed_and_in_the_alternative_text(visit, expected):
    name, labels = next(iter(expected.items()))
    visit.choose(name)
    visit.says(re.compile(f"{name}: labelled in"))
    counts = np.bincount(labels.ravel(), minlength=len(CITYSCAPES))
    largest = f"{CITYSCAPES.names[counts.argmax()]} {round(100 * counts.max() / labels.size)} %"
    assert " ".join(visit.page.locator("#legend li").first.inner_text().split()) == largest
    assert largest in visit.page.locator("#stage").get_attribute("aria-label")


def test_a_second_palette(visit):
    colour = visit.page.locator("#legend i").first
    before = colour.get_attribute("style")
    visit.page.locator("#palette").select_option(index=1)
    assert colour.get_attribute("style") != before
    visit.page.locator("#palette").select_option(index=0)
    assert colour.get_attribute("style") == before
    assert visit.labels().shape == demo.SIZE_HW


@pytest.mark.parametrize("width, height, seen", [(90, 160, (256, 144)), (1600, 900, (256, 455))])
def test_a_dropped_photograph_is_labelled_whole(visit, width, height, seen):
    visit.drop(f"{width}.jpg", picture(width, height))
    assert f"{width} × {height} pixels" in visit.says(re.compile(rf"{width}\.jpg: labelled in \d+ ms"))
    assert visit.labels().shape == seen
    box = visit.page.locator("#stage").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(width / height, rel=0.02)
    assert visit.page.locator("#samples [aria-pressed=true]").count() == 0


@pytest.mark.parametrize("rows, columns", [(slice(None), slice(100, 356)), (slice(64, 192), slice(None))])
def test_edges_are_repeated_around_a_picture_of_another_shape(rows, columns, about, visit, predictor):
    folder, described = about
    cut = read_picture(folder / "demo" / described.samples[0]["file"])[rows, columns]
    file = io.BytesIO()
    Image.fromarray(cut).save(file, "png")
    name = f"{cut.shape[1]}x{cut.shape[0]}.png"
    visit.drop(name, file.getvalue())
    visit.says(re.compile(f"{name}: labelled in"))
    top, left = ((whole - part) // 2 for whole, part in zip(demo.SIZE_HW, cut.shape, strict=False))
    whole = np.pad(cut, [(top, top), (left, left), (0, 0)], mode="edge")
    labels = predictor(whole)[top : top + cut.shape[0], left : left + cut.shape[1]]
    assert agreement(visit.labels(), labels) >= 0.999


def test_a_chosen_file_is_labelled(visit):
    visit.page.locator("#file").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture(64, 32, "png")}
    )
    visit.says(re.compile(r"a\.png: labelled in \d+ ms, 64 × 32 pixels"))


def test_a_broken_file_gets_a_sentence_and_the_picture_stays(visit):
    visit.choose("Frankfurt")
    visit.says(re.compile("Frankfurt.*labelled in"))
    before = visit.labels()
    for name, content in {"empty.jpg": b"", "text.jpg": b"no picture", "cut.jpg": picture(64, 64)[:150]}.items():
        visit.drop(name, content)
        sentence = f"{name} is not a picture that this browser can read: choose a PNG or JPEG file."
        assert visit.says(f"{name} is not") == sentence
    visit.drop("", b"")
    visit.says("That was not a file: drop a picture, or choose one.")
    assert (visit.labels() == before).all()
    assert visit.problems == []


def test_a_network_that_cannot_be_loaded_gets_a_sentence(chrome, site):
    visit = Visit(chrome, site)
    visit.page.route("**/network.onnx", lambda route: route.fulfill(status=404))
    visit.open().says(re.compile(r"The network does not run here \(.*\): reload the page"))
    visit.context.close()


def test_a_phone_can_read_every_kind_of_page_and_loads_nothing_from_elsewhere(chrome, site):
    visit = Visit(chrome, site, viewport={"width": 390, "height": 844})
    for path in ("README.html", "docs/glossary.html", "docs/measurements.html", "report.html", "index.html"):
        visit.open(path)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390, path
    visit.says(LABELLED)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert {".onnx", ".wasm"} <= {PurePosixPath(url).suffix for url in visit.loaded}  # those of the worker are seen too
    assert visit.elsewhere == [] and visit.problems == []
    visit.context.close()


@pytest.mark.parametrize(
    "npm, message",
    [("", "Expected npm, which fetches onnxruntime-web .*apt-get install nodejs npm"),
     ("echo 'npm ERR! network timeout' >&2; exit 1", r"could not fetch .* \(npm ERR! network timeout\): check the")],
    ids=["missing", "offline"],
)  # fmt: skip
def test_without_npm_or_network_a_sentence_says_so(npm, message, tmp_path, monkeypatch):
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_bytes((demo.HERE / name).read_bytes())
    monkeypatch.setattr(demo, "HERE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    if npm:
        (tmp_path / "npm").write_text(f"#!/bin/sh\n{npm}\n")
        (tmp_path / "npm").chmod(0o755)
    with pytest.raises(CourseError, match=message):
        demo.fetch()
