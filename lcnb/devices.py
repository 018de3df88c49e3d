"""Where a network can run here: asked before anything is read or computed."""

from __future__ import annotations

import torch

from lcnb.errors import LcnbError


def usable(device: str | torch.device) -> torch.device:
    """The device, which is there.

    Args:
        device: such as "cpu", "cuda", "cuda:1" or "mps"; also "meta", where shapes have no values.

    Raises:
        LcnbError: torch knows no such device, or this machine has none.
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise LcnbError(f"{device!r} is no device; name cpu, cuda, cuda:1 (the second GPU) or mps") from None
    here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if found.type != "meta" and here.get(found.type, 0) <= (found.index or 0):
        there = ", ".join(kind for kind, number in here.items() if number)
        raise LcnbError(f"{device}: this machine has no such device; it has {there}")
    return found


def has_bfloat16(device: str | torch.device) -> bool:
    """Whether networks run in bfloat16 there without emulation, which takes many times longer than float32 does.

    Args:
        device: one that is there. Of a CPU oneDNN says so itself (it asks for AVX-512 or ARM's bf16); GPUs have it from
            Ampere on.
    """
    where = torch.device(device)
    if where.type == "cuda":
        return torch.cuda.get_device_capability(where) >= (8, 0)
    if where.type != "cpu":
        return True  # torch refuses what it cannot do
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a torch without oneDNN
        return False
