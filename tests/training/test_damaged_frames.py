"""A frame that cannot be read ends training, fine-tuning and sensitivity with a sentence, within seconds."""

import time
from dataclasses import replace

import paddle
import pytest
from PIL import Image
from tiny_cityscapes import write_set
from tiny_network import TINY_RECIPE, TinyNet

from helpers import pruning, training
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset

SECONDS = 20


def cut_image(frame):
    frame.image.write_bytes(frame.image.read_bytes()[:-40])


def remove_image(frame):
    frame.image.unlink()


def resize_label(frame):
    Image.open(frame.label).resize((50, 40), Image.Resampling.NEAREST).save(frame.label)


@pytest.mark.parametrize("damage", [cut_image, remove_image, resize_label])
@pytest.mark.parametrize("use", ["fit", "statistics"])
def test_damaged_frame(tmp_path, damage, use):
    frames = open_dataset(write_set(tmp_path / "set", size_hw=(64, 128))).frames("train")
    damage(frames[3])
    paddle.seed(0)
    net, started = TinyNet(), time.monotonic()
    with pytest.raises(CourseError, match=frames[3].stem) as caught:
        if use == "fit":
            training.fit(net, frames, TINY_RECIPE, seed=0, folder=tmp_path / "run", device="cpu")
        else:  # for fine-tuning, and for each point of the sensitivity curves
            pruning.refresh_statistics(net, frames, TINY_RECIPE, batches=5, desc="")
    assert time.monotonic() - started < SECONDS
    assert "\n" not in str(caught.value)


def test_damaged_frame_in_loader_processes(tmp_path):
    frames = open_dataset(write_set(tmp_path / "set", size_hw=(64, 128))).frames("train")
    cut_image(frames[3])
    with pytest.raises(CourseError, match=f"{frames[3].image}"):
        training.fit(TinyNet(), frames, TINY_RECIPE, seed=0, folder=tmp_path / "run", device="cpu", workers=2)


def test_second_training_in_one_folder_is_refused(tmp_path):
    frames = open_dataset(write_set(tmp_path / "set", size_hw=(64, 128))).frames("train")
    recipe, refused = replace(TINY_RECIPE, iterations=1), []

    def loss_fn(outputs, label):
        with pytest.raises(CourseError, match="Another run writes to .*run: wait for it or") as caught:
            training.fit(TinyNet(), frames, recipe, seed=0, folder=tmp_path / "run", device="cpu")
        refused.append(caught.value)
        return training.segmentation_loss(outputs, label, (1.0, 0.4))

    training.fit(TinyNet(), frames, recipe, seed=0, folder=tmp_path / "run", device="cpu", loss_fn=loss_fn)
    assert len(refused) == 1
    training.fit(TinyNet(), frames, recipe, seed=0, folder=tmp_path / "run", device="cpu")


def test_folder_that_cannot_be_written(tmp_path):
    """As root every folder is writable, so put a file where the folder should be."""
    frames = open_dataset(write_set(tmp_path / "set", size_hw=(64, 128))).frames("train")
    (tmp_path / "file").write_text("x")
    with pytest.raises(CourseError, match="file"):
        training.fit(TinyNet(), frames, TINY_RECIPE, seed=0, folder=tmp_path / "file" / "run", device="cpu")
