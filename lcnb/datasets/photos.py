"""The photographs under free licences in `data/photos`, for networks of the seven classes of VOC's `covered7`.

Shape letters: H, W pixels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torchvision import tv_tensors

from lcnb.datasets.base import check_labels, check_size
from lcnb.datasets.images import read_image, read_mask
from lcnb.datasets.layouts import VOC, relabel_covered7
from lcnb.errors import DataError
from lcnb.paths import REPOSITORY, data_roots, searched

FOLDER, MANIFEST = "photos", "photos.json"


@dataclass(frozen=True)
class Photo:
    """A photograph with its facts.

    Attributes:
        image: (3, H, W) uint8 RGB.
        mask: (H, W) uint8, the classes of `covered7` (0 to 6) or 255 where it is not labelled; None without a mask.
        caption: one or two sentences on what the image shows.
        credit: author, licence and source.
    """

    image: tv_tensors.Image
    mask: tv_tensors.Mask | None
    caption: str
    credit: str


def load_photo(name: str) -> Photo:
    """Return one of the photographs in `photos/` under the first data root that has them.

    Args:
        name: "chelsea", "astronaut", "cow", "dog", "horses" or "pig"; the first two have masks.

    Raises:
        DataError: the folder is missing, no photograph has this name (the error lists those that exist), a file is
            missing or damaged, or a mask does not fit its image.
    """
    folder, facts = _manifest()
    if name not in facts:
        raise DataError(f"no photograph is named {name!r}; there are {', '.join(facts)}")
    fact = facts[name]
    image = read_image(folder / fact["file"])
    mask = None
    if fact["mask"] is not None:
        path = folder / fact["mask"]
        labels = read_mask(path)
        check_labels(labels, VOC, path)
        check_size(image, labels, fact["file"], path)
        mask = tv_tensors.Mask(relabel_covered7()[labels.long()])
    credit = f"{fact['author']}, {fact['licence']} (from {fact['source']})"
    return Photo(image, mask, fact["caption"], credit)


def _manifest() -> tuple[Path, dict[str, dict]]:
    """The folder, and the facts of each photograph by its name."""
    folder = next((r / FOLDER for r in data_roots() if (r / FOLDER / MANIFEST).is_file()), None)
    if folder is None:
        raise DataError(
            f"the photographs are not here: no {FOLDER}/{MANIFEST} in {searched()}. To have them, clone {REPOSITORY}, "
            f"which holds them in data/{FOLDER}, and point LCNB_DATA at the folder above"
        )
    keys = ("file", "mask", "source", "author", "licence", "caption")
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return folder, {fact["name"]: {key: fact[key] for key in keys} for fact in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / MANIFEST} is damaged ({error!r}); fetch it again") from None
