#!/usr/bin/env bash
# Train networks on one GPU, or on a CPU, all at the same time:
#   scripts/pretrain/side_by_side.sh FOLDER SECONDS [NAME ...]
# Trains each FOLDER/graphs/NAME.onnx (default: the three networks) for so many seconds. Draws FOLDER/data first if it
# is missing. Needs PyTorch, onnx and NumPy, and for drawing the packages of helpers.miniscapes; not Paddle.
# From the environment: PYTHON, the interpreter; FRAMES, the number of training frames; TRAIN_ARGS and DATA_ARGS, more
# arguments for train.py and data.py.
set -euo pipefail
folder=$(realpath "$1") seconds=$2
shift 2
[ $# -gt 0 ] || set -- hrnet_w18_small_v2 uhrnet_w18_small fastscnn
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}

if [ ! -f "$folder/data/train.npz" ]; then # written last
    # shellcheck disable=SC2086
    "$python" -m scripts.pretrain.data "$folder/data" --train "${FRAMES:-2400}" ${DATA_ARGS:-}
fi

jobs=()
for name; do
    # shellcheck disable=SC2086
    "$python" -m scripts.pretrain.train "$folder" "$name" --seconds "$seconds" ${TRAIN_ARGS:-} &
    jobs+=($!)
done
failed=0
for job in "${jobs[@]}"; do wait "$job" || failed=1; done
exit "$failed"
