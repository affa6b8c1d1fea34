#!/usr/bin/env bash
# Write requirements.lock from pyproject.toml: every package, with hashes, for Linux x86-64 and Python 3.10 to 3.12.
# Pins that still fit are kept; `make lock UPGRADE=1` takes the newest versions instead.
# uv comes from pip into a folder that is thrown away, so the lock needs nothing but Python to be made again.
set -euo pipefail
cd "$(dirname "$0")/.."
uv_version=0.13.9
python=$(scripts/find_python.sh "${PYTHON:-}")

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools/venv"
"$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version"

cp requirements.lock "$tools/requirements.lock" 2>/dev/null || true
"$tools/venv/bin/uv" pip compile pyproject.toml --group dev --extra engines --universal --python-version 3.10 \
    --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" --quiet ${UPGRADE:+--upgrade} \
    --output-file "$tools/requirements.lock"
mv "$tools/requirements.lock" requirements.lock
echo "requirements.lock is written; \`make test\` shows whether the course runs with it."
