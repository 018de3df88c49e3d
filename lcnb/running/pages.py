"""Executed notebooks as HTML pages that need nothing from anywhere: no script hosts, formulas as MathML."""

from __future__ import annotations

import json
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import markdown_mistune

from lcnb.paths import written_whole

TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block body_header -%}
{{ super() }}
<p style="margin: 12px 24px; font-family: var(--jp-ui-font-family, sans-serif)">
<a href="{{ resources.lcnb_index }}" style="color: var(--jp-content-link-color)">&larr; All notebooks</a></p>
{%- endblock -%}
{%- block codecell -%}
{%- if "bootstrap" not in cell.metadata.get("tags", []) -%}{{ super() }}{%- endif -%}
{%- endblock codecell -%}
"""
"""nbconvert's page without its references to script hosts and the cell that installs lcnb, and with a way back."""


class _Exporter(HTMLExporter):
    """nbconvert's exporter, with formulas turned into MathML here instead of by a script in the reader's browser."""

    def markdown2html(self, context: Any, source: str) -> str:
        renderer = MathRenderer(
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=True,
            path=context.get("resources", {}).get("metadata", {}).get("path", ""),
            anchor_link_text=self.anchor_link_text,
        )
        return markdown_mistune.MarkdownWithMath(renderer=renderer).render(source)

    # jinja2 passes the context to filters that carry this mark
    markdown2html.jinja_pass_arg = HTMLExporter.markdown2html.jinja_pass_arg  # type: ignore[attr-defined]


class MathRenderer(markdown_mistune.IPythonRenderer):
    """Markdown to HTML, formulas as MathML."""

    def inline_math(self, body: str) -> str:
        return mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return mathml(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")


@cache
def mathml(tex: str, display: str) -> str:
    """A formula as MathML, which every browser of today draws by itself; the TeX as text if it cannot be converted."""
    try:
        from latex2mathml.converter import convert

        return convert(tex.strip(), display=display)
    except Exception:  # whatever a converter makes of unusual TeX: the page must still be written
        return f"<code>{escape(tex)}</code>"


def write_html(content: dict[str, Any], target: Path, title: str, folder: Path, index: str = "index.html") -> None:
    """Write an executed notebook as a page.

    Args:
        content: its JSON.
        target: the file.
        title: of the page.
        folder: relative image paths in the text start here; the images are embedded.
        index: link to the list of all notebooks.
    """
    exporter = _Exporter(raw_template=TEMPLATE, anchor_link_text="#")
    resources = {"metadata": {"name": title, "path": str(folder)}, "lcnb_index": index}
    node = nbformat.reads(json.dumps(content), as_version=4)
    html, _ = exporter.from_notebook_node(node, resources)
    with written_whole(target) as path:
        path.write_text(html, encoding="utf-8")
