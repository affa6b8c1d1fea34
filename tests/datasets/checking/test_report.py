"""The report, its sheet and the command: text, JSON, exit codes."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import write_set

from helpers.common.errors import CourseError
from helpers.datasets.__main__ import main
from helpers.datasets.checking import KINDS, Finding, check
from helpers.datasets.checking.findings import SEVERITIES


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def has(image, colour):
    return bool((image == np.array(colour)).all(axis=2).any())


def test_miniscapes_has_no_findings(streets):
    assert check(streets, workers=1).findings == ()


def test_the_layout_of_cityscapes(tmp_path):
    """As downloaded, without the train ids that `prepare` creates."""
    write_set(tmp_path)
    for path in tmp_path.rglob("*_labelTrainIds.png"):
        path.unlink()
    report = check(tmp_path, workers=1)
    assert [each.kind for each in report.findings if each.severity == "error"] == ["missing-label"] * 7
    assert f"run `python -m helpers.cityscapes prepare {tmp_path}` to create" in str(report)


def test_worker_processes_find_the_same(leaves):
    leaves.frame("train").label.unlink()
    leaves.relabel(lambda label: label[:40], [leaves.frame("val")])
    one, two = check(leaves.root, workers=1), check(leaves.dataset, workers=2)
    assert one.findings == two.findings and one.classes.equals(two.classes) and one.splits.equals(two.splits)


def test_every_kind_has_a_severity_and_findings_sort_by_it():
    order = [SEVERITIES.index(severity) for severity, _ in KINDS.values()]
    assert order == sorted(order)
    assert Finding("tiny-regions", "text").severity == "note"


def test_the_command_prints_findings_by_kind(leaves, capsys):
    for frame in leaves.dataset.list_frames("train"):
        frame.label.unlink()
    assert main(["check", str(leaves.root), "--workers", "1"]) == 1
    text = capsys.readouterr().out
    assert "error: an image without a label [missing-label], 4 found" in text
    assert text.count("has no label") == 3 and "... and 1 more, use --all to print them" in text
    assert "Checked 9 frames of" in text and ": 4 errors, 0 warnings, 0 notes." in text
    assert main(["check", str(leaves.root), "--workers", "1", "--all"]) == 1
    assert capsys.readouterr().out.count("has no label") == 4


def test_exit_codes(leaves, capsys, tmp_path):
    command = ["check", str(leaves.root), "--workers", "1"]
    assert main(command) == 0
    leaves.frame("train", 3).image.unlink()  # a warning: its label has no image
    assert main(command) == 0 and main([*command, "--strict"]) == 1
    (leaves.root / "dataset.toml").write_text("name = ")
    assert main(command) == 2
    assert main(["check", str(tmp_path / "nowhere")]) == 2
    assert main([*command, "--sheet", "sheet.txt"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3 and "dataset.toml" in errors[0] and "No data at" in errors[1]
    assert errors[2] == "Expected a PNG file for --sheet, got sheet.txt: choose a name that ends in .png."


def test_json_and_sheet_are_written(leaves, tmp_path, capsys):
    leaves.frame("val").label.write_bytes(b"")
    files = [tmp_path / "new" / "report.json", tmp_path / "new" / "sheet.png"]
    command = ["check", str(leaves.root), "--workers", "1", "--json", str(files[0]), "--sheet", str(files[1])]
    assert main(command) == 1
    content = json.loads(files[0].read_text())
    assert content["ok"] is False and content["splits"]["test"]["ignored %"] is None
    assert content["classes"]["leaf"]["train frames %"] == 100
    assert content["findings"] == [
        {
            "kind": "empty-file",
            "severity": "error",
            "split": "val",
            "file": "labels/val/south/shot_0.png",
            "text": "is empty: copy or download it again",
        }
    ]
    with Image.open(files[1]) as sheet:
        assert sheet.format == "PNG" and sheet.size[0] > 1000
    (tmp_path / "file").write_text("")
    assert main([*command[:-1], str(tmp_path / "file" / "sheet.png")]) == 2
    assert "choose another" in capsys.readouterr().err


def test_the_table_of_findings(leaves):
    leaves.frame("val").label.unlink()
    (row,) = leaves.check().table.to_dict("records")
    assert (row["severity"], row["kind"], row["file"]) == ("error", "missing-label", "images/val/south/shot_0.png")
    assert leaves.check().count("error") == 1 and not leaves.check().ok


def test_a_notebook_shows_the_sheet_without_pyplot(leaves):
    assert leaves.check().sheet()._repr_png_().startswith(b"\x89PNG")


def test_the_sheet_marks_frames_with_findings_and_unknown_values(leaves):
    sound = pixels(leaves.check().sheet())
    assert not has(sound, (192, 0, 0)) and has(sound, leaves.dataset.classes.palette[2])  # the legend
    leaves.relabel(lambda label: np.where(np.arange(64) < 30, 99, label), [leaves.frame("val")])
    marked = leaves.check().sheet()
    assert has(pixels(marked), (192, 0, 0)) and has(pixels(marked), (255, 0, 255))
    titles = [ax.get_title() for ax in marked.axes]
    assert titles[0] == "val/south/shot_0\nunknown-value" and len(titles) == 9


def test_a_sheet_shows_one_frame_of_each_kind_first(leaves):
    frames = leaves.dataset.list_frames("train")
    for frame in frames[:3]:
        frame.label.unlink()
    leaves.relabel(lambda label: label[:40], frames[3:])
    titles = [ax.get_title() for ax in leaves.check().sheet(4).axes]
    assert [title.split("\n")[-1] for title in titles[:2]] == ["missing-label", "size-mismatch"]
    assert len([title for title in titles if title]) == 4


@pytest.mark.parametrize("frames", [1, 3, 50])
def test_a_sheet_of_any_number_of_frames(leaves, frames):
    figure = leaves.check().sheet(frames)
    assert len([ax for ax in figure.axes if ax.get_title()]) == min(frames, 9)
    with pytest.raises(CourseError, match="at least one frame"):
        leaves.check().sheet(0)


@pytest.mark.filterwarnings("error")
def test_a_sheet_of_damaged_files_odd_sizes_and_other_scripts(leaves):
    leaves.frame("train", 0).image.write_bytes(b"x")
    leaves.frame("train", 1).label.write_bytes(b"x")
    leaves.frame("train", 2).image.write_bytes(b"")
    leaves.frame("train", 2).label.write_bytes(b"")
    leaves.write(
        leaves.new_frame("val", "$叶$", "叶_^{"), np.zeros((200, 20, 3), np.uint8), np.zeros((200, 20), np.uint8)
    )
    leaves.describe(names=("$a$", "叶子", "b" * 80))
    assert pixels(leaves.check().sheet()).any()


def test_a_mistake_in_all_labels_marks_frames(leaves):
    leaves.relabel(lambda label: label + 1)
    titles = [ax.get_title() for ax in leaves.check().sheet(4).axes]
    assert titles[0].endswith("off-by-one")
