"""Files of weights: what travels with them, and one sentence for each kind of damage."""

import pickle

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save
from tiny_network import TinyNet

from helpers import models
from helpers.common.errors import CourseError
from helpers.datasets import Classes
from helpers.models import weight_files
from helpers.models.weight_files import Saved

paddle.set_device("cpu")
LEAVES = Classes(("leaf", "spot", "soil"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
STATE = {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.ones(2, np.int64)}
FILE = save(STATE, {"num_classes": "3", "classes": '["leaf", "spot", "soil"]'})


def values(net):
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


def test_saved_weights_are_safetensors_and_carry_their_classes(tmp_path):
    path = tmp_path / models.WEIGHTS
    net = TinyNet(3)
    models.save_weights(net, path, LEAVES)
    assert path.suffix == ".safetensors" and load_file(path).keys() == net.state_dict().keys()
    saved = weight_files.read(path)
    assert (saved.num_classes, saved.class_names) == (3, LEAVES.names)
    loaded = models.load_weights(TinyNet(3), path, LEAVES)
    assert not loaded.training and (loaded.num_classes, loaded.class_names) == (3, LEAVES.names)
    for name, array in values(loaded).items():
        np.testing.assert_array_equal(array, values(net)[name])
    models.save_weights(loaded, tmp_path / "again.safetensors")  # the classes of the file that it was loaded from
    assert weight_files.read(tmp_path / "again.safetensors").class_names == LEAVES.names


def test_same_weights_are_the_same_bytes(tmp_path):
    """The library writes metadata in random order."""
    saved = Saved(STATE, 3, ("leaf", 'sp"ot', "sèche"))
    files = {}
    for number in range(8):
        path = tmp_path / f"{number}.safetensors"
        weight_files.write(path, saved)
        files[path.read_bytes()] = path
    ((data, path),) = files.items()
    assert int.from_bytes(data[:8], "little") % 8 == 0
    again = weight_files.read(path)
    assert (again.num_classes, again.class_names) == (3, saved.class_names)
    assert all(np.array_equal(again.state[name], array) for name, array in STATE.items())


def test_weights_of_another_data_set_are_a_sentence(tmp_path):
    path = tmp_path / models.WEIGHTS
    streets = Classes(("sky", "building", "pole", "road"), tuple((i, i, i) for i in range(4)))
    models.save_weights(TinyNet(4), path, streets)
    net = TinyNet(3)
    before = values(net)
    with pytest.raises(CourseError) as caught:
        models.load_weights(net, path, LEAVES)
    assert str(caught.value) == (
        f"{path} was trained for 4 classes (sky, building, pole, ...), this data set has 3 classes (leaf, spot, soil): "
        "use weights of this data set, or train the network on it."
    )
    with pytest.raises(CourseError, match=r"for 4 classes \(sky, building, pole, \.\.\.\), this network is for 3: use"):
        models.load_weights(net, path)
    assert all(np.array_equal(values(net)[name], before[name]) for name in before)
    # As many classes with other names.
    others = Classes(("a", "b", "c", "d"), streets.colours)
    with pytest.raises(CourseError, match=r"\(sky, building, pole, \.\.\.\), this data set has 4 classes \(a, b, c"):
        models.load_weights(TinyNet(4), path, others)


def test_a_new_classifier_keeps_its_weights_and_the_rest_is_loaded(tmp_path):
    path, donor, net = tmp_path / models.WEIGHTS, TinyNet(4), TinyNet(3)
    models.save_weights(donor, path, None)
    before = values(net)
    models.load_weights(net, path, LEAVES, new_classifier=True)
    after, loaded = values(net), values(donor)
    for name in after:
        kept = name.startswith(("head", "auxlayer"))
        np.testing.assert_array_equal(after[name], before[name] if kept else loaded[name], name)
    assert getattr(net, "class_names", ()) == ()


def test_the_recorded_number_decides_which_tensors_are_classifiers(tmp_path):
    """Four channels of the body are not four classes."""
    path = tmp_path / "other.safetensors"
    state = values(TinyNet(3))
    state["body.1.weight"] = np.ones(4, np.float32)
    weight_files.write(path, Saved(state, 3))
    with pytest.raises(CourseError, match="another network: 1 of .* tensors differ, the first is body.1.weight"):
        models.load_weights(TinyNet(3), path, new_classifier=True)


def test_differing_tensors_are_counted_once(tmp_path):
    path = tmp_path / "other.safetensors"
    models.save_weights(models.build("hrnet_w18_small_v1"), path)
    net = models.build("fastscnn")
    names = net.state_dict().keys() | models.build("hrnet_w18_small_v1").state_dict().keys()
    with pytest.raises(CourseError, match=f"another network: {len(names)} of {len(names)} tensors differ"):
        models.load_weights(net, path)


@pytest.mark.parametrize("name", ["model.safetensors", "model.pdparams"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: "),
        (FILE[:5], "is cut off or not a"),
        (FILE[:-7], "is cut off or not a safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "is a Git-LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html><body>404", "is a web page, not weights: the download failed"),
        (pickle.dumps([np.ones(3)]), "holds a list, expected a dict"),
        (pickle.dumps({"a": np.ones(3)})[:-9], "is cut off or not a .pdparams file"),
        (save({"x": np.ones(3)}), "holds the weights of another network: 11 of 11 tensors differ"),
        (save({"x": np.ones(3)}).replace(b"F64", b"X64"), "is cut off or not a safetensors file"),
        (b"weights", "is cut off or not a"),
    ],
    ids=["empty", "start", "cut", "lfs", "page", "list", "cut pickle", "another network", "type", "text"],
)
def test_damaged_files_are_one_sentence_each(tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CourseError, match=sentence) as caught:
        models.load_weights(TinyNet(), path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_folder_and_a_missing_file(tmp_path):
    with pytest.raises(CourseError, match=f"Expected a file of weights, got the folder {tmp_path}"):
        models.load_weights(TinyNet(), tmp_path)
    with pytest.raises(CourseError, match="There are no weights at .*x.safetensors: train the network first"):
        models.load_weights(TinyNet(), tmp_path / "x.safetensors")


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, len(FILE) - 1), value=st.integers(0, 255), cut=st.booleans())
def test_a_changed_or_cut_file_is_arrays_or_a_sentence(tmp_path_factory, position, value, cut):
    path = tmp_path_factory.mktemp("fuzz") / "x.safetensors"
    path.write_bytes(FILE[:position] if cut else FILE[:position] + bytes([value]) + FILE[position + 1 :])
    try:
        saved = weight_files.read(path)
    except CourseError as error:
        assert str(path) in str(error)
        return
    assert not cut and all(isinstance(array, np.ndarray) for array in saved.state.values())
    assert len(saved.class_names) in (0, saved.num_classes)


@pytest.mark.parametrize(
    "metadata", [{"num_classes": "-1"}, {"num_classes": "x"}, {"classes": "[1"}, {"classes": "{}"}]
)
def test_metadata_of_other_programs_is_ignored(tmp_path, metadata):
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(STATE, metadata))
    assert weight_files.read(path).class_names == ()
