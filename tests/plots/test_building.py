"""The figures of notebook 03 show every number they are given."""

import pytest

from lcnb import plots


def test_parts_in_their_order_with_their_shares():
    left, right = plots.where_it_sits(["stem", "5 x A", "10 x B"], [1, 1, 2], [1.0, 1.0, 2.0], [3.0, 3.0, 6.0]).axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["stem", "5 x A", "10 x B"]
    assert list(left.get_yticks()) == [2, 1, 0]
    assert [bar.get_width() for bar in right.patches] == [3.0, 3.0, 6.0]
    assert [t.get_text() for t in left.texts] == ["1.0  (25%)", "1.0  (25%)", "2.0  (50%)"]
    assert left.patches[0].get_facecolor() == left.patches[1].get_facecolor() != left.patches[2].get_facecolor()


def test_a_line_for_each_row_and_the_plain_network():
    (axis,) = plots.cost_plane([0, 0.5, 1], [("none", [9, 6, 3]), ("some", [8, 5, 3])], 7.5).axes
    plain, none, some = axis.lines
    assert plain.get_ydata()[0] == pytest.approx(7.5)
    assert list(none.get_ydata()) == [9, 6, 3]
    assert [line.get_label() for line in (none, some)] == ["none", "some"]
