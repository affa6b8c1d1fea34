"""Test-time augmentation: by hand for networks that are plain arithmetic, and against PaddleSeg."""

import numpy as np
import paddle
import pytest
from paddleseg.core.infer import aug_inference

from helpers import evaluation, models
from helpers.common.errors import CourseError
from helpers.datasets import normalise
from helpers.evaluation import Views
from helpers.evaluation.views import window_spans

IMAGE = np.random.default_rng(0).normal(size=(1, 3, 48, 80)).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    net = models.build("hrnet_w18_small_v1", seed=0)
    net.eval()
    return net


@pytest.mark.parametrize(
    ("views", "paddleseg"),
    [
        (Views(), {}),
        (Views(flip=True), {"flip_horizontal": True}),
        (Views(scales=(0.5, 1.0, 1.25), flip=True), {"scales": [0.5, 1.0, 1.25], "flip_horizontal": True}),
        (
            Views(window_hw=(32, 48), stride_hw=(16, 32)),
            {"is_slide": True, "crop_size": (48, 32), "stride": (32, 16)},
        ),
    ],
    ids=["whole", "flip", "scales and flip", "windows"],
)
def test_equals_paddleseg(net, views, paddleseg):
    with paddle.no_grad():
        tensor = paddle.to_tensor(IMAGE)
        _, expected = aug_inference(net, tensor, [], **{"scales": 1.0, **paddleseg})
        got = views.logits(lambda part: net(part)[0], tensor)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-4)


def test_flip_of_a_network_that_returns_the_column():
    """The logit is the index of the column, x; averaged with its mirror image, 3 - x, it is 1.5."""
    columns = paddle.arange(4, dtype="float32").reshape([1, 1, 1, 4])
    image = paddle.zeros([1, 3, 2, 4])
    logits = Views(flip=True).logits(lambda part: columns.expand([1, 1, 2, 4]), image)
    np.testing.assert_allclose(logits.numpy(), 1.5)


def test_windows_end_at_the_border_and_cover_every_pixel():
    assert window_spans(10, 4, 3) == [(0, 4), (3, 7), (6, 10)]
    assert window_spans(11, 4, 3) == [(0, 4), (3, 7), (6, 10), (7, 11)]
    assert window_spans(4, 4, 2) == [(0, 4)] and window_spans(3, 4, 2) == [(0, 3)]


def test_overlapping_windows_are_averaged():
    """Each window returns its index, and an overlap the mean of two."""
    count = iter(range(1, 10))
    image = paddle.zeros([1, 3, 2, 6])
    views = Views(window_hw=(2, 4), stride_hw=(2, 2))
    logits = views.logits(lambda part: paddle.full([1, 1, *part.shape[2:]], float(next(count))), image)
    np.testing.assert_allclose(logits.numpy()[0, 0, 0], [1, 1, 1.5, 1.5, 2, 2])


@pytest.mark.parametrize(
    "views",
    [
        Views(),
        Views(flip=True),
        Views(scales=(0.37, 1.0, 1.61), flip=True),
        Views(window_hw=(31, 40)),
        Views(window_hw=(200, 40), stride_hw=(200, 17)),
    ],
    ids=["whole", "flip", "scales", "windows", "windows higher than the frame"],
)
@pytest.mark.parametrize("size", [(45, 61), (7, 130)])
def test_sizes_that_the_stride_does_not_divide(net, views, size):
    """Every view is padded on its own, as the network does it."""
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    labels = evaluation.predict(net, image, views)
    with paddle.no_grad():
        logits = views.logits(lambda part: net(part)[0], paddle.to_tensor(normalise(image)[np.newaxis]))
    assert logits.shape == [1, 19, *size]
    assert (labels == logits.numpy()[0].argmax(axis=0)).mean() > 0.999


def test_predict_takes_views(net):
    image = np.random.default_rng(1).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    labels = evaluation.predict(net, image, Views(scales=(0.5, 1.0), flip=True))
    assert labels.shape == (32, 64) and labels.dtype == np.uint8
    assert Views().plain and not Views(flip=True).plain
    assert Views(scales=(0.5, 1.0), flip=True).passes == 2.5


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"scales": ()}, "at least one scale"),
        ({"scales": (0.5, -1.0)}, "positive"),
        ({"scales": (float("nan"),)}, "positive"),
        ({"scales": (1.0, float("inf"))}, "positive"),
        ({"stride_hw": (2, 2)}, "needs a window"),
        ({"window_hw": (4, 4), "stride_hw": (5, 4)}, "leave pixels out"),
        ({"window_hw": (0, 4)}, "at least one pixel"),
    ],
)
def test_bad_views(wrong, sentence):
    with pytest.raises(CourseError, match=sentence):
        Views(**wrong)
