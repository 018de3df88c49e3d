"""Write docs/performance.md and its figures from the kept results of `lcnb bench`.

Every figure of the page is read from a file in docs/results; a test compares the page with what these files give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lcnb import plots
from lcnb.plots.style import encode
from lcnb.reproduction import stored
from tools.pages import DOCS, filled, shell, table

PAGE = DOCS / "performance.md"
OPS = {
    "bench-ops-width-1": "width 1, 512x512 (64x64 cells)",
    "bench-ops-width-025": "width 0.25, 480x360 (60x45 cells)",
}
MODELS = {
    "bench-model-streets-small": "streets-small, its own exits",
    "bench-model-camvid-small": "camvid-small, its own exits",
    "bench-model-voc-lite": "voc-lite, its own exits, halo 1",
    "bench-model-width-1-rho-985": "width 1, 512x512, exits of rho = .985",
    "bench-model-width-1-rho-8": "width 1, 512x512, exits of rho = .8",
}
LOSSLESS = {
    "bench-model-streets-small-halo": "T1-streets-small-halo1",
    "bench-model-camvid-small-halo": "T1-camvid-small-halo1",
    "bench-model-voc-lite": "T1-voc-lite-halo1",
}
"""A setting that is said to lose nothing, and the sweep that says so."""
COMPILED = {
    "bench-model-streets-small-compiled": "streets-small, its own exits",
    "bench-model-camvid-small-compiled": "camvid-small, its own exits",
    "bench-model-width-1-rho-985-compiled": "width 1, 512x512, exits of rho = .985",
}
TRAINING, SYSTEMS = "bench-training-streets-small", "bench-systems-width-1"
ALL = (*OPS, *MODELS, *(n for n in LOSSLESS if n not in MODELS), *COMPILED, SYSTEMS, TRAINING)
TIMES = {
    "cascade": "cascade", "plain": "plain", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "rho = 1": "rho = 1",
}  # fmt: skip
"""Of a table's columns: in the result, and on the page."""
STAGES = ("stage 1", "stage 2", "stage 3", "labels")


def pages() -> dict[Path, str | bytes]:
    """The page and its figures."""
    text = filled(
        PAGE,
        machine=_machines(ALL), models=_models(MODELS), compiled=_compiled(),
        stages=_stages(), parts=_parts(), native=_native(), ops=_ops(), systems=_systems(),
        talk=_talk(), training=_training(), lossless=_lossless(),
        commands=shell(_commands()), not_measured=shell(_not_measured()), early=_early(),
    )  # fmt: skip
    return {PAGE: text, **{DOCS / "images" / name: data for name, data in figures().items()}}


def figures() -> dict[str, bytes]:
    """PNG by file name."""
    speeds = [(title, _first(name)["speedup"]) for name, title in MODELS.items()]
    blocks = plots.blocks_on_regions([stored(n) for n in OPS], list(OPS.values()))
    if legend := blocks.axes[-1].get_legend():  # time falls with the share, so room is in the upper left
        legend.set_loc("upper left")
        legend.set_bbox_to_anchor((0.01, 0.86))
    return {
        "break-even.png": encode(blocks, photo=False),
        "speed-ups.png": encode(plots.speed_ups(speeds), photo=False),
    }


def _first(name: str) -> Mapping[str, Any]:
    return stored(name)["results"][0]


def _machines(names: Iterable[str]) -> str:
    """Of the machines that results name, one line each."""
    found = []
    for name in names:
        m, load = stored(name)["machine"], stored(name)["load"]
        vector = f" ({m['vector']})" if "vector" in m else ""
        torch = m["torch"].split("+")[0]
        line = f"{m['cores']} cores of an {m['cpu']}{vector}, torch {torch}, {m['threads']} threads, no GPU"
        found.append((line, f"`{name}` ({'; '.join(load['reasons'])})" if load["busy"] else ""))
    lines = "; ".join(dict.fromkeys(line for line, _ in found))
    noisy = [note for _, note in found if note]
    return lines + (f". Measured on a machine that was not quiet: {', '.join(noisy)}" if noisy else "")


def _models(models: Mapping[str, str]) -> str:
    rows = []
    for name, title in models.items():
        r = _first(name)
        speed, ms = r["speedup"], r["ms"]
        exits = " / ".join(f"{100 * e:.0f}" for e in r["exits"])
        of_count = speed["over_fastest_dense"] / speed["multiply_adds_one_head"]
        times = [f"{ms[k]['p50']:.0f}" if k in ms else "-" for k in TIMES]
        ratios = [f"{speed[k]:.2f}" for k in ("over_plain", "over_fastest_dense", "multiply_adds_one_head")]
        rows.append([title, exits, *times, *ratios, f"{of_count:.2f}"])
    head = ["", "exit at 1 / 2 / 3, %", *(f"{name}, ms" for name in TIMES.values())]
    return table([*head, "x plain", "x fastest dense", "by multiply-adds", "of the promise"], rows)


def _native() -> str:
    """The cascade with and without our kernels, beside the plain network."""
    rows = []
    for name, title in (MODELS | _lossless_titles()).items():
        ms, speed = _first(name)["ms"], _first(name)["speedup"]
        times = [ms[k]["p50"] for k in ("plain", "without our kernels", "cascade")]
        ratios = [times[0] / times[1], speed["over_plain"], speed["of_our_kernels"]]
        rows.append([title, *(f"{t:.0f}" for t in times), *(f"{r:.2f}" for r in ratios)])
    head = ["", "plain, ms", "cascade without, ms", "with, ms", "x plain without", "x plain with", "with / without"]
    return table(head, rows)


