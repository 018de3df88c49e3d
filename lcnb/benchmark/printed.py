"""What the paper and its talk print about speed. Printed numbers are never mixed with measured ones.

T3 and T6 are tables 3 (VOC 2012 val, one scale, no CRF) and 6 (VOC 2012 test) of the paper, "deck" is the talk's
table (VOC 2012 test).
"""

from __future__ import annotations

from typing import Any

PRINTED: dict[str, list[dict[str, Any]]] = {
    "segnet": [{"source": "T3", "miou": 59.90, "ms": 69.0, "fps": 14.6}],
    "dpn": [{"source": "deck", "miou": 77.5, "fps": 5.7}],
    "adelaide": [{"source": "deck", "miou": 79.1, "note": "the deck gives no time"}],
    "deeplab-v2": [
        {"source": "deck", "miou": 79.7, "fps": 7.1, "note": "79.7 is with three scales and CRF, 0.9 FPS in table 6"},
        {"source": "T3", "miou": 70.42, "ms": 140.0, "fps": 7.1},
        {"source": "T6", "miou": 79.7, "fps": 0.9, "note": "three scales and CRF"},
    ],
    "irnet": [
        {"source": "computed", "fps": 10.3, "note": "from the 42.8 % that the paper says the cascade gains over IRNet"}
    ],
    "lc": [
        {
            "source": "deck", "miou": 80.3, "fps": 14.7,
            "note": "80.3 is with three scales and CRF, 1.0 FPS in table 6; one scale without CRF is 78.2 at 14.3 FPS",
        },
        {"source": "T3", "miou": 73.91, "ms": 65.1, "fps": 14.7, "note": "65.1 ms is 15.4 FPS"},
        {"source": "T6", "miou": 78.2, "fps": 14.3, "note": "one scale, no CRF; with both 80.3 at 1.0 FPS"},
    ],
    "lc-fast": [{"source": "T3", "miou": 66.95, "ms": 42.5, "fps": 23.6}],
}  # fmt: skip
"""By system; one entry a source."""

REFERENCE_FPS = {"deck": 7.1, "T3": 7.1, "computed": 7.1}
"""Of DeepLab-v2, by source; T6 has it with three scales and a CRF only, to which nothing is compared."""


def printed_of(system: str) -> list[dict[str, Any]]:
    """The printed entries of a system, each with its speed over DeepLab-v2's where both are printed."""
    entries = []
    for entry in PRINTED.get(system, []):
        reference = REFERENCE_FPS.get(entry["source"])
        known = "fps" in entry and reference is not None
        entries.append(entry | ({"speed_over_deeplab_v2": round(entry["fps"] / reference, 2)} if known else {}))
    return entries
