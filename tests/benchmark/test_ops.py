"""Blocks and layers: the right pieces, and every path computes what dense does."""

import pytest
import torch

from lcnb.benchmark import Protocol
from lcnb.benchmark.ops import OpsSettings, bench_ops, blocks, layers, macs, pieces, rows_of_table
from lcnb.models import IRNetConfig, cascade_cost, irnet_lc
from lcnb.models.folding import folded
from lcnb.models.fusing import Fused
from lcnb.regions import Region
from lcnb.regions.rows import pack
from lcnb.regions.workspace import Workspace

TINY = {"width": 0.05, "size": (64, 72), "shares": (1.0, 0.5), "masks": ("blobs",)}


def test_pieces_make_up_the_network():
    """Behind the stem, the pieces times their numbers cost what the whole does, as blocks and as layers."""
    with torch.device("meta"):
        cost = cascade_cost(irnet_lc(21), 512, 512)
        stem = cascade_cost(irnet_lc(21, blocks=(0, 0, 0)), 512, 512).stages[0]
        found, apart = blocks(IRNetConfig()), layers(IRNetConfig())
    reduction = next(macs(p, 64, 64) for p in found if p.name == "Reduction-A")
    total = sum(p.count * macs(p, 64, 64) for p in found)
    assert total + stem - reduction == cost.dense
    assert sum(p.count * macs(p, 64, 64) for p in apart) == total


def test_names_and_shapes_at_full_width():
    with torch.device("meta"):
        names = [p.name for p in layers(IRNetConfig())]
    assert "B 1x7 128>160" in names
    assert "C 3x1 224>256" in names
    assert "head 2, 3 3x3 2144>106" in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("piece", [*blocks(IRNetConfig(width=0.05)), *layers(IRNetConfig(width=0.05))], ids=str)
def test_rows_on_a_full_map_are_dense(piece):
    x = torch.randn(1, piece.channels, 6, 7).contiguous(memory_format=torch.channels_last)
    region = Region.full(1, 6, 7)
    with torch.inference_mode():
        dense = folded(piece.module)(x)
        given = pack(x.permute(0, 2, 3, 1).reshape(42, -1), region.index)
        program = Fused(piece.module, x, torch.float32, "piece").program
        rows = program([given], Workspace(region, given))
    torch.testing.assert_close(rows[:-1], dense.permute(0, 2, 3, 1).reshape(42, -1), atol=1e-4, rtol=1e-3)


def test_results():
    settings = OpsSettings(**TINY, levels=("blocks",), paths=("rows", "gather", "reference"), only=("B", "head 1"))
    told = []
    found = list(bench_ops(settings, "cpu", Protocol(0, 2), told.append))
    results = [r for r, _ in found]
    assert [(r["op"], r["share"]) for r in results] == [("B", 1.0), ("B", 0.5), ("head 1", 1.0), ("head 1", 0.5)]
    assert told[1] == "B, blobs, 0.5 of the cells"
    for r, times in found:
        assert len(times) == 5
        assert r["cells"] == round(r["share"] * 72)
        for path in r["paths"].values():
            ideal = path["over_dense"] / r["share"]
            assert path["over_dense_x_share"] == pytest.approx(ideal, rel=1e-2, abs=2e-4)  # of 4 decimals
            assert path["gmac_per_s"] == pytest.approx(r["gmac"] / path["ms"]["p50"] * 1e3, rel=0.02, abs=2e-3)
    assert results[1]["gmac"] == pytest.approx(results[0]["gmac"] / 2, abs=1e-6)
    table = rows_of_table(results)
    assert len(table) == 1 + 4 * 3
    assert {len(line) for line in table} == {9}


def test_an_empty_region_has_no_ratio():
    settings = OpsSettings(**{**TINY, "shares": (0.0,)}, levels=("layers",), only=("B 1x7",))
    ((result, _),) = bench_ops(settings, "cpu", Protocol(0, 1))
    assert result["paths"]["rows"]["over_dense_x_share"] is None
    assert "-" in rows_of_table([result])[1]


def test_unknown_piece():
    with pytest.raises(ValueError, match="nothing begins with D; there are A, Reduction-A, B"):
        pieces(OpsSettings(**TINY, levels=("blocks",), only=("D",)))
