"""The core needs torch, torchvision, numpy, safetensors and pillow, and nothing else: all else is kept from it here."""

import json
import subprocess
import sys
import tomllib

import pytest

from lcnb.paths import extra
from tests.test_setup import ROOT, bounds

EXTRAS = (
    "IPython", "anywidget", "ipykernel", "ipywidgets", "jupyter_client", "jupyter_core", "jupyterlab", "latex2mathml",
    "matplotlib", "av", "nbclient", "nbconvert", "nbformat", "onnx", "onnxruntime", "onnxscript", "openvino", "pandas",
    "papermill", "psutil", "pytest", "scipy", "seaborn", "timm", "torchmetrics", "traitlets", "triton", "yaml",
)  # fmt: skip
"""Import names of what comes with the extras, and of Triton."""
BLOCK = f"""
import importlib.machinery
finder = importlib.machinery.PathFinder.find_spec
def hidden(name, *rest):
    return None if name.partition(".")[0] in {EXTRAS!r} else finder(name, *rest)
importlib.machinery.PathFinder.find_spec = staticmethod(hidden)
"""
ASKING = ("plots", "widgets", "running")
"""Packages that need an extra as soon as they are imported."""


def core():
    """Every module of lcnb that has to be importable with the core alone."""
    files = sorted((ROOT / "lcnb").rglob("*.py"))
    names = [".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for f in files]
    kernels = ("lcnb.regions.triton_kernels", "lcnb.regions.triton_launch", "lcnb.regions.triton_backend")
    return [n for n in names if n.split(".")[1:2] not in [[p] for p in ASKING] and n not in kernels]


WORK = """
import contextlib, importlib, io, json, sys
found = {"failed": {}, "said": {}}
for name in NAMES:
    try:
        importlib.import_module(name)
    except ImportError as error:
        found["failed"][name] = str(error)
import lcnb
from lcnb.cli import main
image, mask = lcnb.load_dataset("streets", "val")[0]
found["labels"] = list(lcnb.load("streets-small").for_inference()(image[None, :, :64, :96].float() / 255).labels.shape)
for command in COMMANDS:
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        found["said"][command] = [main(command.split()), said.getvalue()]
json.dump(found, sys.stdout)
"""
COMMANDS = ("info", "weights list", "run 00", "video data/streets/drive.mp4 --out no.mp4")


@pytest.fixture(scope="module")
def alone():
    """What happened in a Python that has the core alone."""
    names = [n for n in core() if n != "lcnb.__main__"]
    code = f"{BLOCK}\nNAMES, COMMANDS = {names!r}, {COMMANDS!r}\n{WORK}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout) | {"names": names}


def test_the_core_needs_neither_jupyter_nor_triton_nor_matplotlib(alone):
    """Neither Jupyter, Matplotlib, Triton, PyAV nor psutil installed: every module of the core can be imported."""
    assert len(alone["names"]) > 100
    assert alone["failed"] == {}


def test_the_core_works_alone(alone):
    """None of the extras installed: a cascade is loaded, prepared and run."""
    assert alone["labels"] == [1, 64, 96]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_what_is_missing(alone, command):
    """A command without the extra that it needs: it runs, or one sentence names what to install."""
    code, said = alone["said"][command]
    if command.startswith(("run", "video")):
        assert code == 1
        assert said.startswith("lcnb: error: ")
        assert f"`{extra('notebooks')}`" in said
        assert said.count("\n") == 1
    else:
        assert (code, said) == (0, "")


def test_what_is_kept_from_it_covers_the_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in bounds(
        [*project["optional-dependencies"]["notebooks"], *project["optional-dependencies"]["bench"], "triton>=3"]
    ):
        assert name in EXTRAS
