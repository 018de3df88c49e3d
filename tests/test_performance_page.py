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
        assert f"images/{name}" in built.PAGE.read_text(encoding="utf-8")


def ratios(name):
    return [(r["op"], r["share"], r["paths"]["rows"]) for r in stored(name)["results"]]


def test_blocks_never_cost_much_more_than_dense_ones():
    for name in built.OPS:
        assert max(path["over_dense"] for _, _, path in ratios(name)) < 1.15


def test_time_falls_about_as_work_falls_down_to_a_quarter_of_the_cells():
    for name in built.OPS:
        assert all(path["over_dense_x_share"] < 1.2 for _, share, path in ratios(name) if share >= 0.25)


def test_the_cascade_is_faster_everywhere():
    for name in built.MODELS:
        assert stored(name)["results"][0]["speedup"]["over_fastest_dense"] > 1.05


def test_the_prepared_form_is_as_fast_as_the_plain_one():
    for name in built.MODELS:
        ms = stored(name)["results"][0]["ms"]
        assert ms["rho = 1"]["p50"] <= 1.05 * ms["plain"]["p50"]


def test_the_cascade_is_faster_in_bfloat16_too():
    for name in built.BFLOAT16:
        assert stored(name)["results"][0]["speedup"]["over_fastest_dense"] > 1


def test_our_kernels_are_faster_than_what_torch_offers():
    for name in (*built.MODELS, *built.LOSSLESS):
        assert stored(name)["results"][0]["speedup"]["of_our_kernels"] > 1.05


def test_time_falls_at_least_as_work_falls_beside_the_plain_network():
    for name in (*built.MODELS, *built.LOSSLESS):
        speed = stored(name)["results"][0]["speedup"]
        assert speed["over_plain"] >= 0.9 * speed["multiply_adds_one_head"]
