"""The key of the hardware."""

from __future__ import annotations

import platform

import pytest

from helpers.runner import hardware


@pytest.fixture
def cpu(monkeypatch, tmp_path):
    """cpu("flags") writes a /proc/cpuinfo with them."""

    def write(flags: str) -> None:
        path = tmp_path / "cpuinfo"
        path.write_text(f"processor\t: 0\nmodel name\t: A fast one\nflags\t\t: {flags}\n")
        monkeypatch.setattr(hardware, "CPUINFO", path)

    return write


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        ("sse avx avx2", "x86-avx2"),
        ("avx2 avx512f avx512bw", "x86-avx512"),
        ("avx2 avx512f amx_bf16 amx_tile", "x86-amx"),
        ("sse", platform.machine()),
    ],
)
def test_widest_instructions_name_the_cpu(flags, key, cpu):
    cpu(flags)
    assert hardware.key("cpu") == key
    assert "cores of A fast one, " in hardware.describe()


def test_gpus_are_those_of_the_driver(cpu, monkeypatch, tmp_path):
    cpu("avx2")
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for script, key in (("echo NVIDIA L4", "NVIDIA L4"), ("exit 9", "x86-avx2"), ("exec sleep 60", "x86-avx2")):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(hardware, "DRIVER_TIMEOUT_S", 0.5)
        assert hardware.key("gpu:0") == key


def test_gpu_is_known_by_its_name(cpu, monkeypatch):
    cpu("avx2")
    monkeypatch.setattr(hardware, "_gpus", lambda: ["NVIDIA H100 PCIe", "NVIDIA L4"])
    assert hardware.key("gpu:0") == hardware.key("gpu") == "NVIDIA H100 PCIe"
    assert hardware.key("gpu:1") == "NVIDIA L4"
    assert hardware.key("cpu") == "x86-avx2"
    monkeypatch.setattr(hardware, "_has_paddle_for_gpus", lambda: False)
    assert hardware.key("auto") == "x86-avx2"  # a GPU that this Paddle does not use
    monkeypatch.setattr(hardware, "_has_paddle_for_gpus", lambda: True)
    assert hardware.key("auto") == "NVIDIA H100 PCIe"
