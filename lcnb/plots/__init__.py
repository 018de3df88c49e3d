"""Static figures: every idea of the suite has one, with alt text and the project's palette."""

from lcnb.palettes import DIFFICULTY
from lcnb.plots.building import cost_plane, where_it_sits
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
from lcnb.plots.speed import blocks_on_regions, speed_ups
from lcnb.plots.style import panels, show
from lcnb.plots.training import ablation, training_curves
from lcnb.plots.video import exits_over_frames, frame_times, printed_and_measured, shares_over_frames, show_film

__all__ = [
    "DIFFICULTY",
    "STAGE_LEGEND",
    "ablation",
    "blocks_on_regions",
    "boundary_shares",
    "break_even",
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
    "grids",
    "label_map",
    "panels",
    "printed_and_measured",
    "shares_by_class",
    "shares_over_frames",
    "show",
    "show_film",
    "speed_ups",
    "stage_overlay",
    "three_regions",
    "to_array",
    "training_curves",
    "used_classes",
    "where_it_sits",
]
