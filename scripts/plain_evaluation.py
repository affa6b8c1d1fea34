"""The baseline of `make bench ONLY=eval`: a straightforward evaluation with Paddle, PaddleSeg and OpenCV.

Runs in its own process and imports nothing from this project, whose settings take effect before `import paddle`.
Usage: plain_evaluation.py WEIGHTS IMAGE LABEL [IMAGE LABEL ...]. For each line on standard input, evaluate all frames
once and print the seconds of each stage and the confusion matrix as one line of JSON.
"""

import json
import sys
import time

import cv2
import numpy as np
import paddle
from paddleseg.models import FastSCNN
from safetensors.numpy import load_file

CLASSES = 19


def main() -> None:
    """Evaluate once per line until standard input ends."""
    weights, *paths = sys.argv[1:]
    net = FastSCNN(CLASSES, enable_auxiliary_loss=True)
    net.set_state_dict(load_file(weights))
    net.eval()
    pairs = list(zip(paths[::2], paths[1::2], strict=True))
    for _ in sys.stdin:
        print(json.dumps(evaluate(net, pairs)), flush=True)


def evaluate(net, pairs) -> dict:
    """Decode, normalise, predict and count one frame after another; return seconds and confusion matrix."""
    matrix = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    seconds = dict.fromkeys(("read", "prepare", "network", "argmax", "score"), 0.0)
    started = last = time.perf_counter()

    def stage(name):
        nonlocal last
        now = time.perf_counter()
        seconds[name] += now - last
        last = now

    for image_path, label_path in pairs:
        image = cv2.cvtColor(cv2.imread(image_path), cv2.COLOR_BGR2RGB)
        label = cv2.imread(label_path, cv2.IMREAD_UNCHANGED)
        stage("read")
        x = (image.astype(np.float32) / 255 - 0.5) / 0.5
        x = paddle.to_tensor(np.ascontiguousarray(x.transpose(2, 0, 1)[None]))
        stage("prepare")
        with paddle.no_grad():
            logits = net(x)[0]
        stage("network")
        prediction = paddle.argmax(logits, axis=1)[0].numpy()
        stage("argmax")
        counted = label != 255
        pairs_of_classes = CLASSES * label[counted].astype(np.int64) + prediction[counted]
        matrix += np.bincount(pairs_of_classes, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
        stage("score")
    return {"seconds": {**seconds, "total": time.perf_counter() - started}, "matrix": matrix.tolist()}


if __name__ == "__main__":
    main()
