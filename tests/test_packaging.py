"""The package contains every file that the code reads or builds."""

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).resolve().parents[1]


def test_package_data_covers_every_tracked_file():
    if not (PROJECT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-C", str(PROJECT), "ls-files", "helpers"]
    tracked = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    data = [Path(path) for path in tracked if not path.endswith(".py")]
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["*"]
    assert {"CMakeLists.txt", "profiles.toml"} <= {path.name for path in data}
    assert [path for path in data if not any(fnmatch(path.name, pattern) for pattern in patterns)] == []
    # Files count as data only next to the modules of a package.
    assert [path for path in data if not (PROJECT / path.parent / "__init__.py").is_file()] == []
