"""Notebook 02 teaches without Triton too: its cells run where the package cannot be found."""

import json
import re
import subprocess
import sys

from tests.cli.conftest import ROOT

HIDE = """
import importlib.machinery, sys
finder = importlib.machinery.PathFinder.find_spec
def hidden(name, *rest):
    return None if name.partition(".")[0] == "triton" else finder(name, *rest)
importlib.machinery.PathFinder.find_spec = staticmethod(hidden)

import IPython.display  # notes are Markdown: their text, as a page has it
IPython.display.display = lambda *shown, **_: print(*(s.data for s in shown if isinstance(s, IPython.display.Markdown)))
"""


def test_the_kernel_cells_of_02_say_that_it_is_missing_and_go_on():
    """Triton not installed: notebook 02 says so, and teaches on."""
    cells = json.loads((ROOT / "notebooks" / "02_region_convolution.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = ["".join(c["source"]) for c in cells]
    stop = next(i for i, s in enumerate(sources) if s.startswith("## When is it faster"))
    code = [s for c, s in zip(cells[:stop], sources, strict=False) if c["cell_type"] == "code"]
    assert any("import triton" in s for s in code)
    script = "\n\n".join([HIDE, *code, "assert 'triton' not in sys.modules"])
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Triton is not installed; what needs it is skipped" in done.stdout
    assert re.search(r"Largest difference \d\.\de-0[6-9]", done.stdout), done.stdout
