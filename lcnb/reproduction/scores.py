"""Scores by class that the paper prints for PASCAL VOC 2012's test split, in percent; none was measured here."""

from __future__ import annotations

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
"""By system: the twenty classes in the order of CLASSES, and last the mean over them and the background."""
