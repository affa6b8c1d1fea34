"""Fine-tuning: rewound schedules, distillation by hand, batch norm statistics."""

import copy
from dataclasses import replace

import numpy as np
import paddle
import pytest
from paddle import nn
from tiny_cityscapes import write_set

from helpers import training
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset
from helpers.models import build
from helpers.profiles import load_profile
from helpers.pruning import distilled, prune, refresh_statistics, rewound


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return open_dataset(write_set(tmp_path_factory.mktemp("tiny") / "set")).frames("train")


@pytest.fixture
def recipe():
    return replace(load_profile("smoke").finetune, crop_hw=(32, 64), iterations=2, class_balance=0.0)


def test_rewound_schedule_is_the_end_of_the_original():
    recipe = replace(load_profile("cityscapes").fastscnn, iterations=100, warmup=10)
    end = rewound(recipe, 30)
    for iteration in range(30):
        assert training.learning_rate(end, iteration) == pytest.approx(training.learning_rate(recipe, 70 + iteration))
    with pytest.raises(CourseError, match="has 90 after its warm-up"):
        rewound(recipe, 91)


def test_distillation_loss_by_hand(frames, recipe):
    """Constant logits: the loss is the cross-entropy of two known softmaxes."""

    class Constant(nn.Layer):
        def __init__(self, logits):
            super().__init__()
            self.logits = self.create_parameter([1, 19, 1, 1])
            self.logits.set_value(np.float32([*logits, *[-50] * 17]).reshape(1, 19, 1, 1))

        def forward(self, x):
            return [self.logits.expand([x.shape[0], 19, *x.shape[2:]])]

    teacher, student = Constant([np.log(0.75), np.log(0.25)]), Constant([0.0, 0.0])
    image, label = paddle.zeros([1, 3, 16, 16]), paddle.zeros([1, 16, 16], "int64")
    recipe = replace(recipe, aux_weights=(1.0,))
    with distilled(student, teacher, frames, recipe, share=1.0) as loss_fn:
        assert loss_fn(student(image), label).item() == pytest.approx(np.log(2), abs=1e-5)
    with distilled(student, teacher, frames, recipe, share=0.25) as loss_fn:
        assert loss_fn(student(image), label).item() == pytest.approx(np.log(2), abs=1e-5)  # both terms are ln 2
    with distilled(student, student, frames, recipe, share=1.0, temperature=2.0) as loss_fn:
        assert loss_fn(student(image), label).item() == pytest.approx(4 * np.log(2), abs=1e-4)  # entropy times 2 ** 2
    assert not student._forward_pre_hooks


def test_distillation_trains_the_student_only(frames, recipe, tmp_path):
    net = build("fastscnn", seed=1)
    pruned, _ = prune(net, 0.5, (64, 128))
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    start = pruned.classifier.conv.weight.numpy().copy()
    with distilled(pruned, net, frames, recipe) as loss_fn:
        history = training.fit(pruned, frames, recipe, seed=0, folder=tmp_path, device="cpu", loss_fn=loss_fn)
    assert len(history.loss) == 2 and np.isfinite(history.loss).all()
    assert np.abs(pruned.classifier.conv.weight.numpy() - start).max() > 0
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_outside_0_to_1(frames, recipe, share):
    net = build("fastscnn")
    with pytest.raises(CourseError, match="between 0 and 1"), distilled(net, net, frames, recipe, share=share):
        pass


def test_refreshed_statistics_are_those_of_the_crops(frames, recipe):
    class Identity(nn.Layer):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2D(3)

        def forward(self, x):
            seen.append(x.numpy())
            return [self.norm(x)]

    seen, net = [], Identity()
    net.eval()
    weight = net.norm.weight.numpy().copy()
    refresh_statistics(net, frames, recipe, batches=2)
    mean = np.mean([batch.mean(axis=(0, 2, 3)) for batch in seen], axis=0)
    variance = np.mean([batch.var(axis=(0, 2, 3)) for batch in seen], axis=0)
    np.testing.assert_allclose(net.norm._mean.numpy(), mean, atol=1e-5)
    np.testing.assert_allclose(net.norm._variance.numpy(), variance, rtol=1e-2)
    assert not net.training and net.norm._momentum == 0.9 and len(seen) == 2
    np.testing.assert_array_equal(net.norm.weight.numpy(), weight)


def test_hook_is_on_the_student_only(frames, recipe):
    net = build("fastscnn")
    other = copy.deepcopy(net)
    before = [len(each._forward_pre_hooks) for each in (net, other)]
    with distilled(other, net, frames, recipe):
        assert [len(each._forward_pre_hooks) for each in (net, other)] == [before[0], before[1] + 1]
    assert [len(each._forward_pre_hooks) for each in (net, other)] == before


def test_distillation_at_a_size_that_is_padded(frames, recipe):
    teacher, student = build("fastscnn", seed=1), build("fastscnn", seed=2)
    student.eval()
    image = paddle.to_tensor(np.random.default_rng(0).normal(size=(1, 3, 50, 70)).astype("float32"))
    with distilled(student, teacher, frames, recipe, share=1.0) as loss_fn, paddle.no_grad():
        loss = loss_fn(student(image), paddle.zeros([1, 50, 70], "int64")).item()
        target, own = (net(image)[0][:, :, 4::8, 4::8] for net in (teacher, student))
    target, own = nn.functional.softmax(target, axis=1), nn.functional.log_softmax(own, axis=1)
    assert loss == pytest.approx(-(target * own).sum(axis=1).mean().item(), rel=1e-4)