def _compiled() -> str:
    rows = []
    for name, title in COMPILED.items():
        speed, ms = _first(name)["speedup"], _first(name)["ms"]
        own, rival = ms["cascade"]["p50"], ms["compiled"]["p50"]
        times = [f"{ms[k]['p50']:.0f}" for k in ("cascade", "plain", "compiled", "rho = 1")]
        rows.append([title, *times, f"{rival / own:.2f}", f"{speed['multiply_adds_one_head']:.2f}"])
    head = ["", "cascade, ms", "plain, ms", "plain compiled, ms", "rho = 1, ms", "x plain compiled", "by multiply-adds"]
    return table(head, rows)


def _lossless_titles() -> dict[str, str]:
    found = {name: stored(name)["settings"] for name in LOSSLESS}
    return {name: f"{s['weights']}, rho {s['rho']:g}, halo {s['halo']}" for name, s in found.items()}


def _lossless() -> str:
    """The settings, and below them what table 1 found for each in true runs."""
    changes = []
    for name, found in LOSSLESS.items():
        settings, sweep = stored(name)["settings"], stored(found)
        (change,) = [row["true_minus_dense"] for row in sweep["rows"] if row["rho"] == settings["rho"]]
        interval = f"{change['value']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]"
        changes.append(f"{interval} on the {sweep['images']} images of {sweep['dataset']} {sweep['split']}")
    said = f"In true runs they change mIoU, against rho = 1, by {'; and by '.join(changes)}."
    return f"{_models(_lossless_titles())}\n\n{said}"


def _stages() -> str:
    rows = [[title, *(f"{_first(name)['stages_ms'][s]['p50']:.1f}" for s in STAGES)] for name, title in MODELS.items()]
    return table(["milliseconds", *STAGES], rows)


def _parts() -> str:
    names = [n for n in _first(next(iter(MODELS)))["parts_ms"] if n != "sum"]
    rows = []
    for name, title in MODELS.items():
        parts = _first(name)["parts_ms"]
        rows.append([title, *(f"{100 * parts[n] / parts['sum']:.0f} %" for n in names)])
    return table(["", *names], rows)


def _ops() -> str:
    tables = []
    for name, title in OPS.items():
        found: dict[str, dict[float, str]] = {}
        for r in stored(name)["results"]:
            found.setdefault(r["op"], {})[r["share"]] = f"{r['paths']['rows']['over_dense_x_share']:.2f}"
        shares = sorted(next(iter(found.values())), reverse=True)
        rows = [[op, *(by_share[s] for s in shares)] for op, by_share in found.items()]
        tables.append(f"{title}:\n\n" + table(["block", *(f"{s:g}" for s in shares)], rows))
    return "\n\n".join(tables)


def _systems() -> str:
    rows = []
    for r in stored(SYSTEMS)["results"]:
        ratio, count = r["speed_over_deeplab_v2"], r["multiply_adds_below_deeplab_v2"]
        printed = "; ".join(
            f"{p['source']} {p['speed_over_deeplab_v2']:.2f}" for p in r["printed"] if "speed_over_deeplab_v2" in p
        )
        rows.append(
            [
                r["title"],
                f"{r['gmac']:.1f}",
                f"{r['ms']['p50']:.0f}",
                f"{ratio:.2f}",
                f"{count:.2f}",
                f"{ratio / count:.2f}",
                printed or "-",
            ]
        )
    return table(
        ["network", "GMAC", "ms", "x DeepLab-v2", "by multiply-adds", "ratio of both", "printed, x DeepLab-v2"], rows
    )


def _early() -> str:
    """Of the cascade whose exits were given."""
    return " and ".join(f"{100 * share:g}" for share in stored(SYSTEMS)["settings"]["exits"])


def _talk() -> str:
    """The talk's two speed-ups beside what counting and measuring give here."""
    found = {r["system"]: r for r in stored(SYSTEMS)["results"]}
    lc, lines = found["lc"], []
    for name, printed in (("deeplab-v2", "14.7 / 7.1 = 2.07"), ("dpn", "14.7 / 5.7 = 2.58")):
        other = found[name]
        time, count = other["ms"]["p50"] / lc["ms"]["p50"], other["gmac"] / lc["gmac"]
        lines.append(
            f"{printed} over {other['title']}, where multiply-adds allow {count:.2f} and {time:.2f} is measured here"
        )
    return (
        f"The talk prints {lines[0]}; and {lines[1]}. The first is more than the work explains, and the second less: "
        "printed frames a second are of different programs, each as good as its authors made it."
    )


def _training() -> str:
    found, dtype = _first(TRAINING), stored(TRAINING)["settings"]["dtype"]
    rows = [[kind, f"{t['p50']:.0f}"] for kind, t in found["ms"].items()]
    said = (
        f"In {dtype} the second step is {found['cascade_over_deep']:.2f} times as fast as the first, and "
        f"{found['cascade_over_hard']:.2f} times as fast as its losses without regions."
    )
    return f"{table(['a step of', 'ms'], rows)}\n\n{said}"


def _commands() -> str:
    return "\n".join(stored(name)["command"] for name in ALL)


def _not_measured() -> str:
    return "\n".join(entry["command"] for name in (*OPS, *MODELS, SYSTEMS) for entry in stored(name)["not_measured"])
