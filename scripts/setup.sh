#!/usr/bin/env bash
# Make the virtual environment .venv from requirements.lock. `make` calls this when the lock is newer than the stamp
# .venv/.ready, which is written last: an environment without it was interrupted and is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."
lock=$(cksum <requirements.lock)

# Only the dates of the files have changed, as after a fresh checkout.
if [ -f .venv/.ready ] && [ "$(cat .venv/.ready)" = "$lock" ] && .venv/bin/python -c "" 2>/dev/null; then
    touch .venv/.ready
    exit 0
fi

python=$(scripts/find_python.sh "${PYTHON:-}")
total=$(grep -c '^[a-z].*==' requirements.lock)
echo "Making the environment in .venv with $("$python" --version): once, two to four minutes, 2 GB."
rm -rf .venv
"$python" -m venv .venv

# No dependency resolution: PaddleSeg's and PaddleSlim's opencv pins exclude each other. Wheels only: nothing compiles.
.venv/bin/python -m pip install --disable-pip-version-check --no-input --no-deps --require-hashes --only-binary :all: \
    --no-compile --requirement requirements.lock --log .venv/install.log 2>.venv/install.err |
    awk -v total="$total" '
        /^(Collecting|Processing) / { n++; if (n % 20 == 0) { print "  " n " of about " total " packages found"; fflush() } }
        /^Installing / { print "  installing"; fflush() }' || {
    grep -E '^ *ERROR' .venv/install.err >&2 || tail -n 3 .venv/install.err >&2
    echo "The packages could not be installed: check the network and the disk; the whole log is .venv/install.log." >&2
    exit 1
}

# pip would compile on one core. What some packages keep for other Pythons does not compile, and need not.
.venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true

# `import helpers` in every kernel, from this folder: relative, so that the folder can be moved.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "../../../.." >"$site/street_scene_course.pth"

.venv/bin/python -c 'import helpers, paddle' 2>.venv/install.err || {
    tail -n 1 .venv/install.err >&2
    echo "Paddle is installed and does not start: it needs libgomp (Debian, Ubuntu: apt-get install libgomp1)." >&2
    exit 1
}
.venv/bin/python -m helpers.cpu.compiling
echo "$lock" >.venv/.ready
echo "The environment is ready."
