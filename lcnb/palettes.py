"""Every colour of the suite, in one place, told apart with any kind of colour vision.

Class colours were found by a random search for the largest distances; a test checks these. The scales for stages and
difficulty run from light to dark, so they also survive a grey print.
"""

from __future__ import annotations

import numpy as np

Colour = tuple[int, int, int]
"""sRGB, 0 .. 255."""

STREET: dict[str, Colour] = {
    "Sky": (153, 187, 255),
    "Building": (85, 55, 45),
    "Pole": (255, 255, 185),
    "Road": (69, 79, 123),
    "Pavement": (162, 145, 163),
    "Tree": (10, 128, 95),
    "SignSymbol": (226, 132, 0),
    "Fence": (235, 175, 135),
    "Car": (51, 25, 128),
    "Pedestrian": (218, 37, 25),
    "Bicyclist": (185, 25, 195),
}
VOC_SEVEN: dict[str, Colour] = {
    "background": (4, 38, 51),
    "cat": (125, 20, 190),
    "cow": (41, 162, 255),
    "dog": (20, 113, 101),
    "horse": (140, 225, 70),
    "person": (198, 25, 0),
    "sheep": (249, 76, 186),
}
"""The classes of VOC's `covered7`, on a dark background as in VOC's own masks; apart from `UNKNOWN` and `STAGES`."""
# fmt: off
_TWENTY_ONE: list[Colour] = [
    (0, 0, 0), (140, 60, 105), (67, 0, 238), (255, 191, 176), (178, 92, 130), (26, 117, 255), (194, 200, 255),
    (179, 255, 255), (0, 172, 255), (135, 134, 0), (255, 255, 167), (120, 77, 174), (68, 0, 0), (147, 177, 65),
    (4, 244, 29), (254, 119, 173), (0, 0, 34), (109, 20, 55), (178, 0, 2), (18, 7, 157), (26, 0, 97),
]
_NINETEEN: list[Colour] = [
    (104, 123, 231), (140, 0, 180), (72, 27, 58), (22, 0, 34), (120, 169, 255), (184, 67, 0), (255, 235, 94),
    (129, 111, 140), (0, 0, 0), (178, 148, 171), (31, 5, 131), (230, 182, 0), (73, 74, 105), (228, 118, 77),
    (137, 23, 0), (60, 17, 255), (176, 200, 160), (103, 224, 250), (188, 255, 210),
]
# fmt: on

STAGES: list[Colour] = [(178, 216, 242), (240, 160, 40), (122, 20, 52)]
"""Exit at stage 1, 2, 3."""
DIFFICULTY: dict[str, Colour] = {"easy": (200, 215, 40), "moderate": (30, 130, 140), "hard": (35, 0, 90)}
"""Grades, apart from `STAGES`: a grade compares with the truth, an exit does not."""
MODES: dict[str, tuple[str, str]] = {
    "cached": ("#ffe08a", "#111827"),
    "true": ("#0b6e99", "#ffffff"),
    "printed": ("#e5e7eb", "#111827"),
}
"""Background and text of the badge that says where a number comes from."""
UNKNOWN: Colour = (238, 234, 226)
"""Undecided so far (figure 4's pale colour)."""
IGNORED: Colour = (255, 255, 255)
"""Not labelled in the truth."""
ACCENT = "#0b6e99"
MUTED = "#6b7280"


def stage_colours(stages: int) -> list[Colour]:
    """A colour for each of S stages, light to dark: those of `STAGES`, or steps between them where S is above 3."""
    if stages <= len(STAGES):
        return STAGES[:stages]
    places = np.linspace(0, len(STAGES) - 1, stages)
    scales = [np.interp(places, range(len(STAGES)), channel) for channel in zip(*STAGES, strict=True)]
    return [(round(r), round(g), round(b)) for r, g, b in zip(*scales, strict=True)]


def class_colours(classes: tuple[str, ...] | list[str]) -> list[Colour]:
    """A colour for each class, by index: those of `STREET` or `VOC_SEVEN` for their classes, else searched ones.

    Raises:
        ValueError: more classes than there are colours that can be told apart.
    """
    for known in (STREET, VOC_SEVEN):
        if all(name in known for name in classes):
            return [known[name] for name in classes]
    if len(classes) > len(_TWENTY_ONE):
        raise ValueError(f"there are colours for at most {len(_TWENTY_ONE)} classes, got {len(classes)}")
    return (_NINETEEN if len(classes) <= len(_NINETEEN) else _TWENTY_ONE)[: len(classes)]


def colourise(labels: np.ndarray, colours: list[Colour], other: Colour = IGNORED) -> np.ndarray:
    """(H, W) whole numbers -> (H, W, 3) uint8; values without a colour of their own get `other`."""
    table = np.full((256, 3), other, dtype=np.uint8)
    table[: len(colours)] = np.array(colours, dtype=np.uint8)
    return table[np.clip(labels, 0, 255).astype(np.uint8)]


def blend(image: np.ndarray, overlay: np.ndarray, alpha: float = 0.55) -> np.ndarray:
    """(H, W, 3) uint8 image with a (H, W, 3) uint8 colour map laid over it; alpha 1 hides the image."""
    return np.round(image * (1 - alpha) + overlay * alpha).astype(np.uint8)


def hexadecimal(colour: Colour) -> str:
    """`#rrggbb`, as Matplotlib and HTML take it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
