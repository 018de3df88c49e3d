"""An ImageNet start: public weights of Inception-ResNet-v2 for the cascade that fits them.

The paper starts from ImageNet weights of its own 5/10/5 network, which nobody has released; no public ImageNet weights
fit that network. `irnet_lc(variant="timm")` is the cascade on the network that has some, timm's `inception_resnet_v2`:

    lcnb train --preset voc-paper --variant timm --init inception_resnet_v2.safetensors --out runs/voc

Nothing is fetched here, and nothing is unpickled: a file is safetensors, or what `torch.load(weights_only=True)` reads.
"""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from lcnb.errors import WeightsError
from lcnb.models import LayerCascade
from lcnb.models.inception import from_timm
from lcnb.models.variants import VARIANTS
from lcnb.paths import absolute
from lcnb.weights import FORMAT

PICKLED = (".pth", ".pt", ".bin")
NETWORK = "timm's inception_resnet_v2"
COUNTER = "num_batches_tracked"
"""Norms of older checkpoints lack it; nothing is computed with it here."""


def is_checkpoint(path: str | Path) -> bool:
    """Whether this is a checkpoint file from elsewhere, rather than weights of this project (a name, folder or file).

    Raises:
        WeightsError: it is a safetensors file that cannot be read.
    """
    if "\0" in str(path):
        raise WeightsError(f"no checkpoint can be named {str(path)!r}")
    file = absolute(path)
    if not os.path.isfile(file):
        return file.suffix in PICKLED  # whose absence `start` explains
    if file.suffix in PICKLED:
        return True
    try:
        with safe_open(file, framework="pt") as stored:
            return (stored.metadata() or {}).get("format") != FORMAT and "conv2d_1a.conv.weight" in stored.keys()  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is damaged or no safetensors file ({error}); fetch it again") from None


@torch.no_grad()
def start(cascade: LayerCascade, path: str | Path) -> LayerCascade:
    """Fill the three stages with the values of a checkpoint; the heads stay as they are.

    Args:
        cascade: made by `irnet_lc(variant="timm")` at width 1 with 10/20/10 blocks; changed in place.
        path: of timm's `inception_resnet_v2`: .safetensors (preferred), or .pth, .pt or .bin with a state dict,
            by itself or under "state_dict" or "model".

    Returns:
        The cascade.

    Raises:
        WeightsError: the file is missing, damaged or of another network, or the cascade is not that network.
    """
    file, config = absolute(path), cascade.config
    if config.get("network") != VARIANTS["timm"].name:
        raise WeightsError(
            f"{file} is a checkpoint for variant 'timm' only (--variant timm): the paper's 5/10/5 network has no "
            "public ImageNet weights"
        )
    if config["width"] != 1 or tuple(config["blocks"]) != VARIANTS["timm"].defaults["blocks"]:
        shape = f"{'/'.join(map(str, config['blocks']))} blocks at width {config['width']:g}"
        raise WeightsError(f"{file} fits {NETWORK}, with 10/20/10 blocks at width 1 (--width 1), not {shape}")
    wanted = {name: value for name, value in cascade.state_dict().items() if name.startswith("stages.")}
    found = from_timm(_read(file), tuple(config["blocks"]))
    _check(wanted, found, file)
    cascade.load_state_dict({name: value for name, value in found.items() if name in wanted}, strict=False)
    return cascade


def _read(file: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():  # about what is then refused anyway
            warnings.simplefilter("ignore")
            pickled = file.suffix in PICKLED
            state: Any = torch.load(file, map_location="cpu", weights_only=True) if pickled else load_file(file)
    except FileNotFoundError:
        raise WeightsError(f"{file} does not exist; it should be a checkpoint of {NETWORK}") from None
    except pickle.UnpicklingError:
        raise WeightsError(f"{file} holds more than tensors, which is not run; save it as safetensors") from None
    except MemoryError:
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{file} is damaged or no checkpoint ({reason:.120}); fetch it again") from None
    for key in ("state_dict", "model"):
        state = state[key] if isinstance(state, dict) and isinstance(state.get(key), dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) and isinstance(k, str) for k, v in state.items()):
        raise WeightsError(f"{file} holds no state dict; it should be a checkpoint of {NETWORK}")
    return state


def _check(wanted: dict[str, Tensor], found: dict[str, Tensor], file: Path) -> None:
    """Compare names and shapes before anything is changed."""
    needed = {name for name in wanted if not name.endswith(COUNTER)}
    missing, extra = sorted(needed - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or extra:
        odd, are = (extra, "not of it") if extra else (missing, "missing")
        raise WeightsError(f"{file} is no checkpoint of {NETWORK}: {len(odd)} tensors are {are}, {odd[0]} for one")
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise WeightsError(
                f"{file} is no checkpoint of {NETWORK}: {name} is {tuple(value.shape)}, not {tuple(wanted[name].shape)}"
            )
        if not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{file} holds values that are not finite, in {name}; fetch it again")
