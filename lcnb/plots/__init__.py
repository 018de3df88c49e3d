"""Static figures: every idea of the suite has one, with alt text and the project's palette."""

from lcnb.palettes import DIFFICULTY
from lcnb.plots.beyond import budget_plane, halo_work, reliability, work_curves
from lcnb.plots.building import cascade_drawing, cost_plane, where_it_sits
from lcnb.plots.cascade import (
    STAGE_LEGEND,
    class_exits,
    cumulative_stages,
    exits_over_rho,
    label_map,
    stage_overlay,
    three_regions,
    to_array,
    used_classes,
)
from lcnb.plots.difficulty import (
    boundary_shares,
    class_shares,
    confidence_histogram,
    difficulty_map,
    difficulty_overlay,
    shares_by_class,
)
from lcnb.plots.regions import break_even, grids
from lcnb.plots.reproduction import (
    at_equal_cost,
    gaps,
    score_and_speed,
    stage_bars,
    thresholds,
    verdicts,
    work_and_speed,
)
from lcnb.plots.speed import blocks_on_regions, race, speed_ups
from lcnb.plots.style import marked, note, panels, show, table
from lcnb.plots.training import ablation, price_of_exits, training_curves
from lcnb.plots.video import exits_over_frames, frame_times, printed_and_measured, shares_over_frames, show_film

__all__ = [
    "DIFFICULTY",
    "STAGE_LEGEND",
    "ablation",
    "at_equal_cost",
    "blocks_on_regions",
    "boundary_shares",
    "break_even",
    "budget_plane",
    "cascade_drawing",
    "class_exits",
    "class_shares",
    "confidence_histogram",
    "cost_plane",
    "cumulative_stages",
    "difficulty_map",
    "difficulty_overlay",
    "exits_over_frames",
    "exits_over_rho",
    "frame_times",
    "gaps",
    "grids",
    "halo_work",
    "label_map",
    "marked",
    "note",
    "panels",
    "price_of_exits",
    "printed_and_measured",
    "race",
    "reliability",
    "score_and_speed",
    "shares_by_class",
    "shares_over_frames",
    "show",
    "show_film",
    "speed_ups",
    "stage_bars",
    "stage_overlay",
    "table",
    "three_regions",
    "thresholds",
    "to_array",
    "training_curves",
    "used_classes",
    "verdicts",
    "where_it_sits",
    "work_and_speed",
    "work_curves",
]
