"""What opens when somebody opens our notebooks and pages: nothing that runs by itself, nothing from elsewhere."""

import json
import re

from lcnb.export.slider import SCRIPT
from lcnb.running.pages import index_html, write_html
from tests.cli.conftest import ROOT

NOTEBOOKS = sorted(p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
KINDS = {"text/plain", "text/html", "text/markdown", "image/png", "image/jpeg", "image/svg+xml"}
EVIL = "<script>alert('x')</script>\"'&"
HANDLER = re.compile(r"<[^>]*\son\w+\s*=|javascript:|<iframe|<object|<embed|<base\b|<meta", re.IGNORECASE)


def text_of(value):
    return value if isinstance(value, str) else "".join(value)


def outputs(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    return [o for cell in content["cells"] for o in cell.get("outputs", [])]


def test_stored_notebooks_bring_no_code_but_their_cells():
    """Our stored notebooks: no cell claims to be trusted, outputs are text, pictures and HTML without handlers"""
    assert len(NOTEBOOKS) >= 18
    for path in NOTEBOOKS:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert "signature" not in content["metadata"]
        assert not any("trusted" in cell["metadata"] for cell in content["cells"])
        for output in outputs(path):
            data = output.get("data", {})
            assert data.keys() <= KINDS, path.name
            svg = text_of(data.get("image/svg+xml", ""))
            assert "<script" not in svg, path.name
            html = re.sub(r";base64,[\w+/=]+", "", text_of(data.get("text/html", ""))) + svg
            assert not HANDLER.search(html), path.name
            assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", html), path.name


def test_the_only_script_in_outputs_is_the_sliders():
    """Scripts in stored outputs: only the slider's own, as it is in the package, and data that is no script"""
    found = 0
    for path in NOTEBOOKS:
        for output in outputs(path):
            html = text_of(output.get("data", {}).get("text/html", ""))
            for kind, script in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL):
                found += 1
                assert kind == ' type="application/json"' or script.strip() == SCRIPT.strip(), path.name
            assert html.count("<script") == html.count("</script>")
    assert found


def test_names_and_titles_are_text(tmp_path):
    """A notebook whose title, name, error and parameters are HTML with a script: the pages show them as text"""
    entry = {
        "name": EVIL, "title": EVIL, "about": EVIL, "ok": False, "seconds": 1.0, "peak_mb": 2,
        "parameters": {"dataset": EVIL, "profile": EVIL}, "error": EVIL, "date": EVIL, "thumbnail": None,
    }  # fmt: skip
    page = index_html([entry], {"cpu": EVIL, "gpu": None, "cores": 2})
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert") >= 8
    content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    write_html(content, tmp_path / "x.html", EVIL, tmp_path)
    assert "<script>alert" not in (tmp_path / "x.html").read_text()
