"""What a speed is, and how it is measured: the logic of `lcnb bench`.

`protocol.py` says how times are taken, `load.py` whether this machine is quiet enough, `masks.py` which cells are
open; `ops.py`, `model.py`, `systems.py`, `training.py` and `gpu.py` are the benchmarks, `document.py` the file they
write.
"""

from lcnb.benchmark.document import SCHEMA, document
from lcnb.benchmark.load import BusyError, Load, LoadWatch
from lcnb.benchmark.protocol import Opponent, Protocol, Times, measure
from lcnb.clock import Stopwatch, stopwatch_for

__all__ = [
    "SCHEMA",
    "BusyError",
    "Load",
    "LoadWatch",
    "Opponent",
    "Protocol",
    "Stopwatch",
    "Times",
    "document",
    "measure",
    "stopwatch_for",
]
