"""State dicts are read as Paddle wrote them, and no pickled function ever runs."""

import collections
import io
import os
import pickle
import pickletools

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import models
from helpers.common.errors import CourseError
from helpers.models import pickles


def saved(state: object, protocol: int = 4) -> bytes:
    content = io.BytesIO()
    paddle.save(state, content, protocol=protocol)
    return content.getvalue()


def read(content: bytes) -> dict[str, np.ndarray]:
    return pickles.read(io.BytesIO(content), "model.pdparams")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_network_saved_by_paddle(protocol, tmp_path):
    net = models.build("fastscnn", seed=0)
    path = tmp_path / "model.pdparams"
    paddle.save(net.state_dict(), str(path), protocol=protocol)
    state = pickles.load(path)
    assert state.keys() == net.state_dict().keys()
    for name, tensor in net.state_dict().items():
        assert state[name].dtype == np.float32
        np.testing.assert_array_equal(state[name], tensor.numpy(), err_msg=name)


ARRAYS = [
    np.arange(6, dtype=np.float64).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    np.array(3.5, np.float32),
    np.float32(2.5),
    np.zeros((0, 3), np.uint8),
    np.array([True, False]),
    np.arange(4, dtype=">f4"),
    np.arange(5, dtype=np.float16),
]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("container", [dict, collections.OrderedDict])
def test_arrays_of_every_kind(protocol, container):
    state = container((f"tensor{i}", array) for i, array in enumerate(ARRAYS))
    for (name, array), found in zip(state.items(), read(pickle.dumps(state, protocol)).values(), strict=True):
        assert (found.dtype, found.shape) == (array.dtype, array.shape), name
        np.testing.assert_array_equal(found, array)


def test_tensors_pickled_with_their_names():
    """How `paddle.save` writes tensors inside other containers: (name of the parameter, values)."""
    content = saved({"a": paddle.ones([2]), "b": {"c": paddle.zeros([1])}})
    with pytest.raises(CourseError, match="holds a dict under 'b', expected a tensor"):
        read(content)
    assert read(pickle.dumps({"a": ("linear_0.w_0", np.ones(2))}))["a"].tolist() == [1, 1]


def test_large_arrays_in_slices(monkeypatch):
    """Paddle cuts arrays above 1 GiB at protocols 2 and 3; here the same function, with the limit at 4 elements."""
    from paddle.framework import io_utils

    array = np.arange(10, dtype=np.float32).reshape(2, 5)
    monkeypatch.setattr(io_utils, "int", lambda value: 4 if value > 2**20 else int(value), raising=False)
    cut = io_utils._unpack_saved_dict({"large": array, "small": np.ones(3)}, 2)
    assert "large" not in cut and len(cut) == 5  # three slices, the small array, the description
    state = read(pickle.dumps(cut, 2))
    np.testing.assert_array_equal(state["large"], array)
    assert state.keys() == {"large", "small"}
    cut.pop("large@@.1")
    with pytest.raises(CourseError, match="lacks a slice"):
        read(pickle.dumps(cut, 2))


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self):
        return self.reduced


def evil(marker) -> dict[str, object]:
    touch = f"open({str(marker)!r}, 'w').close()"
    return {
        "os.system": Call(os.system, f"touch {marker}"),
        "eval": Call(eval, touch),
        "exec": Call(exec, touch),
        "getattr": Call(getattr, "text", "upper"),
        "import": Call(__import__, "this"),
        "ufunc": Call(np.add.reduce, [1, 2]),
        "apply_along_axis": Call(np.apply_along_axis, exec, 0, [touch]),
        "fromfile": Call(np.fromfile, "/etc/hostname"),
        "tensor": Call(paddle.to_tensor, [1]),
        "nested": Call(tuple, [Call(os.system, f"touch {marker}")]),
    }


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", list(evil("")))
@pytest.mark.parametrize("as_value", [True, False])
def test_nothing_runs(tmp_path, name, protocol, as_value):
    marker = tmp_path / "ran"
    call = evil(marker)[name]
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps({"weight": call} if as_value else call, protocol))
    with pytest.raises(CourseError, match="names the function .*may be malicious"):
        models.load_weights(models.build("fastscnn"), path)
    assert not marker.exists()


def test_globals_with_a_dotted_name_are_refused():
    # STACK_GLOBAL with "numpy" and "ndarray.tofile": attributes of an admitted class.
    content = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    pickletools.dis(content, io.StringIO())
    with pytest.raises(CourseError, match=r"numpy\.ndarray\.tofile"):
        read(content)


def test_a_pickle_changes_no_stand_in():
    """BUILD sets attributes of an object without __setstate__: here __defaults__ of the function that makes arrays."""
    content = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(N}X\x0c\x00\x00\x00__defaults__(ttb\x86."
    for _ in range(2):
        with pytest.raises(CourseError):
            read(content)
        assert read(pickle.dumps({"a": np.ones(2)}))["a"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git-LFS pointer.*git lfs pull"),
        (b"<html>404</html>", "cut off or not a .pdparams file"),
        (pickle.dumps([np.ones(3)]), "holds a list, expected a dict"),
        (pickle.dumps(np.ones(3)), "holds a _Array, expected a dict"),
        (pickle.dumps({"a": "text"}), "holds a str under 'a'"),
        (pickle.dumps({1: np.ones(3)}), "under 1"),
        (pickle.dumps({"a": np.array(["text"])}), "not a number"),
        (pickle.dumps({"a": np.array([{}], object)}), "not a number"),
        (pickle.dumps({"a": np.array(["2020-01-01"], "M8[D]")}), "not a number"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "model.pdparams"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=sentence) as caught:
        pickles.load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


STATE = pickle.dumps({"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.ones(2, np.int64)}, 4)


@pytest.mark.parametrize("length", range(1, len(STATE), 7))
def test_a_cut_file_is_refused(length):
    with pytest.raises(CourseError, match="cut off"):
        read(STATE[:length])


@given(position=st.integers(0, len(STATE) - 1), value=st.integers(0, 255))
def test_a_changed_byte_is_an_array_or_a_sentence(position, value):
    changed = bytearray(STATE)
    changed[position] = value
    try:
        state = read(bytes(changed))
    except CourseError:
        return
    assert all(isinstance(array, np.ndarray) for array in state.values())
