"""What a device can do, asked before anything is computed."""

import platform
from pathlib import Path

import pytest
import torch

from lcnb.devices import has_bfloat16


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_gpus_have_bfloat16_from_ampere_on(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert has_bfloat16("cuda") is expected


@pytest.mark.skipif(platform.machine() != "x86_64" or platform.system() != "Linux", reason="reads /proc/cpuinfo")
def test_a_cpu_without_wide_registers_has_none():
    assert has_bfloat16("cpu") == ("avx512bw" in Path("/proc/cpuinfo").read_text(encoding="utf-8"))


def test_a_torch_without_onednn_has_none(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert has_bfloat16("cpu") is False
