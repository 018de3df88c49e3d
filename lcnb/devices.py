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
