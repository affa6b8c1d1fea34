"""Set-up compiles all operators that training and labelling call."""

import subprocess
import sys

from helpers.common.files import PROJECT

CODE = """
import sys
import numba, numpy as np, paddle
from helpers import models, training
from helpers.cpu import compiling, confusion, cross_entropy, layers, pixels
from helpers.evaluation import confusion_matrix, scores

def compiled():
    modules = [confusion, cross_entropy, pixels]
    found = {(m.__name__, name): f for m in modules for name, f in vars(m).items() if hasattr(f, "nopython_signatures")}
    return {name: len(f.nopython_signatures) for name, f in found.items() if name[1] != "copy_line"}

compiling._call(list(compiling._OPERATORS))
before = compiled()
for name in ("fastscnn", "uhrnet_w18_small"):
    net = models.build(name, seed=0)
    with layers.fast_training(net):
        outputs = net(paddle.rand([2, 3, 64, 128]))
        label = paddle.zeros([2, 64, 128], "int64")
        training.segmentation_loss(outputs, label, [1.0, 0.4][: len(outputs)]).backward()
frames = np.zeros((2, 32, 64, 3), np.uint8)
workers = pixels.Workers(2)
x = pixels.network_input(frames, workers)
labels = pixels.labels_of(np.zeros((2, 19, 4, 8), np.float32), (32, 64), False, workers)
confusion_matrix(labels[0], labels[1], 19)
print([name for name, count in compiled().items() if count != before[name]])
"""


def test_nothing_is_left_to_compile():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr


def test_command():
    # Earlier tests have filled the cache; at set-up it is empty.
    command = [sys.executable, "-m", "helpers.cpu.compiling"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
