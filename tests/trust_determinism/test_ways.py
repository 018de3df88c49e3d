"""Every way of running a network gives the same exits and labels, but where sums tie in the last bits."""

import pytest
import torch

from lcnb.regions import use_backend


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(4, 3, 96, 128, generator=torch.Generator().manual_seed(3))


def ways(cascade):
    """Name -> function, each another order of the same sums."""

    def reference(x):
        with use_backend("reference"):
            return cascade(x, rho=0.6)

    def threaded(x):
        torch.set_num_threads(2)
        return cascade(x, rho=0.6)

    return {
        "reference": reference,
        "two threads": threaded,
        "one by one": lambda x: [cascade(one[None], rho=0.6) for one in x],
        "prepared": lambda x: cascade.for_inference()(x, rho=0.6),
        "prepared, by torch": lambda x: cascade.for_inference(native=False)(x, rho=0.6),
    }


def parts(found, name):
    return torch.cat([getattr(o, name) for o in found]) if isinstance(found, list) else getattr(found, name)


def test_every_way_gives_the_same_exits_and_labels(small_cascade, pictures):
    """Modules, prepared, by native kernels and by torch, the reference, one by one, two threads"""
    base = small_cascade(pictures, rho=0.6)
    for name, way in ways(small_cascade).items():
        found = way(pictures)
        torch.set_num_threads(1)
        assert torch.equal(parts(found, "stage"), base.stage), name
        assert (parts(found, "labels") != base.labels).float().mean() < 1e-4, name
        assert torch.allclose(parts(found, "logits"), base.logits, atol=1e-4), name


def test_one_way_gives_the_same_bits_whatever_ran_before(small_cascade, pictures):
    """The same way again, after other pictures, other regions and other ways: every bit of the logits"""
    fused, torchs = small_cascade.for_inference(), small_cascade.for_inference(native=False)
    for run in (small_cascade, fused, torchs):
        first = run(pictures, rho=0.6)
        for rho in (0.1, 0.9, 1.0, 0.0):
            run(pictures.flip(0), rho=rho)
            fused(pictures[:1, :, :40, :56], rho=rho)
        again = run(pictures, rho=0.6)
        for name in ("logits", "labels", "stage", "confidence"):
            assert torch.equal(getattr(first, name), getattr(again, name))
