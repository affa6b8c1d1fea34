"""Readers of foreign files: any bytes yield a value or one sentence, never another exception."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.cityscapes.archives import open_source
from helpers.cityscapes.convert import read_polygons
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json
from helpers.datasets import png
from helpers.datasets.pictures import read_picture
from helpers.models import shipped
from helpers.models.pruned import Plan
from helpers.runner import reference, verdicts

FEW = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind)
    return file.getvalue()


def packed() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png", picture("PNG"))
    return file.getvalue()


def taped() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        info = tarfile.TarInfo("gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png")
        info.size = len(picture("PNG"))
        archive.addfile(info, io.BytesIO(picture("PNG")))
    return file.getvalue()


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """`whole` with bytes changed, cut out, or cut off; or any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(whole)
    for at, value in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=6)):
        data[at] = value
    start = draw(st.integers(0, len(data)))
    length = draw(st.sampled_from([0, 0, 1, 4, len(data)]))
    del data[start : start + length]
    return bytes(data)


def one_sentence(error: Exception) -> None:
    assert "\n" not in str(error).strip() and str(error).strip()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "MPO"])
@FEW
@given(data=st.data())
def test_pictures(kind, data):
    content = data.draw(damaged(picture(kind)))
    try:
        pixels = read_picture(content, "mine")
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    except CourseError as error:
        one_sentence(error)
        assert "mine" in str(error)


@FEW
@given(content=damaged(picture("PNG")))
def test_png(content):
    for read in (
        lambda: png.parse_header(content[:33], content[-12:]),
        lambda: png.decode(np.frombuffer(content, np.uint8)),
        lambda: png.check_sums(content),
    ):
        try:
            read()
        except png.PngError as error:
            one_sentence(error)


POLYGONS = {
    "imgHeight": 8,
    "imgWidth": 8,
    "objects": [{"label": "road", "polygon": [[0, 0], [7, 0], [7, 7]]}],
}


@st.composite
def changed(draw, value):
    """A JSON value with one part replaced by any other."""
    if draw(st.integers(0, 3)) == 0 or not isinstance(value, (dict, list)) or not value:
        return draw(JSON)
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(changed(value[at])), *value[at + 1 :]]
    name = draw(st.sampled_from(sorted(value)))
    return {**value, name: draw(changed(value[name]))}


@FEW
@given(value=changed(POLYGONS))
def test_polygons(value, tmp_path):
    path = tmp_path / "polygons.json"
    path.write_text(json.dumps(value))
    try:
        read_polygons(path)
    except CourseError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"imgWidth": 1e999}', '{"imgWidth": 1' + "0" * 5000 + "}", "\0"], ids=range(6)
)
def test_polygons_that_are_hard_for_python(text, tmp_path):
    path = tmp_path / "polygons.json"
    path.write_text(text)
    with pytest.raises(CourseError, match=r"polygons\.json"):
        read_polygons(path)


PLAN = next(PROJECT.glob("weights/*.plan.json"))


@FEW
@given(data=st.data())
def test_plan(data, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(data.draw(changed(read_json(PLAN)))))
    try:
        Plan.load(path)
    except CourseError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(("whole", "suffix"), [(packed(), "zip"), (taped(), "tar.gz")])
@FEW
@given(data=st.data())
def test_archives(whole, suffix, data, tmp_path):
    path = tmp_path / f"gtFine.{suffix}"
    path.write_bytes(data.draw(damaged(whole)))
    try:
        open_source(path)
    except CourseError as error:
        assert path.name in str(error)


@FEW
@given(data=st.data())
def test_shipped_weights(data, tmp_path):
    """Whatever is wrong with the file, the checksum reports it before anything is parsed."""
    whole = (PROJECT / "weights" / "SHA256SUMS").read_bytes()
    content = data.draw(damaged(whole))
    (tmp_path / "SHA256SUMS").write_bytes(content)
    (tmp_path / "net.safetensors").write_bytes(content)
    with pytest.raises(CourseError):
        shipped.read("net", tmp_path)


@FEW
@given(value=changed({"01.miou": {"value": 0.4, "tolerance": 0.04}}))
def test_reference(value, tmp_path):
    path = tmp_path / "reference.json"
    path.write_text(json.dumps(value))
    try:
        verdicts.table(verdicts.judge({"01.miou": 0.4}, reference.read(path, ["01"])))
    except CourseError as error:
        assert str(path) in str(error)


@FEW
@given(value=changed({"01.miou": 0.4, "01.frames": 3}))
def test_metrics(value, tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(value))
    try:
        verdicts.table(verdicts.judge(reference.read_metrics(path, ["01"]), {}))
    except CourseError as error:
        assert str(path) in str(error)


@FEW
@given(content=st.binary(max_size=60))
def test_json(content, tmp_path):
    Path(tmp_path / "any.json").write_bytes(content)
    try:
        read_json(tmp_path / "any.json")
    except CourseError as error:
        one_sentence(error)
