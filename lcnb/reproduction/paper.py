"""What the paper prints, to stand beside what is measured; nothing here was measured by this project.

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
"""Share among the pixels that enter stage 3 over that in the picture, read off the figure for chair and car; and where
the pixels of two classes leave, in percent."""
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
PRINTED: dict[str, Any] = {"T1": T1, "T2": T2, "T3": T3, "T6": T6, "F1": F1, "F5": F5, "F7": F7}

FULL_SIZES = {
    ("camvid", "train"): 367, ("camvid", "val"): 101, ("camvid", "test"): 233,
    ("voc2012", "train"): 1464, ("voc2012", "trainaug"): 10582, ("voc2012", "val"): 1449,
    ("cityscapes", "train"): 2975, ("cityscapes", "val"): 500,
}  # fmt: skip
"""Images of the whole published splits, so that a part of one is not taken for it."""
DRIVE_BLOCKS = {("camvid", "val"): 10}
"""Frames that a bootstrap draws together, for the splits that are one drive; elsewhere images are independent."""
