"""Files are written atomically."""

import pytest

from helpers.common.files import atomic_path, read_json, write_json


def test_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.png"
    with atomic_path(path) as temporary:
        temporary.write_text("complete")
        assert temporary.suffix == ".png"
        assert not path.exists()
    assert path.read_text() == "complete"
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_folder_is_renamed_at_the_end(tmp_path):
    with atomic_path(tmp_path / "set") as temporary:
        temporary.mkdir()
        (temporary / "x").write_text("1")
    assert (tmp_path / "set" / "x").read_text() == "1"


def test_json_round_trip_and_no_nan(tmp_path):
    write_json(tmp_path / "m.json", {"a": 1, "b": 0.1})
    assert read_json(tmp_path / "m.json") == {"a": 1, "b": 0.1}
    with pytest.raises(ValueError):
        write_json(tmp_path / "m.json", {"a": float("nan")})
    assert read_json(tmp_path / "m.json") == {"a": 1, "b": 0.1}
