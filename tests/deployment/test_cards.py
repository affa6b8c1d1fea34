"""GPUs as the driver lists them, with a stand-in for the driver."""

import ctypes

import numpy as np
import paddle

from helpers.deployment import cards


class Driver:
    def __init__(self, names, locks=True):
        self.names, self.locks = names, locks

    def cuDeviceGetCount(self, count):
        count._obj.value = len(self.names)
        return 0

    def cuDeviceGet(self, device, index):
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, text, size, device):
        text.value = self.names[device.value]
        return 0

    def cuDevicePrimaryCtxRetain(self, context, device):
        return 0 if device.value < len(self.names) else 101

    def cuCtxSetCurrent(self, context):
        return 0

    def cuMemHostRegister_v2(self, address, size, flags):
        return 0 if self.locks else 2


def test_names_and_page_locked_memory(monkeypatch):
    monkeypatch.setattr(cards, "_driver", lambda: Driver([b"H100", b"A10"]))
    assert cards.names() == ["H100", "A10"]
    array, locked = cards.page_locked((2, 3), np.uint8, 1)
    assert locked and array.shape == (2, 3) and array.dtype == np.uint8 and not array.any()
    assert not cards.page_locked((2, 3), np.uint8, 5)[1]  # no such card
    monkeypatch.setattr(cards, "_driver", lambda: Driver([b"H100"], locks=False))
    array, locked = cards.page_locked((2, 3), np.float32, 0)
    assert not locked and array.nbytes == 24


def test_without_a_driver(monkeypatch):
    def refuse(name):
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert cards.names() == [] and not cards.page_locked((1,), np.uint8, 0)[1]


def test_the_chosen_card_is_paddles(monkeypatch):
    for device, index in (("cpu", 0), ("gpu:0", 0), ("gpu:3", 3), ("npu:1", 0)):
        monkeypatch.setattr(paddle, "get_device", lambda device=device: device)
        assert cards.chosen() == index
    cards.use("gpu:2")
    assert cards.chosen() == 2
    cards.use("auto")
    assert cards.chosen() == 0
