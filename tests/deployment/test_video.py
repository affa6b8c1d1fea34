"""Label a video: frames, order and sizes; one sentence for each error, and nothing left after it."""

import contextlib
import os
import re
import resource
import shutil
import struct
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets.pictures import read_picture, write_picture
from helpers.deployment import __main__ as command
from helpers.deployment import video, video_files
from helpers.deployment.flicker import Flicker, flicker, per_frame
from helpers.deployment.video import label_video
from helpers.deployment.video_files import VideoReader

FRAMES = 12


def grey_frames(count: int = FRAMES, hw: tuple[int, int] = (64, 128)) -> list[np.ndarray]:
    """Frame i has the grey level 10 * i."""
    return [np.full((*hw, 3), 10 * i, np.uint8) for i in range(count)]


def by_grey(frame: np.ndarray) -> np.ndarray:
    """Class 0 for dark frames, 1 for the others."""
    return (frame[..., 0] > 55).astype(np.uint8)


def write_video(path: Path, frames: list[np.ndarray], rate: float = 10) -> Path:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), rate, (width, height))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def read_video(path: Path) -> list[np.ndarray]:
    return list(VideoReader(path).frames())


def run(source, target, predictor=by_grey, **more):
    return label_video(source, target, predictor, **{"classes": CITYSCAPES, "show": False, **more})


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "in.mp4", grey_frames())


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


# --- errors -----------------------------------------------------------------------------------------------------------


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


# --- flicker ----------------------------------------------------------------------------------------------------------


def texture(hw=(64, 128), seed=0) -> np.ndarray:
    grain = np.random.default_rng(seed).integers(0, 256, (*hw, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(grain, (0, 0), 2.5), None, 0, 255, cv2.NORM_MINMAX)


def test_flicker_by_hand():
    """Of 3 still frames with 8192 pixels each, 32 pixels change to the second and 32 back: 64 of 16384."""
    image = texture()
    labels = np.zeros((3, 64, 128), np.uint8)
    labels[1, 20:24, 40:48] = 1
    assert flicker(labels, [image] * 3) == 64 / 16384
    assert per_frame(labels, [image] * 3) == [32 / 8192, 32 / 8192]
    assert flicker(labels[[0, 0, 0]], [image] * 3) == 0
    labels[1] = 1
    assert flicker(labels, [image] * 3) == 1


def test_ignored_pixels_do_not_count():
    labels = np.zeros((2, 64, 128), np.uint8)
    labels[0, :32] = 255
    labels[1, :, :64] = 255  # a quarter of the frame is compared: 32 x 64 pixels
    labels[1, 40, 70:86] = 3
    assert flicker(labels, [texture()] * 2) == 16 / (32 * 64)
    assert flicker(np.full((2, 64, 128), 255, np.uint8), [texture()] * 2) is None


def test_camera_motion_is_no_flicker():
    """The camera pans by 3 pixels a frame over one wall of two colours, and the labels move with it."""
    wall = texture((64, 200))
    classes = np.zeros((64, 200), np.uint8)
    classes[:, 90:] = 1
    images = [wall[:, 3 * i : 3 * i + 128] for i in range(6)]
    moving = [classes[:, 3 * i : 3 * i + 128] for i in range(6)]
    still = [classes[:, :128]] * 6
    assert flicker(moving, images) < 0.002
    assert 0.015 < flicker(still, images) < 0.03  # 3 of 128 columns


def test_what_comes_into_view_is_no_flicker():
    images = [texture() // 3, texture() // 3]
    images[1][10:40, 30:60] = 170 + images[1][10:40, 30:60]  # a bright object
    labels = np.zeros((2, 64, 128), np.uint8)
    labels[1, 10:40, 30:60] = 1
    assert flicker(labels, images) < 0.03 < 900 / 8192


def test_true_motion_is_no_flicker():
    """A pixel whose true class changes does not count, whatever the flow says."""
    truth = np.zeros((2, 64, 128), np.uint8)
    truth[1, :16] = 1
    assert flicker(truth, [texture()] * 2) == 0.25
    assert flicker(truth, [texture()] * 2, truth) == 0


def test_flicker_of_large_and_changing_frames():
    meter = Flicker()
    meter.add(texture((40, 60)), np.zeros((40, 60), np.uint8))
    assert meter.share is None
    meter.add(texture((600, 1200)), np.zeros((600, 1200), np.uint8))
    assert meter.share is None
    meter.add(texture((600, 1200)), np.ones((600, 1200), np.uint8))
    assert meter.share == 1 and meter.compared == 256 * 512
    with pytest.raises(CourseError, match="Expected labels of the size of their frame"):
        meter.add(texture(), np.zeros((4, 4), np.uint8))
    with pytest.raises(CourseError, match="got 1 labels, 2 frames"):
        flicker([np.zeros((4, 4), np.uint8)], [texture()] * 2)


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
