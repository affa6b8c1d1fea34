"""Label a video: frames, order and sizes, on its own and by the command."""

import contextlib
import os
import re
import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from videos import FRAMES, by_grey, grey_frames, read_video, run

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets.pictures import read_picture, write_picture
from helpers.deployment import __main__ as command
from helpers.deployment import video, video_files
from helpers.deployment.video_files import VideoReader


@pytest.mark.parametrize("name", ["a b ü 中.mp4", "12:30.mp4", "file:x.avi", "x%03d.mp4", "-x.mp4", "a#b?.mp4"])
def test_names_that_ffmpeg_could_misread(name, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(clip, name).frames == FRAMES
    assert len(read_video(Path(name))) == FRAMES


def test_names_that_are_not_utf_8_are_for_folders_only(clip, tmp_path):
    name = os.fsdecode(b"caf\xe9")
    assert run(clip, tmp_path / name).frames == FRAMES
    assert len(read_video(tmp_path / name)) == FRAMES
    shutil.copy(clip, tmp_path / f"{name}.mp4")
    for source, target in ((clip, f"{name}.avi"), (tmp_path / f"{name}.mp4", "out.mp4")):
        with pytest.raises(CourseError, match=r"caf\\xe9\.\w+: rename it or its folder\.$"):
            run(source, tmp_path / target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ""])
def test_every_frame_is_labelled_in_order(clip, tmp_path, suffix):
    report = run(clip, tmp_path / f"out{suffix}", opacity=0.5)
    assert report.path == tmp_path / f"out{suffix}" and report.frames == FRAMES
    assert list(tmp_path.iterdir()) == [report.path]
    found = read_video(report.path)
    assert len(found) == FRAMES
    for i, frame in enumerate(found):
        colour = CITYSCAPES.palette[int(10 * i > 55)]
        assert np.abs(frame.astype(int).mean((0, 1)) - (10 * i + colour.astype(int)) / 2).max() < 8
    assert VideoReader(report.path).rate == (10 if suffix else video_files.RATE)


def test_report(clip, tmp_path):
    def slow(frame):
        time.sleep(0.01)
        return by_grey(frame)

    report = run(clip, tmp_path / "out.mp4", slow, limit=11)
    assert report.frames == 11 and set(report.stage_seconds) == {"decode", "infer", "encode", "flicker"}
    assert 0.11 <= report.stage_seconds["infer"] < report.seconds
    assert report.frames_per_second == pytest.approx(11 / report.seconds)
    assert report.stage_frames_per_second["infer"] <= 100
    assert report.growth_mb is None or 0 <= report.growth_mb < 50
    assert "11 frames in" in str(report) and "flicker:" in str(report)
    without = run(clip, tmp_path / "other.mp4", flicker=False)
    assert without.flicker is None and "flicker" not in str(without)


def test_choice_of_an_engine_does_not_count(clip, tmp_path):
    class Predictor:
        engine, classes = "auto", CITYSCAPES

        def __call__(self, frame):
            if self.engine == "auto":
                time.sleep(1.0)
                self.engine = "fastest"
            return by_grey(frame)

    report = run(clip, tmp_path / "out.mp4", Predictor())
    assert report.frames == FRAMES and report.seconds < 1 and report.stage_seconds["infer"] < 0.5


def test_stages_overlap(tmp_path, monkeypatch):
    """Three stages of 20 ms a frame take little more than 20 ms a frame together."""
    for i, frame in enumerate(grey_frames(20, (16, 16))):
        write_picture(tmp_path / f"in{i}.png", frame)

    def pause(function):
        def paused(*args):
            time.sleep(0.02)
            return function(*args)

        return paused

    monkeypatch.setattr(video_files, "read_picture", pause(read_picture))
    monkeypatch.setattr(video_files, "encode_picture", pause(video_files.encode_picture))
    report = run(tmp_path, tmp_path / "out", pause(by_grey), flicker=False)
    assert report.seconds < 0.8 * sum(report.stage_seconds.values())


