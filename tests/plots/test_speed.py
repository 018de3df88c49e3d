"""The figures of speed show every number they are given."""

from lcnb import plots


def ops(*rows):
    return {
        "results": [
            {"op": op, "level": level, "share": share, "paths": {"rows": {"over_dense": value}}}
            for op, level, share, value in rows
        ]
    }


def test_a_line_a_block_and_no_layers():
    found = ops(
        ("A", "blocks", 1.0, 0.9), ("A", "blocks", 0.5, 0.5), ("B", "blocks", 1.0, 1.1), ("A 3x3", "layers", 1.0, 2)
    )
    left, right = plots.blocks_on_regions([found, found], ["one", "two"]).axes
    for axis in (left, right):
        lines = {line.get_label(): line.get_xydata().tolist() for line in axis.lines}
        assert lines["A"] == [[0.5, 0.5], [1.0, 0.9]]
        assert lines["B"] == [[1.0, 1.1]]
        assert "A 3x3" not in lines


def test_no_point_lies_outside_the_axes():
    found = ops(("A", "blocks", 1.0, 2.4))
    low, high = plots.blocks_on_regions([found], ["one"]).axes[0].get_ylim()
    assert low < 2.4 < high


def test_both_ratios_and_what_the_count_allows():
    rows = [
        ("a", {"over_plain": 1.5, "over_fastest_dense": 1.25, "multiply_adds_one_head": 1.31}),
        ("b", {"over_plain": 0.5, "over_fastest_dense": 0.4, "multiply_adds_one_head": 1.1}),
    ]
    (axis,) = plots.speed_ups(rows).axes
    assert sorted(p.get_width() for p in axis.patches if p.get_width() > 0.01) == [0.4, 0.5, 1.25, 1.5]
    written = {t.get_text() for t in axis.texts}
    assert {"1.50", "1.25", "1.31", "0.50", "0.40", "1.10"} <= written
    assert [t.get_text() for t in axis.get_yticklabels()] == ["a", "b"]


def test_a_race_is_decided_by_medians_against_the_plain_and_the_fastest_dense_form():
    rounds = {"plain": [0.4, 0.3, 9], "folded": [0.2, 0.2, 0.2], "fused": [0.25] * 3, "cascade": [0.1, 0.05, 0.2]}
    (axis,) = plots.race(rounds, 3.5).axes
    assert [p.get_width() for p in axis.patches] == [400, 200, 250, 100]
    title = " ".join(axis.get_title().split())
    assert "4.00 times as fast as the plain network and 2.00 times as fast as the fastest dense form (folded)" in title
    assert "allow 3.50" in title
    assert len(axis.lines[0].get_xdata()) == 3
