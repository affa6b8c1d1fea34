"""Build the site of the course from the executed notebooks.

python -m scripts.site --profile smoke
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from helpers.common.command_line import exit_code
from helpers.common.files import PROJECT
from helpers.notebook import output_folder
from helpers.profiles import load_profile
from scripts.site.build import build


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 success, 2 a mistake of the user, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m scripts.site", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="mini", help="profile of the run (default: %(default)s)")
    parser.add_argument("--output-dir", default="", help="folder of the executed notebooks; default: outputs/<profile>")
    return exit_code(lambda: _run(parser.parse_args(arguments)), "Interrupted: an earlier site is unchanged.")


def _run(options: argparse.Namespace) -> None:
    profile = load_profile(options.profile)
    outputs = Path(options.output_dir).expanduser().resolve() if options.output_dir else output_folder(profile, None)
    site = build(outputs, profile)
    shown = site.relative_to(PROJECT) if site.is_relative_to(PROJECT) else site
    folder = shlex.quote(str(shown))
    print(f"{shown} is ready: run `python3 -m http.server --directory {folder}` and open http://localhost:8000")


if __name__ == "__main__":
    sys.exit(main())
