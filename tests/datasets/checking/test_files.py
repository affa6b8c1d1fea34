"""Damaged files, unsuitable label formats, and sizes: each planted mistake is found, and nothing else."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_leaves import draw


def only(leaves):
    (found,) = leaves.check().findings
    return found


@pytest.mark.parametrize("part", ["image", "label"])
def test_an_empty_file(leaves, part):
    path = getattr(leaves.frame("train"), part)
    path.write_bytes(b"")
    found = only(leaves)
    assert (found.kind, found.path, found.text) == ("empty-file", path, "is empty: copy or download it again")


@pytest.mark.parametrize("part", ["image", "label"])
@pytest.mark.parametrize("damage", ["cut", "bit", "text"])
def test_a_damaged_file(leaves, part, damage):
    path = getattr(leaves.frame("val"), part)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[:-30]
    elif damage == "text":
        data = b"not an image"
    else:
        data[len(data) // 2] ^= 4
    path.write_bytes(data)
    found = only(leaves)
    assert (found.kind, found.path) == ("damaged-file", path)
    assert found.text.startswith(("is ", "cannot ")) and ": " in found.text


@pytest.mark.parametrize(
    ("kind", "mode", "text"), [("deep-label", "I;16", "this one is damaged"), ("colour-label", "RGB", "and damaged")]
)
def test_a_damaged_label_of_the_wrong_format(leaves, kind, mode, text):
    path = leaves.frame("val").label
    Image.new(mode, (64, 48)).save(path)
    path.write_bytes(path.read_bytes()[:60])
    found = only(leaves)
    assert (found.kind, found.path) == (kind, path) and text in found.text


def test_a_cut_jpeg_image(leaves):
    image = leaves.frame("train").image
    path = image.with_suffix(".JPG")
    Image.open(image).save(path, format="JPEG")
    image.unlink()
    assert leaves.kinds() == {}
    path.write_bytes(path.read_bytes()[:-200])
    assert only(leaves).kind == "damaged-file"


def test_a_label_of_another_size(leaves):
    frame = leaves.frame("train", 1)
    leaves.relabel(lambda label: label[:40], [frame])
    found = only(leaves)
    assert (found.kind, found.path) == ("size-mismatch", frame.label)
    assert found.text.startswith("has 64 x 40 pixels, but its image has 64 x 48: create it again")


def test_a_label_that_was_not_turned_with_its_photo(leaves):
    """The camera stored the photo lying down, with its orientation in EXIF; the label lies down too."""
    frame = leaves.frame("train", 1)
    exif = Image.Exif()
    exif[274] = 6
    Image.open(frame.image).save(frame.image.with_suffix(".jpg"), exif=exif, quality=95)
    frame.image.unlink()
    report = leaves.check()
    assert {each.kind for each in report.findings} == {"size-mismatch", "mixed-shapes"}
    assert "turn it by 90 degrees" in report.findings[0].text


def colour(label):
    return np.array([[110, 80, 50], [60, 160, 60], [1, 2, 3]], dtype=np.uint8)[label]


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (colour, "colour-label", "shows classes as colours (3 colours, 2 of them those of dataset.toml)"),
        (lambda label: np.stack([label] * 3, axis=2), "colour-label", "has three equal channels: save one"),
        (lambda label: draw(9)[0], "colour-label", "is a photo or a picture with"),
        (lambda label: label.astype(np.uint16), "deep-label", "save it with 8 bits, since its largest value is 2"),
        (lambda label: label.astype(np.uint16) * 1000, "deep-label", "it may hold instance ids or depths up to 2000"),
        (lambda label: np.dstack([colour(label), label]), "alpha-label", "without transparency and colours"),
        (lambda label: np.dstack([label, label]), "alpha-label", "is 8-bit grey with alpha: save it without transp"),
        (lambda label: label > 0, "label-format", "is 1-bit grey: save it as 8-bit grey"),
    ],
)
def test_a_label_of_the_wrong_format(leaves, change, kind, text):
    frame = leaves.frame("train")
    leaves.write(frame, label=change(np.asarray(Image.open(frame.label))))
    found = only(leaves)
    assert (found.kind, found.path, found.severity) == (kind, frame.label, "error") and text in found.text


def test_a_paletted_label_is_sound(leaves):
    frame = leaves.frame("train")
    paletted = Image.open(frame.label).convert("P")
    paletted.putdata(list(np.asarray(Image.open(frame.label)).ravel()))
    paletted.putpalette(leaves.dataset.classes.palette.ravel().tolist())
    paletted.save(frame.label)
    assert leaves.kinds() == {}


@pytest.mark.parametrize(("format_", "kind"), [("JPEG", "jpeg-label"), ("BMP", "label-format")])
def test_another_format_under_the_name_of_a_png(leaves, format_, kind):
    frame = leaves.frame("train")
    Image.open(frame.label).save(frame.label, format=format_)
    found = only(leaves)
    assert (found.kind, found.path) == (kind, frame.label) and f"is a {format_} file" in found.text


def test_images_of_unusual_size(leaves):
    leaves.write(leaves.new_frame("train", "north", "small"), *draw(31, (20, 28)))
    found = only(leaves)
    assert (found.kind, found.severity) == ("unusual-size", "warning")
    assert found.text.startswith("has 28 x 20 pixels, less than 32 pixels on a side")


@pytest.mark.parametrize(("size_hw", "text"), [((40, 400), "8 times the other"), ((400, 500), "65 times as many")])
def test_other_unusual_sizes(leaves, size_hw, text):
    leaves.write(leaves.new_frame("train", "north", "odd"), *draw(31, size_hw))
    assert text in only(leaves).text


def test_portraits_among_landscapes_are_a_note(leaves):
    leaves.write(leaves.new_frame("train", "north", "upright"), *draw(31, (64, 48)))
    found = only(leaves)
    assert (found.kind, found.severity) == ("mixed-shapes", "note") and "1 of 10 images differ" in found.text
    assert leaves.check().ok


def test_several_sizes_of_one_shape_are_sound(leaves):
    leaves.write(leaves.new_frame("train", "north", "large"), *draw(31, (96, 128)))
    report = leaves.check()
    assert report.findings == () and report.splits.loc["train", "size"] == "64 x 48 and 1 others"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_label_is_a_finding_or_harmless(leaves, data):
    """Bytes are changed, removed or added: no exception, and a finding unless the pixels are the same."""
    frame = leaves.frame("train")
    buffer = io.BytesIO()
    Image.fromarray(draw(0)[1]).save(buffer, format="PNG")
    content = bytearray(buffer.getvalue())
    at = data.draw(st.integers(0, len(content) - 1))
    change = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if change == "flip":
        content[at] ^= data.draw(st.integers(1, 255))
    elif change == "cut":
        content = content[:at]
    else:
        content[at:at] = data.draw(st.binary(min_size=1, max_size=40))
    frame.label.write_bytes(bytes(content))
    report = leaves.check()
    assert report.findings or np.array_equal(cv2.imread(str(frame.label), cv2.IMREAD_UNCHANGED), draw(0)[1])
