#!/usr/bin/env bash
# Create or update the conda environment of environment.yml, for NVIDIA GPUs. It has not been run yet: it was written
# on a machine without conda and without a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v conda >/dev/null; then
    echo "Expected conda on the PATH, found none: install Miniforge, or use make setup, which needs no conda." >&2
    exit 2
fi
name=street-scenes
conda env update --name "$name" --file environment.yml --prune
# pip cannot resolve these three: PaddleSeg and PaddleSlim require versions of OpenCV that exclude each other.
conda run -n "$name" pip install --no-deps paddleseg==2.8.0 paddleslim==2.6.0 cityscapesscripts==2.3.0
conda run -n "$name" pip install --no-deps -e .
