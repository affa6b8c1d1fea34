#!/usr/bin/env bash
# Print the Python that the environment is made with: the one named as argument, or the first that fits.
# When there is none, say in one sentence what was looked for and what to install, and end with 1.
set -u
[ -n "${1:-}" ] || set -- python3.11 python3.12 python3.10 python3 python

fail() {
    echo "$*" >&2
    exit 1
}

# "3.11 linux x86_64", or nothing when it is no Python that starts
describe() {
    "$1" -c 'import platform, sys; print("%d.%d" % sys.version_info[:2], sys.platform, platform.machine())' 2>/dev/null
}

found=""
for candidate; do
    about=$(describe "$candidate") || continue
    version=${about%% *}
    case "$version" in
        3.10 | 3.11 | 3.12) ;;
        *)
            found="$found${found:+, }$candidate is $version"
            continue
            ;;
    esac
    [ "${about#* }" = "linux x86_64" ] ||
        fail "The locked packages are for Linux on x86-64 and $candidate runs on ${about#* }: use a Linux machine or container."
    "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        fail "$candidate cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python$version-venv)."
    command -v "$candidate"
    exit 0
done
fail "The course needs Python 3.10, 3.11 or 3.12; looked for $* (${found:-none of these starts}):" \
    "install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv) or name one with make PYTHON=/path/to/python3.11."
