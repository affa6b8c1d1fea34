"""Image files: any kind is read correctly or rejected with a message, and predicted at its size."""

import io

import numpy as np
import pytest
from PIL import Image

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets.pictures import LARGEST_UPLOAD, read_picture, write_picture
from helpers.evaluation.predictions import predict_any_size, predict_files
from helpers.plotting import overlay

RGB = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)


def encoded(picture: Image.Image, kind="PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_rgb_and_its_file(tmp_path):
    data = encoded(Image.fromarray(RGB))
    np.testing.assert_array_equal(read_picture(data), RGB)
    (tmp_path / "street.png").write_bytes(data)
    np.testing.assert_array_equal(read_picture(tmp_path / "street.png"), RGB)


def test_grey_becomes_three_equal_channels():
    for mode in ("L", "1"):
        grey = Image.fromarray(RGB[..., 0]).convert(mode)
        expected = np.asarray(grey.convert("L"))
        np.testing.assert_array_equal(read_picture(encoded(grey)), np.stack([expected] * 3, axis=2))


def test_sixteen_bits_become_eight():
    values = (RGB[..., 0].astype(np.uint16)) * 257  # 255 becomes 65535
    read = read_picture(encoded(Image.fromarray(values)))
    np.testing.assert_array_equal(read, np.stack([RGB[..., 0]] * 3, axis=2))


def test_sixteen_bit_colour():
    import cv2

    done, data = cv2.imencode(".png", RGB[..., ::-1].astype(np.uint16) * 257)
    assert done
    np.testing.assert_array_equal(read_picture(data.tobytes()), RGB)


def test_transparent_pixels_are_blended_with_white():
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    rgba[0, 0, 3] = 0
    rgba[0, 1, 3] = 128
    read = read_picture(encoded(Image.fromarray(rgba)))
    assert read[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(read[0, 1], (RGB[0, 1] * (128 / 255) + 255 * (127 / 255)), atol=1.5)
    np.testing.assert_array_equal(read[1:], RGB[1:])


def test_paletted_and_cmyk():
    paletted = Image.fromarray(RGB).quantize(16)
    np.testing.assert_array_equal(read_picture(encoded(paletted)), np.asarray(paletted.convert("RGB")))
    assert read_picture(encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG")).shape == RGB.shape


@pytest.mark.parametrize(("orientation", "turned"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_exif_orientation_is_applied(orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = read_picture(encoded(Image.fromarray(RGB), "PNG", exif=exif))
    np.testing.assert_array_equal(read, np.rot90(RGB, turned))


def animation() -> bytes:
    return encoded(Image.fromarray(RGB), "GIF", save_all=True, append_images=[Image.fromarray(RGB[::-1])])


def test_first_image_of_a_photo_with_several():
    """Phones add a preview or a depth map (MPO), and large TIFF files have overviews."""
    small = Image.fromarray(RGB[::2, ::2])
    tiff = encoded(Image.fromarray(RGB), "TIFF", save_all=True, append_images=[small])
    np.testing.assert_array_equal(read_picture(tiff), RGB)
    mpo = encoded(Image.fromarray(RGB), "MPO", save_all=True, append_images=[small], quality=100)
    assert read_picture(mpo).shape == RGB.shape
    np.testing.assert_array_equal(read_picture(mpo), read_picture(encoded(Image.fromarray(RGB), "JPEG", quality=100)))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(kind):
    two = encoded(Image.fromarray(RGB), kind, save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    with pytest.raises(CourseError, match="mine is an animation of 2 images: save one of them"):
        read_picture(two, "mine")


def test_upload_that_is_too_large():
    with pytest.raises(CourseError, match="mine has 64 MiB, more than 64: shrink it"):
        read_picture(bytes(LARGEST_UPLOAD + 1), "mine")


def test_formats_that_start_other_programs_are_not_opened():
    with pytest.raises(CourseError, match="is not an image that can be read"):
        read_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EOF\n", "mine")


def test_names_that_are_not_utf_8(tmp_path):
    path = tmp_path / "\udcff.png"
    write_picture(path, RGB)
    np.testing.assert_array_equal(read_picture(path), RGB)
    path.write_bytes(b"text")
    with pytest.raises(CourseError, match=r"\\xff\.png is not an image") as caught:
        read_picture(path)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "mine.txt is a HEIC photo, .*: save it as JPEG"),
        (b"road, road, car", "mine.txt is not an image"),
        (b"", "mine.txt is empty"),
        (encoded(Image.fromarray(np.zeros((200, 200, 3), np.uint8)))[:-40], "mine.txt is (damaged|not an image)"),
        (animation(), "mine.txt is an animation of 2 images"),
        (encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "mine.txt holds floating-point values"),
    ],
    ids=["heic", "text", "empty", "cut off", "animation", "floats"],
)
def test_files_that_are_not_images(data, sentence):
    with pytest.raises(CourseError, match=sentence):
        read_picture(data, "mine.txt")


def test_too_many_pixels(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(CourseError, match="million pixels"):
        read_picture(encoded(Image.fromarray(RGB)), "mine")


def by_colour(image):
    return (image[..., 0] % len(CITYSCAPES)).astype(np.uint8)


@pytest.mark.parametrize("size_hw", [(7, 120), (50, 60), (33, 16), (16, 32)])
def test_tiles_cover_every_pixel_and_respect_the_size(size_hw):
    image = np.random.default_rng(1).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    seen = []

    def predict(tile):
        seen.append(tile.shape[:2])
        return by_colour(tile)

    np.testing.assert_array_equal(predict_any_size(predict, image, tile_hw=(16, 32), margin=4), by_colour(image))
    assert all(height * width <= 16 * 32 for height, width in seen) or len(seen) == 1
    assert (len(seen) == 1) == (size_hw[0] * size_hw[1] <= 16 * 32)


def test_an_image_of_twelve_thousand_columns():
    image = np.random.default_rng(2).integers(0, 256, (300, 12_000, 3), dtype=np.uint8)
    np.testing.assert_array_equal(predict_any_size(by_colour, image), by_colour(image))


def test_files_and_folders(tmp_path):
    inbox = tmp_path / "inbox"
    (inbox / "deep").mkdir(parents=True)
    (inbox / "one.png").write_bytes(encoded(Image.fromarray(RGB)))
    (inbox / "deep" / "two.jpg").write_bytes(encoded(Image.fromarray(RGB), "JPEG"))
    (inbox / "notes.txt").write_text("not an image")
    (inbox / "broken.png").write_text("not an image")
    (inbox / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (inbox / "old.jfif").write_bytes(encoded(Image.fromarray(RGB), "JPEG"))
    (inbox / "._one.png").write_text("what macOS leaves on other disks")
    written = predict_files(by_colour, [inbox], tmp_path / "out", CITYSCAPES, opacity=0.4)
    assert sorted(written.files) == [inbox / "deep" / "two.jpg", inbox / "old.jfif", inbox / "one.png"]
    assert "HEIC" in written.refused.pop(inbox / "phone.HEIC")
    assert list(written.refused) == [inbox / "broken.png"] and "not an image" in written.refused[inbox / "broken.png"]
    ids, colours, mixed = (np.asarray(Image.open(path)) for path in written.files[inbox / "one.png"])
    np.testing.assert_array_equal(ids, by_colour(RGB))
    np.testing.assert_array_equal(colours, CITYSCAPES.colorize(ids))
    np.testing.assert_array_equal(mixed, overlay(RGB, ids, CITYSCAPES, 0.4))
    assert (tmp_path / "out" / "deep" / "two_overlay.png").is_file()


def test_wrong_paths(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in ("a", "b"):
        (tmp_path / folder / "one.png").write_bytes(encoded(Image.fromarray(RGB)))
    with pytest.raises(CourseError, match="Found no image in"):
        predict_files(by_colour, [tmp_path / "empty"], tmp_path / "out", CITYSCAPES)
    with pytest.raises(CourseError, match="There is no file"):
        predict_files(by_colour, [tmp_path / "nowhere.png"], tmp_path / "out", CITYSCAPES)
    with pytest.raises(CourseError, match="called one"):
        predict_files(by_colour, [tmp_path / "a" / "one.png", tmp_path / "b" / "one.png"], tmp_path / "out", CITYSCAPES)
    with pytest.raises(CourseError, match="choose another folder"):
        predict_files(by_colour, [tmp_path / "a"], tmp_path / "a" / "out", CITYSCAPES)
