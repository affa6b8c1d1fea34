"""The settings that `import helpers` applies, as new processes see them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers.common import runtime

PROJECT = Path(__file__).parents[2]

SHOW = "import helpers, os, json; print(json.dumps({k: os.environ.get(k) for k in %r}))"


def fresh_environment(names, **extra):
    env = {key: value for key, value in os.environ.items() if key not in names}
    out = subprocess.run(
        [sys.executable, "-c", SHOW % (names,)], env={**env, **extra}, capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


def test_import_sets_the_environment():
    assert fresh_environment(list(runtime.settings())) == runtime.settings()


def test_variables_of_the_user_are_kept():
    seen = fresh_environment(["OMP_NUM_THREADS"], OMP_NUM_THREADS="1")
    assert seen == {"OMP_NUM_THREADS": "1"}


def test_processes_share_the_cores(monkeypatch):
    monkeypatch.setattr(runtime, "usable_cores", lambda: 8)
    monkeypatch.setenv("PADDLE_LOCAL_SIZE", "4")
    assert runtime.settings()["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("PADDLE_LOCAL_SIZE", "16")
    assert runtime.settings()["OMP_NUM_THREADS"] == "1"


def test_amd_setting_only_on_amd(monkeypatch):
    monkeypatch.setattr(runtime, "_cpu_vendor", lambda: "AuthenticAMD")
    assert runtime.settings()["MKL_DEBUG_CPU_TYPE"] == "5"
    monkeypatch.setattr(runtime, "_cpu_vendor", lambda: "GenuineIntel")
    assert "MKL_DEBUG_CPU_TYPE" not in runtime.settings()


def test_import_does_not_load_paddle():
    code = "import helpers, helpers.cityscapes, helpers.profiles, helpers.plotting, helpers.miniscapes, sys; " + (
        "sys.exit('paddle' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_paddle_imports_silently():
    """Paddle's message about the thread count is dropped, but an import error is shown."""
    run = subprocess.run([sys.executable, "-c", "import helpers, paddle"], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    broken = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(PROJECT)!r}); import helpers, paddle"],
        capture_output=True,
        text=True,
    )
    assert "No module named 'paddle'" in broken.stderr
