"""What is asked for: a table, the settings to train or score with, and where files go."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lcnb.datasets import SegmentationDataset, load_dataset
from lcnb.errors import LcnbError
from lcnb.reproduction.paper import DRIVE_BLOCKS
from lcnb.reproduction.store import Store
from lcnb.training import ARMS, TrainConfig

CASCADE_TRAINING = "cascade-training"
"""Not a table of the paper: the experiment of `docs/cascade-training.md`."""
TABLES = ("T1", "T2", "T3", "T6", "F1", "F7", CASCADE_TRAINING)
TABLE_2_ARMS = tuple(arm for arm in ARMS if arm != "shuffled")
SEEDS = (0, 1, 2)
"""Of the experiment on cascade training."""


class ReproductionError(LcnbError):
    """A table cannot be filled as asked."""


@dataclass(frozen=True)
class Request:
    """One table, or the experiment on cascade training.

    Attributes:
        table: one of `TABLES`.
        preset: name of the recipe that `config` started from.
        config: how arms are trained, and on what everything is scored (T2; the others take the data set).
        weights: a name, a path or the folder of a run (T1, T3, F1, F7); the run of arm "lc" in `work` if None.
        builder: of those weights, if they are of the reader's own network ("module:function"); it is imported and run.
        arms: those of table 2 to train.
        rhos: thresholds to sweep (T1, F7), each one for all exits or a tuple of one for each; the table's own if empty.
        seeds: of the experiment on cascade training, which takes their order.
        limit: score the first so many images only; all if None.
        work: folder of runs and of finished parts; the same one resumes.
        device: where to run.
    """

    table: str
    preset: str
    config: TrainConfig
    weights: str | None = None
    builder: str | None = None
    arms: tuple[str, ...] = TABLE_2_ARMS
    rhos: tuple[float | tuple[float, ...], ...] = field(default=())
    seeds: tuple[int, ...] = SEEDS
    limit: int | None = None
    work: Path = Path("runs/reproduce")
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.table not in TABLES:
            raise ReproductionError(f"no table is called {self.table!r}; there are {', '.join(TABLES)}")
        unknown = [a for a in self.arms if a not in TABLE_2_ARMS]
        if unknown or not self.arms:
            raise ReproductionError(f"arms are some of {', '.join(TABLE_2_ARMS)}; got {', '.join(unknown) or 'none'}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ReproductionError(f"seeds differ, and there is at least one; got {self.seeds}")
        if self.table == CASCADE_TRAINING and not (self.config.steps and self.config.cascade_steps):
            raise ReproductionError(
                f"{self.table} trains a trunk and branches, so steps and cascade_steps are at least 1; got "
                f"{self.config.steps} and {self.config.cascade_steps}"
            )

    def folder(self, arm: str) -> Path:
        """Of an arm's run."""
        return self.work / self.preset / arm

    def images(self) -> tuple[SegmentationDataset, int]:
        """The data set to score on, and how many of its images.

        Raises:
            DataError: it is not here, or damaged.
        """
        val = load_dataset(self.config.dataset, self.config.val_split, classes=self.config.classes)
        return val, min(len(val), self.limit or len(val))

    def store(self, name: str, **about: Any) -> Store:
        """The finished parts of a measurement, which depends on `about` and on the data set to score on."""
        config = self.config
        data = {"dataset": config.dataset, "split": config.val_split, "classes": config.classes}
        return Store(self.work / self.preset / name, data | about)

    def block(self, images: int) -> int:
        """Frames that a bootstrap of so many images draws together: so few that there are at least ten blocks."""
        wanted = DRIVE_BLOCKS.get((self.config.dataset, self.config.val_split), 1)
        return max(1, min(wanted, images // 10))
