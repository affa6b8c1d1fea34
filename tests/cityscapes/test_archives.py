"""Archives are untrusted: each attack is rejected before anything is written, with an error that names the entry."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from helpers.cityscapes import archives
from helpers.cityscapes.archives import open_source
from helpers.common.errors import CourseError

IMAGE = "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"


def zip_of(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def tar_of(path, infos, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for info, data in infos:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def rejects(path, *words):
    with pytest.raises(CourseError) as caught:
        open_source(path)
    text = str(caught.value)
    assert str(path) in text and all(word in text for word in words), text


@pytest.mark.parametrize("prefix", ["", "cityscapes/", "a/b/"])
@pytest.mark.parametrize("kind", ["zip", "tar", "folder"])
def test_only_cityscapes_files_are_listed(tmp_path, kind, prefix):
    files = {
        prefix + IMAGE: b"123",
        f"{prefix}gtFine/val/ulm/ulm_000001_000019_gtFine_polygons.json": b"{}",
        f"{prefix}README": b"read me",
        f"{prefix}leftImg8bit/train_extra/aachen/aachen_000000_000019_leftImg8bit.png": b"",
        f"{prefix}leftImg8bit/train/aachen/.DS_Store": b"",
        f"{prefix}leftImg8bit/train/aachen/notes.txt": b"",
        f"__MACOSX/{IMAGE}": b"",
    }
    if kind == "zip":
        path = zip_of(tmp_path / "some.zip", files)
    elif kind == "tar":
        path = tar_of(tmp_path / "some.tar.gz", [(tarfile.TarInfo(name), data) for name, data in files.items()])
    else:
        path = tmp_path / "folder"
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    source = open_source(path)
    assert source.kind == kind
    assert sorted((entry.target, entry.size, entry.stem) for entry in source.entries) == [
        ("gtFine/val/ulm/ulm_000001_000019_gtFine_polygons.json", 2, "ulm_000001_000019"),
        (IMAGE, 3, "aachen_000000_000019"),
    ]


def test_folder_that_contains_only_images(tmp_path):
    path = tmp_path / IMAGE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"1")
    (entry,) = open_source(tmp_path / "leftImg8bit").entries
    assert entry.target == IMAGE


@pytest.mark.parametrize(
    "name",
    ["../evil.png", f"../../{IMAGE}", f"/{IMAGE}", f"x/../../{IMAGE}", "..\\evil.png", f"C:/{IMAGE}", "\\evil.png"],
)
def test_names_outside_the_target_folder(tmp_path, name):
    rejects(
        zip_of(tmp_path / "slip.zip", {IMAGE: b"1", name: b"2"}), "outside the target folder", "nothing was unpacked"
    )
    infos = [(tarfile.TarInfo(IMAGE), b"1"), (tarfile.TarInfo(name), b"2")]
    rejects(tar_of(tmp_path / "slip.tar", infos, "w"), "outside the target folder", "nothing was unpacked")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_tar_links_and_devices(tmp_path, kind):
    link = tarfile.TarInfo("leftImg8bit/train/aachen")
    link.type, link.linkname = kind, "/etc"
    rejects(tar_of(tmp_path / "link.tar", [(link, b""), (tarfile.TarInfo(IMAGE), b"1")]), "aachen", "link or a device")


def test_zip_link(tmp_path):
    link = zipfile.ZipInfo("leftImg8bit/train/aachen")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc")
        archive.writestr(IMAGE, b"1")
    rejects(tmp_path / "link.zip", "aachen", "link or a device")


def test_bombs(tmp_path):
    zeros = bytes(4 << 20)  # deflate compresses this to about 4 kB
    rejects(zip_of(tmp_path / "bomb.zip", {IMAGE: zeros}), IMAGE, "zip bomb")
    many = [(tarfile.TarInfo(IMAGE.replace("000000", f"{i:06d}")), zeros) for i in range(8)]
    rejects(tar_of(tmp_path / "bomb.tar.gz", many), "200 times its packed size")


def test_bomb_after_the_end_of_a_tar(tmp_path):
    path = tar_of(tmp_path / "tail.tar.gz", [(tarfile.TarInfo(IMAGE), b"1")])
    with gzip.open(path, "ab") as tail:
        tail.write(bytes(8 << 20))
    rejects(path, "200 times its packed size")


def test_one_huge_file(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 10)
    rejects(tar_of(tmp_path / "huge.tar", [(tarfile.TarInfo(IMAGE), b"x" * 11)], "w"), IMAGE, "11 bytes")


def test_overlapping_entries(tmp_path):
    path = zip_of(tmp_path / "overlap.zip", {IMAGE: b"0123456789" * 50, IMAGE.replace("000000", "000001"): b"1"})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = (0).to_bytes(4, "little")  # the second entry points to the bytes of the first
    path.write_bytes(data)
    rejects(path, "overlaps")


def test_encrypted(tmp_path):
    path = zip_of(tmp_path / "locked.zip", {IMAGE: b"1"})
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    rejects(path, "encrypted")


def test_truncated(tmp_path):
    path = zip_of(tmp_path / "cut.zip", {IMAGE: bytes(range(256)) * 9})
    path.write_bytes(path.read_bytes()[:-30])
    rejects(path, "truncated", "download it again")
    path = tar_of(tmp_path / "cut.tar.gz", [(tarfile.TarInfo(IMAGE), bytes(range(256)) * 9)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    rejects(path, "damaged or truncated")


def test_damaged_gzip(tmp_path):
    path = tar_of(tmp_path / "bad.tar.gz", [(tarfile.TarInfo(IMAGE), bytes(range(256)) * 9)])
    data = bytearray(path.read_bytes())
    data[-8:-4] = b"\0\0\0\0"  # its checksum
    path.write_bytes(data)
    rejects(path, "damaged or truncated")


@pytest.mark.parametrize("left", [512 * 4, 512 * 4 + 100, 512 * 3 + 100, 700])
def test_truncated_tar(tmp_path, left):
    # Two members of one header and one data block each, then zeros: truncated at a header, in a header, in the data.
    infos = [(tarfile.TarInfo(IMAGE), b"1"), (tarfile.TarInfo(IMAGE.replace("000000", "000001")), b"2")]
    path = tar_of(tmp_path / "cut.tar", infos, "w")
    path.write_bytes(path.read_bytes()[:left])
    rejects(path, "damaged or truncated")


def test_tar_with_a_damaged_header(tmp_path):
    infos = [(tarfile.TarInfo(IMAGE), b"1"), (tarfile.TarInfo(IMAGE.replace("000000", "000001")), b"2")]
    path = tar_of(tmp_path / "bad.tar", infos, "w")
    data = bytearray(path.read_bytes())
    data[1024:1100] = b"x" * 76
    path.write_bytes(data)
    rejects(path, "damaged or truncated")


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", ["is empty"]),
        (b"\n<!DOCTYPE html><html>Log in</html>", ["web page", "log in"]),
        (b"\x89PNG", ["neither a zip nor a tar"]),
    ],
)
def test_file_that_is_not_an_archive(tmp_path, data, words):
    path = tmp_path / "leftImg8bit_trainvaltest.zip"
    path.write_bytes(data)
    rejects(path, *words)


def test_wrong_archive_missing_file_and_empty_folder(tmp_path):
    coarse = {"gtCoarse/train/aachen/aachen_000000_000019_gtCoarse_labelIds.png": b"1", "license.txt": b""}
    rejects(zip_of(tmp_path / "gtCoarse.zip", coarse), "gtCoarse/train", "gtFine_trainvaltest.zip")
    rejects(tmp_path / "nowhere.zip", "does not exist", "leftImg8bit_trainvaltest.zip")
    (tmp_path / "empty").mkdir()
    rejects(tmp_path / "empty", "contains no Cityscapes frames")


def test_empty_city(tmp_path):
    path = zip_of(tmp_path / "gap.zip", {"leftImg8bit/train/ulm/": b"", IMAGE: b"1"})
    rejects(path, "empty city folder leftImg8bit/train/ulm")


def test_duplicate_entry(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
            archive.writestr(IMAGE, b"1")
            archive.writestr(IMAGE, b"2")
    rejects(tmp_path / "twice.zip", IMAGE, "2 times")
