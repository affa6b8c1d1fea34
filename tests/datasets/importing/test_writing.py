"""What an import writes: complete or not at all, resumable, never over something else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.common.errors import CourseError
from helpers.datasets import Classes, open_dataset, read_pair
from helpers.datasets.__main__ import main
from helpers.datasets.dataset import COMMAND, UNFINISHED
from helpers.datasets.importing import import_data, writing

LABEL = np.array([[0, 0, 1], [1, 1, 1]], dtype=np.uint8)


@pytest.fixture
def source(tmp_path):
    """Six frames of three sequences, masks of two classes."""
    folder = tmp_path / "in"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number, name in enumerate(f"{sequence}_{frame}" for sequence in "abc" for frame in (1, 2)):
        Image.new("RGB", (3, 2), (number, 0, 0)).save(folder / "images" / f"{name}.png")
        Image.fromarray(LABEL).save(folder / "masks" / f"{name}.png")
    return folder


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_an_interrupted_import_resumes(source, tmp_path, monkeypatch):
    import_data(source, tmp_path / "whole", name="mine")
    root, written = tmp_path / "out", []

    def interrupted(path, data):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            import_data(source, root, name="mine")
    assert (root / UNFINISHED / COMMAND).read_text() == (
        f"python -m helpers.datasets import {source} --name mine --to {root}\n"
    )
    with pytest.raises(CourseError, match=f"is incomplete.*import {source} --name mine --to {root}"):
        open_dataset(root)
    with pytest.raises(CourseError, match="was interrupted: run that command again, or remove the folder"):
        import_data(source, root, name="other")
    before = {path: path.stat().st_mtime_ns for path in written}
    assert import_data(source, root, name="mine").new
    assert {path: path.stat().st_mtime_ns for path in written} == before
    assert tree(root) == tree(tmp_path / "whole")


def test_a_source_that_changed_is_imported_from_the_start(source, tmp_path, monkeypatch):
    root = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_json", lambda path, value, write=writing.write_json: _stop_at(path, value, write))
        with pytest.raises(KeyboardInterrupt):
            import_data(source, root)
    Image.fromarray(1 - LABEL).save(source / "masks" / "a_1.png")
    (source / "masks" / "b_1.png").unlink()
    import_data(source, root)
    frames = {frame.stem: frame for split in ("train", "val") for frame in open_dataset(root).frames(split)}
    assert set(frames) == {"a_1", "a_2", "b_2", "c_1", "c_2"}
    assert np.array_equal(read_pair(frames["a_1"])[1], 1 - LABEL)


def _stop_at(path, value, write):
    if path.name == writing.REPORT:
        raise KeyboardInterrupt
    write(path, value)


def test_killed_at_any_moment(source, tmp_path):
    """SIGKILL after some files; the last run keeps them, and the result is that of an undisturbed one."""
    import_data(source, tmp_path / "whole", name="mine")
    root = tmp_path / "out"
    code = (
        "import time; from helpers.datasets.importing import import_data, writing\n"
        "slow = writing.write_bytes\n"
        "def write(path, data):\n    time.sleep(0.05); slow(path, data); print('written', flush=True)\n"
        "writing.write_bytes = write\n"
        f"import_data({str(source)!r}, {str(root)!r}, name='mine', workers=1)"
    )
    for files in (1, 4):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        ) as process:
            assert [process.stdout.readline() for _ in range(files)] == ["written\n"] * files
            process.send_signal(signal.SIGKILL)
    written = {path: path.stat().st_mtime_ns for path in root.glob("*/*/*/[!.]*")}
    import_data(source, root, name="mine")
    assert len(written) >= 5 and {path: path.stat().st_mtime_ns for path in written} == written
    assert tree(root) == tree(tmp_path / "whole")


def test_a_second_run_does_nothing(source, tmp_path):
    first = import_data(source, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    again = import_data(source, tmp_path / "out")
    assert first.new and not again.new
    assert (again.counts, again.pixels, again.skipped) == (first.counts, first.pixels, first.skipped)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    with pytest.raises(CourseError, match="was imported with other arguments"):
        import_data(source, tmp_path / "out", seed=3)


def test_nothing_is_overwritten(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(CourseError, match=r"out is not empty \(it contains mine.txt\), and nothing is overwritten"):
        import_data(source, tmp_path / "out")
    with pytest.raises(CourseError, match="is a file: pass a folder as --to"):
        import_data(source, tmp_path / "out" / "mine.txt")
    assert tree(tmp_path / "out") == {"mine.txt": b"precious"}
    with pytest.raises(CourseError, match="lies in the source"):
        import_data(source, source / "out")


def test_files_are_copied_linked_or_written_as_png(source, tmp_path):
    Image.new("RGB", (3, 2), (9, 9, 9)).save(source / "images" / "a_1.png", pnginfo=None, compress_level=0)
    Image.new("RGBA", (3, 2), (0, 0, 0, 0)).save(source / "images" / "b_1.png")
    (source / "images" / "c_1.png").unlink()
    Image.new("RGB", (3, 2), (9, 0, 9)).save(source / "images" / "c_1.TIF")
    import_data(source, tmp_path / "out", link=True)
    frames = {frame.stem: frame for split in ("train", "val") for frame in open_dataset(tmp_path / "out").frames(split)}
    assert frames["a_1"].image.samefile(source / "images" / "a_1.png")
    assert read_pair(frames["b_1"])[0].tolist() == np.full((2, 3, 3), 255).tolist()
    assert frames["c_1"].image.name == "c_1.png" and read_pair(frames["c_1"])[0][0, 0].tolist() == [9, 0, 9]
    import_data(source, tmp_path / "copied")
    copy = next((tmp_path / "copied").rglob("a_1.png"))
    assert copy.read_bytes() == (source / "images" / "a_1.png").read_bytes()
    assert not copy.samefile(source / "images" / "a_1.png")


def test_names_that_are_not_utf8_are_skipped(source, tmp_path):
    odd = os.fsencode(source / "images") + b"/\xff_1.png"
    Path(os.fsdecode(odd)).write_bytes((source / "images" / "a_1.png").read_bytes())
    Path(os.fsdecode(odd.replace(b"images", b"masks"))).write_bytes((source / "masks" / "a_1.png").read_bytes())
    done = import_data(source, tmp_path / "out")
    assert [each.reason for each in done.skipped] == ["has a name that is not UTF-8: rename it"]
    assert json.loads((tmp_path / "out" / "import.json").read_text())["skipped"][0]["file"].endswith("\\xff_1.png")


def test_classes_are_taken_over(source, tmp_path):
    classes = Classes(("ground", "thing"), ((1, 2, 3), (4, 5, 6)), groups=(("thin", ("thing",)),))
    import_data(source, tmp_path / "out", classes=classes)
    assert open_dataset(tmp_path / "out").classes == classes


def test_command(source, tmp_path, capsys):
    arguments = [
        "import",
        str(source),
        "--to",
        str(tmp_path / "out"),
        "--background",
        "ground",
        "--rename",
        "class_1=thing",
    ]
    assert main([*arguments, "--dry-run"]) == 0 and not (tmp_path / "out").exists()
    assert "would have 4 train, 2 val frames and 2 classes." in capsys.readouterr().out
    (source / "masks" / "c_2.png").unlink()
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()[:5]] == [
        ["pixels", "%"], ["class"], ["ground", "10", "33.3"], ["thing", "20", "66.7"], ["ignored", "0", "0"]
    ]  # fmt: skip
    assert "Skipped files: 1\n" in printed and "c_2.png: has no label of its name" in printed
    assert main(arguments) == 0 and "was imported before, nothing to do" in capsys.readouterr().out
    assert main(["import", str(tmp_path / "none"), "--to", str(tmp_path / "x")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'none'} does not exist: check the path.\n"
    assert main([*arguments, "--rename", "nonsense"]) == 2
