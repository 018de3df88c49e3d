"""docs/performance.md says what the kept results say, and its words hold for them."""

from lcnb.reproduction import stored
from tools import performance_page as built


def test_the_page_is_what_the_results_give():
    text = (built.DOCS / "performance.md").read_text(encoding="utf-8")
    assert text == built.page(), "run: python -m tools.performance_page"


def test_the_figures_are_there_and_small():
    for name in built.figures():
        path = built.DOCS / "images" / name
        assert 5_000 < path.stat().st_size < 200_000
        assert f"images/{name}" in built.TEMPLATE.read_text(encoding="utf-8")


def ratios(name):
    return [(r["op"], r["share"], r["paths"]["rows"]) for r in stored(name)["results"]]


def test_blocks_never_cost_much_more_than_dense_ones():
    for name in built.OPS:
        assert max(path["over_dense"] for _, _, path in ratios(name)) < 1.15


def test_at_full_width_time_falls_about_as_work_falls_down_to_a_quarter_of_the_cells():
    assert all(path["over_dense_x_share"] < 1.2 for _, share, path in ratios("bench-ops-width-1") if share >= 0.25)


def test_the_cascade_is_faster_everywhere():
    for name in built.MODELS:
        assert stored(name)["results"][0]["speedup"]["over_fastest_dense"] > 1.05


def test_the_prepared_form_is_as_fast_as_the_plain_one():
    for name in built.MODELS:
        ms = stored(name)["results"][0]["ms"]
        assert ms["rho = 1"]["p50"] <= 1.05 * ms["plain"]["p50"]


def test_step_two_of_training_is_not_faster():
    assert stored(built.TRAINING)["results"][0]["cascade_over_deep"] < 1


def test_in_bfloat16_everything_is_faster_and_the_cascade_gains_a_little_less():
    for name in built.BFLOAT16:
        short, long = (stored(n)["results"][0] for n in (name, name.removesuffix("-bfloat16")))
        assert all(short["ms"][form]["p50"] < long["ms"][form]["p50"] for form in ("cascade", "plain", "rho = 1"))
        assert 1 < short["speedup"]["over_fastest_dense"] < long["speedup"]["over_fastest_dense"]
