"""Plans and pruned networks are saved, loaded and applied; files that do not fit are one sentence."""

import copy
import json
import subprocess
import sys

import numpy as np
import paddle
import pytest
from pruned_networks import image, logits, two_convolutions

from helpers.common.errors import CourseError
from helpers.models import build, cost
from helpers.pruning import Analysis, Plan, apply_plan, load_pruned, save_pruned


def test_plan_survives_saving(half, tmp_path):
    half[1].save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == half[1]


OTHER_PROCESS = """
import sys, helpers, numpy as np, paddle
from helpers.models import build
from helpers.pruning import load_pruned
build("hrnet_w18_small_v1")  # advances Paddle's counters, so that names differ from the other process
net = load_pruned(sys.argv[1])
assert net.learning_to_downsample.conv_bn_relu._conv.weight.name != "conv2d_0.w_0"
np.save(sys.argv[3], net(paddle.to_tensor(np.load(sys.argv[2])))[0].numpy())
"""


def test_pruned_weights_load_in_another_process(half, tmp_path):
    pruned, plan = half
    save_pruned(tmp_path / "pruned", pruned, plan)
    x = image(64, 96)
    np.save(tmp_path / "x.npy", x)
    paths = [str(tmp_path / name) for name in ("pruned", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, *paths], check=True)
    expected = logits(pruned, x)
    np.testing.assert_allclose(np.load(paths[2]), expected, atol=1e-5 * np.abs(expected).max())


def test_plan_for_another_network(half):
    pruned, plan = half
    with pytest.raises(CourseError, match=r"plan is for a fastscnn .* no such tensor"):
        apply_plan(two_convolutions(), plan)
    with pytest.raises(CourseError, match=r"32 channels on axis 0 .* here it has"):
        apply_plan(copy.deepcopy(pruned), plan)


def test_plans_and_pruned_networks_have_any_number_of_classes_and_any_size(tmp_path):
    plan = Analysis(build("fastscnn", 3, seed=1), (60, 100)).plan(0.5)
    pruned = apply_plan(build("fastscnn", 11, seed=1), plan)  # a plan of another number of classes
    assert plan.size_hw == (60, 100) and plan.macs_before == cost(build("fastscnn", 3), (64, 128)).macs
    save_pruned(tmp_path, pruned, plan)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.json", "pruned.safetensors"]
    loaded = load_pruned(tmp_path)
    assert loaded.num_classes == 11
    pruned.eval()
    x = paddle.to_tensor(image(50, 70))
    assert loaded(x)[0].shape == [1, 11, 50, 70]
    np.testing.assert_array_equal(loaded(x)[0].numpy(), pruned(x)[0].numpy())


def test_missing_files_and_files_that_are_not_plans(half, tmp_path):
    pruned, plan = half
    with pytest.raises(CourseError, match="no pruning plan at"):
        load_pruned(tmp_path)
    for content in ("{", "[]", json.dumps({"format": 1}), json.dumps({"format": 99})):
        (tmp_path / "plan.json").write_text(content)
        with pytest.raises(CourseError, match="is not a pruning plan"):
            load_pruned(tmp_path)
    plan.save(tmp_path / "plan.json")
    with pytest.raises(CourseError, match="no weights at"):
        load_pruned(tmp_path)
    save_pruned(tmp_path, build("fastscnn"), plan)
    with pytest.raises(CourseError, match="weights of another network"):
        load_pruned(tmp_path)
