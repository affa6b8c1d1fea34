"""The estimate of a training step's memory against the memory that a process really took."""

import copy
import subprocess
import sys

import numpy as np
import paddle
import pytest

from helpers import models
from helpers.models.memory import training_memory

paddle.set_device("cpu")
# Peak memory of a process that trains one step, minus its memory before.
STEP = """
import sys
import helpers, paddle
import paddle.nn.functional as F
from helpers import models
def status(key):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(key))
paddle.set_device("cpu")
start = status("VmRSS")
net = models.build(sys.argv[1], 5)
net.train()
optimiser = paddle.optimizer.Adam(parameters=net.parameters())
image = paddle.rand([2, 3, 256, 384])
label = paddle.zeros([2, 256, 384], "int64")
loss = sum(F.cross_entropy(output, label, axis=1) for output in net(image))
loss.backward()
optimiser.step()
print(status("VmHWM") - start)
"""


@pytest.mark.parametrize("name", ["fastscnn", "uhrnet_w18_small"])
def test_within_a_factor_of_what_a_step_takes(name):
    done = subprocess.run([sys.executable, "-c", STEP, name], capture_output=True, text=True, timeout=100, check=True)
    measured = int(done.stdout.split()[-1])
    assert 0.5 * measured < training_memory(name, (256, 384), 2, 5) < 1.5 * measured


def test_grows_with_the_padded_pixels_and_leaves_the_network_alone():
    net = models.build("fastscnn", 5, seed=0)
    net.eval()
    before = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
    small, large, odd = (
        training_memory(net, hw, batch) for hw, batch in (((64, 64), 1), ((64, 128), 2), ((50, 33), 1))
    )
    fixed = training_memory(net, (0, 0), 1)
    assert large - fixed == pytest.approx(4 * (small - fixed), rel=1e-6) and odd == small
    parameters = sum(p.size for p in net.parameters() if not p.stop_gradient)
    assert fixed == 4 * (3 * parameters + sum(tensor.size for tensor in net.state_dict().values()))
    assert not net.training and all(np.array_equal(net.state_dict()[name].numpy(), before[name]) for name in before)
    assert copy.deepcopy(net).num_classes == 5
