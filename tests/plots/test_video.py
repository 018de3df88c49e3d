"""Figures of a film: what they hold, and the film itself in a notebook."""

import base64

import pytest

from lcnb import plots
from lcnb.palettes import STAGES
from lcnb.plots.style import encode


def labels(fig):
    return [t.get_text() for legend in fig.legends for t in legend.get_texts()]


def test_times_of_frames_with_their_medians():
    fig = plots.frame_times({"dense": [100.0, 120.0, 400.0], "cascade": [80.0, 100.0, 90.0]})
    assert labels(fig) == ["dense: median 120 ms, 8.3 FPS", "cascade: median 90 ms, 11.1 FPS"]
    lines = fig.axes[0].lines
    assert list(lines[0].get_ydata()) == [100.0, 120.0, 400.0]
    assert lines[1].get_ydata()[0] == 120.0
    assert encode(fig, photo=False)


def test_exits_over_frames_fill_the_picture():
    fig = plots.exits_over_frames([(0.5, 0.3, 0.2), (0.25, 0.25, 0.5)])
    axis = fig.axes[0]
    assert labels(fig) == ["exit at stage 1", "exit at stage 2", "exit at stage 3"]
    tops = [max(v[1] for v in area.get_paths()[0].vertices) for area in axis.collections]
    assert tops == pytest.approx([50, 80, 100])
    assert [area.get_facecolor()[0].tolist()[:3] for area in axis.collections] == [
        pytest.approx([c / 255 for c in colour], abs=0.01) for colour in STAGES
    ]
    assert encode(plots.exits_over_frames([(1.0, 0.0)]), photo=False)  # one frame, two stages


def test_shares_over_frames_are_per_cent():
    fig = plots.shares_over_frames({"dense": [0.01, 0.03], "cascade": [0.02, 0.02]}, "% of pixels")
    assert labels(fig) == ["dense: median 2.0%", "cascade: median 2.0%"]
    assert list(fig.axes[0].lines[0].get_ydata()) == pytest.approx([1, 3])
    assert fig.axes[0].lines[0].get_color() != fig.axes[0].lines[1].get_color()


def test_printed_beside_measured_leaves_gaps_where_there_is_nothing():
    fig = plots.printed_and_measured([("a", 4.25, None), ("b", 2.0, 1.5), ("c", None, 1.2)])
    axis = fig.axes[0]
    assert sorted(round(p.get_width(), 2) for p in axis.patches) == [1.2, 1.5, 2.0, 4.25]
    assert [t.get_text() for t in axis.texts].count("none") == 2
    assert [t.get_text() for t in axis.get_yticklabels()] == ["a", "b", "c"]


def test_a_film_is_put_into_the_notebook_with_its_alt_text(tmp_path, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("lcnb.plots.video.display", shown.append)
    (tmp_path / "x.mp4").write_bytes(b"film" * 100)
    plots.show_film(tmp_path / "x.mp4", 'Two networks, and "where" each <cell> left')
    (page,) = shown
    assert base64.b64encode(b"film" * 100).decode() in page.data
    assert 'aria-label="Two networks, and &quot;where&quot; each &lt;cell&gt; left"' in page.data
    plots.show_film(tmp_path / "x.mp4", "a film that is too large to be shown", limit=100)
    assert len(shown) == 1
    assert "x.mp4 has 0.0 MB, too many" in capsys.readouterr().out
    with pytest.raises(ValueError, match="alt text"):
        plots.show_film(tmp_path / "x.mp4", "film")
