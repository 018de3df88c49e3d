"""Every number that the paper and its talk print, to stand beside what is measured; nothing here was measured by us.

mIoU in percent, as printed. VOC is PASCAL VOC 2012.
"""

from __future__ import annotations

from typing import Any

TITLES = {
    "T1": "table 1: exits and mIoU by threshold, VOC val",
    "T2": "table 2: what each part of the training gives, VOC val",
    "T3": "table 3: speed and mIoU against other systems, VOC val",
    "T6": "table 6: parameters, and VOC test scores",
    "F1": "figure 1: what is easy, moderate and hard, and how much of each lies on boundaries, VOC val",
    "F7": "figure 7: mIoU against time by threshold, and time by stage, VOC val",
    "cascade-training": "does cascade training help? paired branches at equal multiply-adds (docs/cascade-training.md)",
}
T1: dict[str, Any] = {
    "rho": [1.0, 0.995, 0.985, 0.97, 0.95, 0.93, 0.9, 0.8],
    "left_at_stage_1": [0, 15, 23, 30, 35, 35, 44, 56],
    "left_at_stage_2": [0, 14, 29, 31, 30, 41, 31, 29],
    "miou": [72.70, 73.56, 73.91, 73.63, 73.03, 72.53, 71.20, 66.95],
    "note": "the column of .93 looks like a misprint: more leave at stage 2 than at .95 and at .9",
}
T2: dict[str, float] = {"irnet": 72.22, "dsn": 72.70, "dsn-dropout": 72.63, "mc": 44.20, "lc": 73.91}
T3: dict[str, Any] = {
    "DeepLab-v2": {"miou": 70.42, "ms": 140.0, "fps": 7.1},
    "SegNet": {"miou": 59.90, "ms": 69.0, "fps": 14.6},
    "LC": {"miou": 73.91, "ms": 65.1, "fps": 14.7},
    "LC (fast)": {"miou": 66.95, "ms": 42.5, "fps": 23.6},
    "note": "65.1 ms is 15.4 FPS, not 14.7",
}
T6: dict[str, Any] = {
    "CRF-RNN": {"parameters_m": 134.4, "miou": 74.7},
    "DPN": {"parameters_m": 134.4, "miou": 77.5},
    "DeepLab-v2": {"parameters_m": 44.5, "fps": 0.9, "miou": 79.7},
    "IRNet-LC": {"parameters_m": 35.5, "fps": 14.3, "miou": 78.2},
    "IRNet-LC, multi-scale": {"parameters_m": 35.5, "fps": 7.7, "miou": 79.5},
    "IRNet-LC, multi-scale, CRF": {"parameters_m": 35.5, "fps": 1.0, "miou": 80.3},
}
F7: dict[str, Any] = {"rho": [0.985, 0.8], "ms_by_stage": [[15.6, 31.2, 18.2], [15.7, 21.7, 4.7]]}
F1: dict[str, float] = {"easy": 6.7, "moderate": 19.0, "hard": 68.0}
"""Percent of each set of pixels that lies on object boundaries (VOC val; the width of a boundary is not given)."""
F5: dict[str, Any] = {
    "ratio_at_stage_3": {"hardest": 1.9, "easiest": 1.1},
    "left": {"cat": [8.2, 39.2, 52.6], "chair": [6.6, 16.6, 76.8]},
}
"""Share among the pixels that enter stage 3 over that in the image, read off the figure for chair and car; and where
the pixels of two classes exit, in percent."""
DECK: dict[str, dict[str, Any]] = {
    "DPN": {"miou": 77.5, "fps": 5.7},
    "Adelaide": {"miou": 79.1},
    "DeepLab-v2": {"miou": 79.7, "fps": 7.1},
    "LC": {"miou": 80.3, "fps": 14.7},
    "LC + COCO": {"miou": 82.7},
}
"""The table of the talk, VOC test; its video names 4 and 17 FPS. It pairs 80.3 with 14.7 FPS, table 6 with 1.0."""
CITYSCAPES: dict[str, float] = {
    "FCN": 65.3, "DPN": 66.8, "Dilation10": 67.1, "DeepLab-v2": 70.4, "LC": 71.1, "Adelaide": 71.6,
}  # fmt: skip
"""Table 5, Cityscapes test. The printed scores of LC by class average 72.3 and disagree with the server's 71.0873."""


def exits_printed(rho: float) -> tuple[float, float]:
    """Fractions of all cells that exit at stages 1 and 2 in table 1."""
    at = T1["rho"].index(rho)
    return T1["left_at_stage_1"][at] / 100, T1["left_at_stage_2"][at] / 100


def _score(system: str) -> dict[str, float]:
    return {key: T6[system][key] for key in ("miou", "fps")}


