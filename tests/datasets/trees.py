"""Tiny data sets in the official layouts, made anew for each test."""

from pathlib import Path

import numpy as np
from PIL import Image

H, W = 24, 32


def colours(seed: int = 0, size: tuple[int, int] = (H, W)) -> np.ndarray:
    """(H, W, 3) uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def labels(values: list[int], seed: int = 0, size: tuple[int, int] = (H, W)) -> np.ndarray:
    """(H, W) uint8 drawn from `values`, each of them present."""
    drawn = np.random.default_rng(seed).choice(values, size)
    drawn.flat[: len(values)] = values
    return drawn.astype(np.uint8)


def write(array: np.ndarray, path: Path, palette: bool = False) -> Path:
    """Save an array as a picture, with its folders; a palette makes its values indices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette:
        image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    image.save(path, lossless=True) if path.suffix == ".webp" else image.save(path)
    return path


def camvid(folder: Path, sizes: dict[str, int], suffix: str = ".png", lists: bool = True) -> Path:
    """SegNet's layout: the lists hold the path prefix of its authors' machine."""
    for split, count in sizes.items():
        lines = []
        for k in range(count):
            write(colours(k), folder / split / f"{split}_{k:03}{suffix}")
            write(labels([*range(12)], k), folder / f"{split}annot" / f"{split}_{k:03}.png")
            there = f"/SegNet/CamVid/{split}"
            lines.append(f"{there}/{split}_{k:03}{suffix} {there}annot/{split}_{k:03}.png")
        if lists:
            (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return folder


def voc(root: Path, sizes: dict[str, int], masks: str = "SegmentationClass") -> Path:
    """VOC's layout below the folder that holds `JPEGImages`; palette masks with all 21 classes and 255."""
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True, exist_ok=True)
    for split, count in sizes.items():
        stems = [f"2007_{split}_{k:06}" for k in range(count)]
        for k, stem in enumerate(stems):
            write(colours(k), root / "JPEGImages" / f"{stem}.jpg")
            write(labels([*range(21), 255], k), root / masks / f"{stem}.png", palette=True)
        (lists / f"{split}.txt").write_text("\n".join(stems) + "\n")
    return root


def cityscapes(folder: Path, cities: dict[str, int], split: str = "train") -> Path:
    """The official tree; masks of raw ids 0 to 33."""
    for city, count in cities.items():
        for k in range(count):
            stem = f"{city}_{k:06}_000019"
            write(colours(k), folder / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
            write(labels([*range(34)], k), folder / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png")
            (folder / "gtFine" / split / city / f"{stem}_gtFine_polygons.json").write_text("{}")
    return folder
