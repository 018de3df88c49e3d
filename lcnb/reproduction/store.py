"""Results on disk: finished parts of a measurement, so that a stopped one resumes, and whole results that are kept.

A part is one file, whole or not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lcnb.datasets import SegmentationDataset
from lcnb.errors import DataError
from lcnb.evaluation.evaluate import each_image
from lcnb.models.runs import CascadeRuns
from lcnb.paths import checkout, written_whole
from lcnb.weights import write_tensors

PART = 10
"""Images that are measured between two looks at the disk."""


class Store:
    """A folder of parts.

    Args:
        folder: made when the first part is kept.
        about: everything that the parts depend on, as JSON takes it; a part that was kept for something else is not
            found, and is replaced when it has been measured again.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder, self.about = folder, about

    def get(self, name: str, **about: Any) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The numbers and tensors of a part, or None where it is not there, damaged, or of another measurement."""
        try:
            with safe_open(self.folder / f"{name}.safetensors", framework="pt") as file:
                header = file.metadata() or {}
                if header.get("about") != self._key(about):
                    return None
                return json.loads(header["numbers"]), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, KeyError):
            return None

    def put(self, name: str, numbers: dict[str, Any], tensors: dict[str, Tensor], **about: Any) -> None:
        """Keep a part.

        Args:
            name: of the part.
            numbers: as JSON takes them.
            tensors: at least one.
            about: what this part depends on besides.
        """
        header = {"about": self._key(about), "numbers": json.dumps(numbers)}
        with written_whole(self.folder / f"{name}.safetensors") as path:
            write_tensors({k: v.contiguous() for k, v in tensors.items()}, path, header)

    def _key(self, about: dict[str, Any]) -> str:
        return json.dumps({**self.about, **about}, sort_keys=True)


def in_parts(
    store: Store,
    network: CascadeRuns,
    data: SegmentationDataset,
    count: int,
    look: Callable[[Tensor, Tensor], dict[str, Tensor]],
    say: Callable[[str], None],
    warm_up: bool = False,
) -> dict[str, Tensor]:
    """What every image gives, measured in parts; those that the store has are not measured again.

    Args:
        store: of this measurement.
        network, look: as for `lcnb.evaluation.evaluate.each_image`; `look` gives tensors by name, the same names and
            shapes for each image.
        data: whose first images are measured.
        count: N images.
        say: called with each line of progress.
        warm_up: measure the first image twice and keep the second: the first run of a process is slower.

    Returns:
        (N, ...) tensors by name.
    """
    parts = []
    for start in range(0, count, PART):
        stop = min(start + PART, count)
        name, about = f"images-{start:05}", {"images": [start, stop]}
        if (kept := store.get(name, **about)) is None:
            if warm_up:
                next(each_image(network, [data[start]], look))
                warm_up = False
            found = list(each_image(network, (data[i] for i in range(start, stop)), look))
            parts.append({key: torch.stack([f[key] for f in found]) for key in found[0]})
            store.put(name, {}, parts[-1], **about)
            say(f"images {stop} of {count}")
        else:
            parts.append(kept[1])
    return {key: torch.cat([p[key] for p in parts]) for key in parts[0]}


def digest(tensors: dict[str, Tensor]) -> str:
    """A fingerprint of a network's values, the same on every machine and after every way of storing them."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def stored(result: str | Path) -> dict[str, Any]:
    """A result as `lcnb reproduce` and its sisters wrote it.

    Args:
        result: a name in `docs/results` of the checkout, such as "T2-camvid-small", or the path of a JSON file.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    folder = (checkout() or Path()) / "docs" / "results"
    path = Path(result) if Path(result).suffix == ".json" else folder / f"{result}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in folder.glob("[!.]*.json"))) or "none"
        raise DataError(
            f"no result at {path}; in {folder} there are: {known}. `lcnb reproduce --help` says how one is measured"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); restore it, or measure it again") from None
