"""`lcnb export`: the file gives torch's numbers in another runtime."""

import sys

import numpy as np
import pytest
import torch

from lcnb.weights import load


@pytest.mark.slow
def test_all_stages_for_images_of_any_size(lcnb, home, data):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    code, out, error = lcnb("export", "--weights", "tiny", "--onnx", "net.onnx")
    assert (code, error) == (0, "")
    assert "stage_1, stage_2, stage_3" in out
    session = onnxruntime.InferenceSession(home / "net.onnx", providers=["CPUExecutionProvider"])
    cascade = load("tiny")
    for height, width in ((90, 70), (64, 128)):
        x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            wanted = cascade.all_stages(x)
        found = session.run(["stage_1", "stage_2", "stage_3"], {"image": x.numpy()})
        for ours, theirs in zip(wanted, found, strict=True):
            np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-4)


def test_says_what_to_install(lcnb, home, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    code, _, error = lcnb("export", "--weights", "tiny", "--onnx", "net.onnx")
    assert code == 1
    assert "[bench]" in error
    assert not (home / "net.onnx").exists()
