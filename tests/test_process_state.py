"""The check that no file of tests leaves its process changed."""

import asyncio

from process_state import changes, process_state


def test_what_a_test_left_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_EXAMPLE", "before")
    before = process_state()
    assert changes(before, process_state()) == []
    monkeypatch.setenv("COURSE_EXAMPLE", "after")
    monkeypatch.setenv("COURSE_NEW", "set by an import")
    monkeypatch.chdir(tmp_path)
    left = changes(before, process_state())
    assert [each.split(":")[0] for each in left] == ["current directory", "variable COURSE_EXAMPLE"]


def test_running_event_loop_is_named():
    before = process_state()

    async def inside() -> list[str]:
        return changes(before, process_state())

    assert any(left.startswith("running event loop: None became") for left in asyncio.run(inside()))
