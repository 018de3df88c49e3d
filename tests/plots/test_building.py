"""The figures of notebook 03 show every number they are given."""

import base64
import re
from xml.etree import ElementTree

import pytest

from lcnb import plots

SVG = "{http://www.w3.org/2000/svg}"


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


def test_the_drawing_has_every_fraction_in_words_and_as_a_width():
    drawn = ElementTree.fromstring(plots.cascade_drawing([0.5, 0.3, 0.2], [("stem", "5 x A"), ("B",), ("C",)]))
    texts = [t.text for t in drawn.iter(f"{SVG}text")]
    assert [t for t in texts if "%" in t] == ["100 %", "50 % exit", "50 %", "30 % exit", "20 %", "20 % exit"]
    assert {"stage 1", "stage 2", "stage 3", "stem", "5 x A", "B", "C"} <= set(texts)
    arrows = [re.findall(r"[-\d.]+", a.get("points")) for a in drawn.iter(f"{SVG}polygon")]
    shafts = [float(numbers[1]) - float(numbers[-1]) for numbers in arrows]
    flows, exits = shafts[::2], shafts[1::2]
    assert flows == pytest.approx([20, 11, 5.6])
    assert exits == pytest.approx([11, 7.4, 5.6])
    width, height = (float(drawn.get(side)) for side in ("width", "height"))
    for box in drawn.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(k, 0)) for k in ("x", "y", "width", "height"))
        assert x + w <= width
        assert y + h <= height
    assert "prefers-color-scheme: dark" in drawn.find(f"{SVG}style").text


def test_where_no_cell_exits_there_is_no_arrow():
    drawn = ElementTree.fromstring(plots.cascade_drawing([0.0, 0.0, 1.0]))
    assert len(list(drawn.iter(f"{SVG}polygon"))) == 4


def test_a_drawing_is_shown_with_its_title_as_alt_text(monkeypatch):
    shown = []
    monkeypatch.setattr("lcnb.plots.style.display", lambda data, **options: shown.append((data, options["metadata"])))
    drawing = plots.cascade_drawing([0.5, 0.3, 0.2])
    plots.show(drawing)
    ((data, metadata),) = shown
    alt = metadata["image/svg+xml"]["alt"]
    assert "Stage 2 computes 50 % of the cells, 30 % exit there" in alt
    assert f'alt="{alt}"' in data["text/html"]
    assert base64.b64decode(re.search(r"base64,([^\"]+)", data["text/html"])[1]).decode() == drawing
    with pytest.raises(ValueError, match="alt text"):
        plots.show("<svg/>")