SPEEDS: dict[str, list[dict[str, Any]]] = {
    "segnet": [{"source": "T3", **T3["SegNet"]}],
    "dpn": [{"source": "deck", **DECK["DPN"]}],
    "adelaide": [{"source": "deck", **DECK["Adelaide"], "note": "the deck gives no time"}],
    "deeplab-v2": [
        {"source": "deck", **DECK["DeepLab-v2"], "note": "79.7 is with three scales and CRF, 0.9 FPS in table 6"},
        {"source": "T3", **T3["DeepLab-v2"]},
        {"source": "T6", **_score("DeepLab-v2"), "note": "three scales and CRF"},
    ],
    "irnet": [
        {"source": "computed", "fps": 10.3, "note": "from the 42.8 % that the paper says the cascade gains over IRNet"}
    ],
    "lc": [
        {
            "source": "deck", **DECK["LC"],
            "note": "80.3 is with three scales and CRF, 1.0 FPS in table 6; one scale without CRF is 78.2 at 14.3 FPS",
        },
        {"source": "T3", **T3["LC"], "note": "65.1 ms is 15.4 FPS"},
        {"source": "T6", **_score("IRNet-LC"), "note": "one scale, no CRF; with both 80.3 at 1.0 FPS"},
    ],
    "lc-fast": [{"source": "T3", **T3["LC (fast)"]}],
}  # fmt: skip
"""By system of `lcnb bench systems`, one entry per source: T3 and T6 are tables 3 (VOC 2012 val, one scale, no CRF) and
6 (VOC 2012 test) of the paper, "deck" is the talk's table (VOC 2012 test)."""
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table", "dog", "horse",
    "motorbike", "person", "plant", "sheep", "sofa", "train", "tv",
)  # fmt: skip
"""The background is part of the mean and not printed."""

# fmt: off
SCORES: dict[str, tuple[float, ...]] = {
    "FCN": (76.8, 34.2, 68.9, 49.4, 60.3, 75.3, 74.7, 77.6, 21.4, 62.5, 46.8, 71.8, 63.9, 76.5, 73.9, 45.2, 72.4, 37.4,
            70.9, 55.1, 62.2),
    "DeepLab": (84.4, 54.5, 81.5, 63.6, 65.9, 85.1, 79.1, 83.4, 30.7, 74.1, 59.8, 79.0, 76.1, 83.2, 80.8, 59.7, 82.2,
                50.4, 73.1, 63.7, 71.6),
    "Adelaide": (91.9, 48.1, 93.4, 69.3, 75.5, 94.2, 87.5, 92.8, 36.7, 86.9, 65.2, 89.1, 90.2, 86.5, 87.2, 64.6, 90.1,
                 59.7, 85.5, 72.7, 79.1),
    "DPN + COCO": (89.0, 61.6, 87.7, 66.8, 74.7, 91.2, 84.3, 87.6, 36.5, 86.3, 66.1, 84.4, 87.8, 85.6, 85.4, 63.6, 87.3,
                   61.3, 79.4, 66.4, 77.5),
    "DeepLab-v2 + COCO": (92.6, 60.4, 91.6, 63.4, 76.3, 95.0, 88.4, 92.6, 32.7, 88.5, 67.6, 89.6, 92.1, 87.0, 87.4,
                          63.3, 88.3, 60.0, 86.8, 74.5, 79.7),
    "LC": (94.1, 63.0, 91.2, 67.9, 79.5, 93.4, 90.0, 93.8, 37.4, 83.7, 65.9, 90.7, 86.1, 88.8, 87.5, 68.5, 86.9, 64.3,
           85.6, 72.2, 80.3),
    "LC + COCO": (85.5, 66.7, 94.5, 67.2, 84.0, 96.1, 89.8, 93.5, 47.2, 90.4, 71.5, 88.9, 91.7, 89.2, 89.1, 70.4, 89.4,
                  70.7, 84.2, 79.6, 82.7),
}
# fmt: on
"""Scores by class on VOC test, in percent, by system: the classes in the order of CLASSES, then the mean over them and
the background."""

FULL_SIZES = {
    ("camvid", "train"): 367, ("camvid", "val"): 101, ("camvid", "test"): 233,
    ("voc2012", "train"): 1464, ("voc2012", "trainaug"): 10582, ("voc2012", "val"): 1449,
    ("cityscapes", "train"): 2975, ("cityscapes", "val"): 500,
}  # fmt: skip
"""Images of the whole published splits, so that a part of one is not taken for it."""
DRIVE_BLOCKS = {("camvid", "val"): 10}
"""Frames that a bootstrap draws together, for the splits that are one drive; elsewhere images are independent."""
