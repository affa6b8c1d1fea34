"""Whatever holds a network predicts by one call."""

import numpy as np
import paddle
import pytest

from helpers import deployment, evaluation, models
from helpers.common.errors import CourseError
from helpers.evaluation import opening

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def net():
    return models.build("fastscnn", seed=0)


def test_predict_is_the_argmax_and_leaves_the_mode(net):
    net.train()
    train_ids = evaluation.predict(net, IMAGE)
    assert net.training
    assert train_ids.shape == (64, 64) and train_ids.dtype == np.uint8
    net.eval()
    tensor = paddle.to_tensor(((IMAGE / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].astype("float32"))
    np.testing.assert_array_equal(train_ids, net(tensor)[0].numpy()[0].argmax(axis=0))


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_predict_wants_rgb(net, image):
    with pytest.raises(CourseError, match="RGB"):
        evaluation.predict(net, image)


def test_all_ways_to_name_a_network_give_the_same_labels(net, tmp_path):
    weights = tmp_path / "fastscnn" / models.WEIGHTS
    models.save_weights(net, weights)
    folder = deployment.export(net, tmp_path / "exported", network="fastscnn", graph="logits")
    expected = evaluation.predict(net, IMAGE)
    for source, more in [
        (net, {}),
        ("fastscnn", {"weights": weights}),
        (weights, {}),
        (str(weights), {}),
        (weights.parent, {}),
        (lambda image: evaluation.predict(net, image), {}),
        (evaluation.open_network(net), {}),
    ]:
        np.testing.assert_array_equal(evaluation.open_network(source, **more)(IMAGE), expected)
    exported = evaluation.open_network(folder)(IMAGE)  # by another engine: equal but for rounding
    assert (exported == expected).mean() > 0.99
    views = evaluation.Views(flip=True)
    flipped = evaluation.open_network(folder, views=views)(IMAGE)
    assert (flipped == evaluation.predict(net, IMAGE, views)).mean() > 0.99
    with pytest.raises(CourseError, match="There is no engine"):
        evaluation.open_network(folder, engine="steam")


def test_a_pruned_network_is_opened_by_its_folder(tmp_path, monkeypatch, net):
    (tmp_path / "plan.json").write_text("{}")
    monkeypatch.setattr(opening, "load_pruned", lambda folder: net if folder == tmp_path else None)
    assert evaluation.open_network(tmp_path).net is net


def test_shipped_weights_are_opened_by_name():
    for source, more in [("fastscnn", {"pretrained": "miniscapes"}), ("fastscnn_pruned_73", {})]:
        expected = evaluation.predict(models.load_shipped(source), IMAGE)
        np.testing.assert_array_equal(evaluation.open_network(source, **more)(IMAGE), expected)


def test_what_is_not_a_network(net, tmp_path):
    file = tmp_path / "somewhere" / "model.pdparams"
    models.save_weights(net, file)
    (tmp_path / "empty").mkdir()
    for source, more, sentence in [
        ("fastscn", {}, "neither a network nor a file 'fastscn': did you mean fastscnn"),
        ("outputs/nowhere", {}, "neither a network nor a file 'outputs/nowhere': give a file of weights"),
        ("fastscnn", {}, "without weights"),
        ("hrnet_w18_small_v1", {"weights": file}, "another network"),
        (file, {}, "not named after a network"),
        ("fastscnn", {"weights": file, "pretrained": "miniscapes"}, "two kinds of weights"),
        ("fastscnn_pruned_51", {"pretrained": "cityscapes"}, "has one set of weights"),
        ("fastscnn_pruned_15", {}, "did you mean fastscnn_pruned_51"),
        ("fastscnn", {"pretrained": "imagenet"}, "for its backbone only"),
        (file, {"pretrained": "miniscapes"}, "drop `pretrained`"),
        (net, {"weights": file}, "drop `weights`"),
        (tmp_path / "empty", {}, "deploy.yaml"),
        (7, {}, "cannot predict"),
        (lambda image: image, {"views": evaluation.Views(flip=True)}, "give the network itself"),
        (file, {"engine": "paddle"}, "export it first"),
    ]:
        with pytest.raises(CourseError, match=sentence):
            evaluation.open_network(source, **more)
