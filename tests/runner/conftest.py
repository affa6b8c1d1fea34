"""Keep the toy runs of these tests out of the CI job that runs them: its summary, and what it does on SIGTERM."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def no_summary_of_github(monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture(autouse=True)
def own_handler_of_sigterm():
    """The command line handles SIGTERM for the rest of its process, which here is that of all tests."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
