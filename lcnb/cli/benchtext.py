"""The results of `lcnb bench model` and `lcnb bench training` for people."""

from __future__ import annotations

from typing import Any

from lcnb.cli.console import percent, table


def model_text(results: list[dict[str, Any]]) -> str:
    """One paragraph a device and batch."""
    return "\n\n".join(map(_one, results))


def _one(r: dict[str, Any]) -> str:
    height, width = r["size"]
    head = (
        f"{r['device']}, batch {r['batch']}, {height}x{width}, {r['batches']} batch{'es' * (r['batches'] > 1)}; "
        f"left at stage 1 / 2 / 3: {' / '.join(map(percent, r['exits']))}"
    )
    failed = [f"{name} was not measured: {why}" for name, why in r["failed"].items()]
    return "\n\n".join([head, _times(r), *failed, _speedups(r["speedup"]), _stages(r), _parts(r)])


def _times(r: dict[str, Any]) -> str:
    gmac = dict.fromkeys(("cascade", "without our kernels"), r["gmac"]["cascade"])
    gmac["all stages"] = r["gmac"]["all stages"]
    rows: list[tuple[object, ...]] = [("run", "GMAC an image", "ms p50", "p95")]
    for name, ms in r["ms"].items():
        rows.append((name, f"{gmac.get(name, r['gmac']['one head']):.2f}", f"{ms['p50']:.2f}", f"{ms['p95']:.2f}"))
    return table(rows, range(1, 4))


def _speedups(s: dict[str, Any]) -> str:
    ours = f"\n{s['of_our_kernels']:.2f} x the cascade without our kernels" if "of_our_kernels" in s else ""
    return (
        f"{s['over_fastest_dense']:.2f} x the speed of the fastest dense form ({s['fastest_dense']}), "
        f"{s['multiply_adds_one_head']:.2f} by multiply-adds\n"
        f"{s['over_plain']:.2f} x the plain one (oneDNN or cuDNN); "
        f"{s['over_all_stages']:.2f} x all stages, {s['multiply_adds_all_stages']:.2f} by multiply-adds{ours}"
    )


def _stages(r: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = [("by stage", "ms p50", "p95")]
    rows += [(name, f"{ms['p50']:.2f}", f"{ms['p95']:.2f}") for name, ms in r["stages_ms"].items()]
    return table(rows, (1, 2))


def _parts(r: dict[str, Any]) -> str:
    parts = {name: ms for name, ms in r["parts_ms"].items() if name != "sum"}
    total = r["parts_ms"]["sum"]
    rows: list[tuple[object, ...]] = [("where it goes", "ms", "share")]
    rows += [(name, f"{ms:.3f}", percent(ms / total if total else None)) for name, ms in parts.items()]
    note = (
        f"operations one by one, a pass of its own: {total:.2f} ms in all, against {r['ms']['cascade']['p50']:.2f} ms"
    )
    return f"{table(rows, (1, 2))}\n{note}"


def training_text(results: list[dict[str, Any]]) -> str:
    """One paragraph a device and batch."""
    return "\n\n".join(map(_steps, results))


def _steps(r: dict[str, Any]) -> str:
    from lcnb.benchmark.training import KINDS

    head = (
        f"{r['device']}, batches of {r['batch']} crops of {r['crop'][0]}x{r['crop'][1]}; "
        f"reach stage 1 / 2 / 3: {' / '.join(map(percent, r['reached']))}"
    )
    rows: list[tuple[object, ...]] = [("step", "ms p50", "p95", "")]
    rows += [(k, f"{r['ms'][k]['p50']:.1f}", f"{r['ms'][k]['p95']:.1f}", about) for k, about in KINDS.items()]
    ratios = (
        f"step two is {r['cascade_over_deep']:.2f} x as fast as step one, "
        f"and {r['cascade_over_hard']:.2f} x as fast as its losses without regions"
    )
    return f"{head}\n\n{table(rows, (1, 2))}\n\n{ratios}"
