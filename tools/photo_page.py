"""Build the page that runs the real network in a browser: `python -m tools.photo_page FOLDER`.

ONNX Runtime for browsers comes from npm, the network from `data/weights`; the sources are in docs/photo. Where npm, the
runtime or what writes ONNX is missing, nothing is built and a sentence says so: the site does without the page.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import torch

import lcnb
from lcnb.errors import LcnbError
from lcnb.export import MODULE, RHOS, STYLE
from lcnb.export.slider import shares
from lcnb.models.onnx import AllStages, onnx_model
from lcnb.palettes import class_colours, stage_colours

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = "voc-lite"
LONGEST = 480
"""Pixels of an image's longer side: a browser computes all stages on every cell."""
RUNTIME, SHA256 = "onnxruntime-web@1.30.0", "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
SAMPLES = ("dog", "horses", "chelsea")


class MissingError(LcnbError):
    """The page cannot be built here."""


def runtime(folder: Path) -> None:
    """The runtime's files, into a folder.

    Raises:
        MissingError: there is no npm, it cannot fetch the package, or the package is another one.
    """
    if shutil.which("npm") is None:
        raise MissingError("npm is missing")
    with tempfile.TemporaryDirectory() as place:
        fetched = subprocess.run(["npm", "pack", RUNTIME, "--silent"], cwd=place, capture_output=True, check=False)
        archives = list(Path(place).glob("*.tgz"))
        if fetched.returncode or not archives:
            raise MissingError(f"npm cannot fetch {RUNTIME}")
        if hashlib.sha256(archives[0].read_bytes()).hexdigest() != SHA256:
            raise MissingError(f"{RUNTIME} is not the package that was tested")
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archives[0]) as archive:
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                assert member is not None
                (folder / name).write_bytes(member.read())


def network(folder: Path) -> dict[str, object]:
    """The model, into a folder, and what the page has to know of it."""
    cascade = lcnb.load(WEIGHTS)
    weights = ROOT / "data" / "weights" / WEIGHTS / "model.safetensors"
    model = f"{WEIGHTS}-{hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}.onnx"
    outputs = [f"stage_{s + 1}" for s in range(cascade.stage_count)]
    if not (folder / model).exists():
        example = torch.rand(1, 3, 96, 128)
        (folder / model).write_bytes(onnx_model(AllStages(cascade), example, outputs, any_size=True, half=True))
    rho, classes = float(cascade.rho), list(cascade.meta["classes"])
    samples = [[name, f"{name}.jpg"] for name in SAMPLES]
    return {
        "model": model, "outputs": outputs, "classes": classes, "colours": class_colours(classes), "rho": rho,
        "stages": stage_colours(cascade.stage_count), "stops": sorted({*RHOS, rho}), "longest": LONGEST,
        "cost": shares(lcnb.cascade_cost(cascade, 360, LONGEST)), "samples": samples,
    }  # fmt: skip


def build(folder: Path) -> None:
    """The whole page.

    Raises:
        LcnbError: something that it takes is missing.
    """
    if not all((folder / "ort" / name).exists() for name in FILES):
        runtime(folder / "ort")
    for name, text in (("about.json", json.dumps(network(folder))), ("slider.js", MODULE), ("slider.css", STYLE)):
        (folder / name).write_text(text, encoding="utf-8")
    for path in [*(ROOT / "docs" / "photo").iterdir(), *(ROOT / "data" / "photos" / f"{name}.jpg" for name in SAMPLES)]:
        shutil.copy(path, folder)


def main() -> None:
    """Build it, or say why not."""
    folder = Path(sys.argv[1])
    try:
        build(folder)
    except LcnbError as error:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"the page for your own photograph is left out: {error}")


if __name__ == "__main__":
    main()
