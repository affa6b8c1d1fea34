"""The command that prints statistics, for Cityscapes and for other classes."""

import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import write_set

from helpers.cityscapes import __main__ as cityscapes
from helpers.common.files import read_json
from helpers.datasets import Classes, Dataset
from helpers.datasets import __main__ as command
from helpers.datasets.statistics import Statistics


@pytest.mark.parametrize("main", [command.main, cityscapes.main])
def test_layout_of_cityscapes(tmp_path, capsys, main):
    root, target = write_set(tmp_path / "set"), tmp_path / "out.json"
    assert main(["statistics", str(root), "--json", str(target), "--cache", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Total: 7 frames" in out and "road" in out and "train/aachen" in out and "instances/frame" in out
    assert Statistics.from_json(read_json(target)).frames == 7
    assert main(["statistics", str(tmp_path / "nowhere")]) == 2
    assert "No data at" in capsys.readouterr().err


def test_other_classes_by_hand(tmp_path, capsys):
    classes = Classes(("soil", "行人"), ((90, 60, 30), (0, 200, 0)), values=(3, 1), ignored=(0,))
    Dataset(tmp_path, "leaves", classes, "{split}/{stem}.*", "{split}/{stem}_label.png").save()
    (tmp_path / "train").mkdir()
    Image.fromarray(np.uint8([[3, 3, 3, 1], [0, 0, 0, 0]])).save(tmp_path / "train/a_label.png")
    Image.new("RGB", (4, 2), (255, 0, 51)).save(tmp_path / "train/a.png")
    assert command.main(["statistics", str(tmp_path), "--no-cache", "--workers", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[2:4]] == [["soil", "75", "100"], ["行人", "25", "100"]]
    assert "Ignored pixels: 50.0%" in lines and "RGB mean: 1.0000, 0.0000, 0.2000" in lines
    assert "Frames per size: 4 x 2 (1)" in lines and not any("instances" in line for line in lines)
    assert command.main(["statistics", str(tmp_path), "--split", "val"]) == 2
    assert "No val frames" in capsys.readouterr().err
