"""One sentence for each error while a video is labelled, and nothing left after it."""

import os
import resource
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from videos import FRAMES, by_grey, grey_frames, run, write_video

from helpers.common.errors import CourseError
from helpers.datasets.pictures import write_picture
from helpers.deployment import video, video_files
from helpers.deployment.video_files import VideoReader


def refused(folder: Path, match: str, *args, **more) -> None:
    before, threads, started = set(folder.iterdir()), threading.active_count(), time.monotonic()
    with pytest.raises(CourseError, match=match) as error:
        run(*args, **more)
    assert time.monotonic() - started < 10 and threading.active_count() == threads
    assert "\n" not in str(error.value) and set(folder.iterdir()) == before


def test_wrong_calls(clip, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there.mp4").write_text("kept")
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    out = tmp_path / "out.mp4"
    refused(tmp_path, "There is no video .*none.mp4: give", tmp_path / "none.mp4", out)
    refused(tmp_path, "text.mp4, which cannot be decoded: it is damaged", tmp_path / "text.mp4", out)
    refused(tmp_path, "empty.mp4, which cannot be decoded", tmp_path / "empty.mp4", out)
    refused(tmp_path, "Expected a folder of frames, got none in", tmp_path / "there", out)
    refused(tmp_path, "there.mp4 exists already: remove it", clip, tmp_path / "there.mp4")
    refused(tmp_path, "there exists already", clip, tmp_path / "there")
    refused(tmp_path, "ending in .mp4 or .avi, or a folder", clip, tmp_path / "out.gif")
    refused(tmp_path, "opacity from 0 to 1, got 2", clip, out, opacity=2)
    refused(tmp_path, "limit of at least one frame, got 0", clip, out, limit=0)
    refused(tmp_path, "classes are not known", clip, out, classes=None)
    assert (tmp_path / "there.mp4").read_text() == "kept"


def test_video_without_frames(tmp_path):
    empty = write_video(tmp_path / "zero.avi", grey_frames(1))
    data = empty.read_bytes()
    empty.write_bytes(data[: data.index(b"movi") + 4])
    refused(tmp_path, "zero.avi(, which cannot be decoded| without any)", empty, tmp_path / "out.mp4")


def test_cut_video(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 64, 128, 3), dtype=np.uint8)
    cut = write_video(tmp_path / "cut.avi", list(noise))
    data = cut.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    refused(tmp_path, "Expected 12 frames in .*cut.avi, got [4-7]: its end is damaged", cut, tmp_path / "out.mp4")
    assert run(cut, tmp_path / "out.mp4", limit=3).frames == 3


def test_damaged_frame_of_a_folder(tmp_path):
    frames = tmp_path / "frames"
    for i, frame in enumerate(grey_frames(6)):
        write_picture(frames / f"{i}.png", frame)
    (frames / "4.png").write_bytes((frames / "4.png").read_bytes()[:60])
    refused(tmp_path, "4.png is damaged", frames, tmp_path / "out.mp4")


def test_missing_codec(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(video_files, "CODEC", "zzzz")
    refused(tmp_path, "cannot encode 128x64 .*: give the name of a folder", clip, tmp_path / "out.mp4")
    assert run(clip, tmp_path / "out").frames == FRAMES


def test_full_disk(clip, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    frames = iter([usage] * 3 + [usage._replace(free=1000)] * 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: next(frames))
    refused(tmp_path, r"The disk of .*/out.mp4 is full: free some space", clip, tmp_path / "out.mp4")


def test_file_that_may_not_grow(tmp_path):
    """OpenCV reports no failed write: the finished file is checked."""
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 64, 128, 3), dtype=np.uint8)
    source = write_video(tmp_path / "in.mp4", list(noise))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        refused(tmp_path, "of 12 frames of out.mp4 could be written: check", source, tmp_path / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("error", [CourseError("Too large."), RuntimeError("engine"), KeyboardInterrupt()])
def test_failing_predictor_ends_the_run(clip, tmp_path, error):
    calls = []

    def fail(frame):
        calls.append(1)
        if len(calls) == 4:
            raise error
        return by_grey(frame)

    threads = threading.active_count()
    with pytest.raises(type(error)):
        run(clip, tmp_path / "out.mp4", fail)
    assert not list(tmp_path.iterdir()) and threading.active_count() == threads


def test_hanging_decoder_does_not_keep_the_run(tmp_path, monkeypatch):
    for i, frame in enumerate(grey_frames(3)):
        write_picture(tmp_path / "in" / f"{i}.png", frame)
    release = threading.Event()
    monkeypatch.setattr(video_files, "read_picture", lambda path: release.wait(20) and None)
    monkeypatch.setattr(video, "GRACE_S", 0.2)
    started = time.monotonic()
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), 2))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "in", tmp_path / "out.mp4")
    assert time.monotonic() - started < 10 and list(tmp_path.iterdir()) == [tmp_path / "in"]
    release.set()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused(clip, tmp_path, data):
    content = bytearray(clip.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    try:
        found = list(VideoReader(damaged).frames(limit=40))
    except CourseError as error:
        assert "damaged.mp4" in str(error)
    else:
        assert found and all(frame.dtype == np.uint8 and frame.ndim == 3 for frame in found)