def test_queues_are_bounded(tmp_path, monkeypatch):
    """A slow network does not make the reader fill the memory."""
    for i, frame in enumerate(grey_frames(24, (16, 16))):
        write_picture(tmp_path / f"{i}.png", frame)
    ahead, done = [], [0]
    read = []

    def counted(path):
        read.append(path)
        return read_picture(path)

    def slow(frame):
        time.sleep(0.01)
        ahead.append(len(read) - done[0])
        done[0] += 1
        return by_grey(frame)

    monkeypatch.setattr(video_files, "read_picture", counted)
    run(tmp_path, tmp_path / "out", slow)
    assert max(ahead) <= video.QUEUED + 2


def test_folder_in_natural_order(tmp_path):
    frames = tmp_path / "frames"
    for i in (10, 9, 2, 1, 100):
        write_picture(frames / f"f{i}.png", np.full((8, 8, 3), i, np.uint8))
    (frames / "notes.txt").write_text("no frame")
    assert [int(frame[0, 0, 0]) for frame in VideoReader(frames).frames()] == [1, 2, 9, 10, 100]


def test_odd_and_changing_sizes(tmp_path):
    frames = tmp_path / "frames"
    for i, hw in enumerate([(33, 65), (33, 65), (64, 40), (34, 66)]):
        write_picture(frames / f"{i}.png", np.full((*hw, 3), 200, np.uint8))
    sizes = []
    report = run(frames, tmp_path / "out.mp4", lambda frame: sizes.append(frame.shape[:2]) or by_grey(frame))
    assert sizes == [(33, 65), (33, 65), (64, 40), (34, 66)]  # predicted at their own sizes
    found = read_video(report.path)
    assert [frame.shape for frame in found] == [(34, 66, 3)] * 4
    assert all(
        np.ptp(frame) < 200 and np.abs(frame - found[0].astype(int)).max() < 12 for frame in found
    )  # no black rim
    pictures = run(frames, tmp_path / "out").path
    assert [frame.shape[:2] for frame in read_video(pictures)] == sizes[:4]


def test_rotated_video_is_turned_upright(clip, tmp_path):
    """A phone stores a rotation in the header of the track, as a matrix of 16.16 numbers."""
    data = bytearray(clip.read_bytes())
    matrix = data.index(b"tkhd") + 44
    assert struct.unpack_from(">9i", data, matrix) == (65536, 0, 0, 0, 65536, 0, 0, 0, 2**30)
    struct.pack_into(">9i", data, matrix, 0, 65536, 0, -65536, 0, 0, 64 * 65536, 0, 2**30)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(data)
    assert {frame.shape for frame in read_video(turned)} == {(128, 64, 3)}
    assert {frame.shape for frame in read_video(run(turned, tmp_path / "out.mp4").path)} == {(128, 64, 3)}


# --- command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_export(monkeypatch) -> list:
    """Replace the slow parts of the command: exporting a network, and the engine."""
    calls = []

    class Predictor(contextlib.nullcontext):
        classes = CITYSCAPES

        def __init__(self, folder, engine):
            super().__init__(self)
            calls.append((Path(folder).name, engine))

        def __call__(self, frame):
            return by_grey(frame)

    monkeypatch.setattr(command, "export", lambda net, folder, *, network, classes: folder)
    monkeypatch.setattr(command, "Predictor", Predictor)
    return calls


def test_command(clip, tmp_path, capsys, no_export):
    out = tmp_path / "out.mp4"
    arguments = ["video", str(clip), "--to", str(out)]
    assert command.main([*arguments, "--network", "fastscnn", "--limit", "2"]) == 0
    assert "2 frames in " in (printed := capsys.readouterr().out) and f"{out} is ready" in printed
    assert len(read_video(out)) == 2
    assert command.main([*arguments, "--export", "some/export", "--engine", "openvino"]) == 2
    assert re.fullmatch(r".*out.mp4 exists already: .*\n", capsys.readouterr().err)
    assert no_export == [("fastscnn", "auto"), ("export", "openvino")]
    assert command.main([*arguments, "--network", "fastscn"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_interrupted_command_leaves_nothing(clip, tmp_path, capsys, no_export, monkeypatch):
    def interrupted(self, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.Predictor, "__call__", interrupted)
    assert command.main(["video", str(clip), "--to", str(tmp_path / "out.mp4"), "--export", "x"]) == 130
    assert capsys.readouterr().err.endswith("interrupted: nothing was written\n")
    assert not list(tmp_path.iterdir())
