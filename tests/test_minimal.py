"""The one-file version gives what the package gives."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lcnb
from lcnb import minimal
from lcnb.training.losses import stage_losses

FILE = Path(minimal.__file__)


@pytest.fixture(scope="module")
def networks() -> tuple[minimal.Cascade, lcnb.LayerCascade]:
    ours = lcnb.load("voc-lite").double().eval()
    small = minimal.Cascade(classes=7).double().eval()
    small.load_state_dict(ours.state_dict())
    return small, ours


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    photo = lcnb.load_photo("dog").image.double()[None, :, 40:200, 60:260] / 255
    return torch.cat([photo, photo.flip(3)])


@pytest.mark.parametrize("halo", [0, 1])
@pytest.mark.parametrize("rho", [0, 0.9, 0.985, 1])
def test_true_runs_are_equal(networks, image, rho, halo):
    small, ours = networks
    with torch.inference_mode():
        logits, reached = minimal.run(small, image, rho, halo)
        out = ours(image, rho, halo=halo)
    torch.testing.assert_close(logits[-1], out.logits, rtol=1e-9, atol=1e-9)
    assert (sum(reached) - 1).equal(out.stage)
    if 0 < rho < 1:
        assert (out.exits > 0.02).all()  # all three stages decide cells here


def test_losses_and_their_gradients_are_equal(networks, image):
    small, ours = networks
    target = torch.randint(7, (2, *image.shape[2:]), generator=torch.Generator().manual_seed(0))
    target[:, :9] = 255

    def compare(one, maps, reached):
        other = stage_losses(maps, target, [1.0] * 3, None, 255, reached)
        torch.testing.assert_close(one.float(), other.float())
        gradients = []
        for network, loss in ((small, one), (ours, other)):
            network.zero_grad()
            loss.backward()
            gradients.append([p.grad for p in network.parameters()])
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)

    compare(minimal.deep_supervision(small, image, target), ours.all_stages(image), None)
    compare(minimal.cascade_loss(small, image, target, 0.9), *ours.stages_on_regions(image, 0.9))


def test_it_is_short_and_needs_torch_only():
    assert len(FILE.read_text(encoding="utf-8").splitlines()) <= 200
    code = (
        "import runpy, sys, torch; before = {m.partition('.')[0] for m in sys.modules};"
        f"runpy.run_path({str(FILE)!r}); print({{m.partition('.')[0] for m in sys.modules}} - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"lcnb", "torchvision", "safetensors"} & ast.literal_eval(done.stdout)


def test_as_a_script_it_labels_a_photograph():
    photo = FILE.parents[1] / "data" / "photos" / "dog.jpg"
    done = subprocess.run([sys.executable, str(FILE), str(photo), "0.985"], capture_output=True, text=True, check=True)
    found = dict(line.split(": ") for line in done.stdout.splitlines())
    assert [f"stage {s}" for s in (1, 2, 3)] == list(found)[:3]
    fractions = [float(text.split("%")[0]) for text in found.values()]
    assert sum(fractions[:3]) == pytest.approx(100, abs=0.2)
    assert sum(fractions[3:]) == pytest.approx(100, abs=0.4)
    assert found.keys() >= {"background", "dog"}
