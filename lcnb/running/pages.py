"""What a run leaves: each notebook, cleaned, also as a page that needs nothing from anywhere; and a list of them all.

Pages have no script hosts; formulas are MathML. The list has a notebook's title, first sentence, a thumbnail, seconds
and how it ended.
"""

from __future__ import annotations

import base64
import datetime
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import markdown_mistune
from PIL import Image

from lcnb.datasets.images import encoded
from lcnb.paths import written_whole
from lcnb.running import scrub
from lcnb.running.notebooks import declared, heading
from lcnb.running.process import Failure, Outcome

RECORD = "run.json"
THUMBNAIL = (360, 225)
"""Pixels, of the box that an image is fitted into."""

STYLE = """
:root { color-scheme: light dark; --text: #1c2430; --soft: #566072; --page: #f6f7f9; --card: #fff; --line: #dde1e8;
  --link: #0b5cad; --good: #1a7f4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e8ebf0; --soft: #a2abba; --page: #14181e; --card: #1d232b;
  --line: #333b47; --link: #7ab8ff; --good: #5fd39a; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 32px 20px 48px; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 4px; }
body > p { color: var(--soft); margin: 0 0 24px; }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 20px; list-style: none;
  margin: 0; padding: 0; }
li { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; display: flex;
  flex-direction: column; }
.thumbnail { display: block; height: 190px; background: #fff; border-bottom: 1px solid var(--line); }
.thumbnail img { width: 100%; height: 100%; object-fit: contain; display: block; }
.text { padding: 14px 16px 16px; display: flex; flex-direction: column; gap: 8px; flex: 1; }
h2 { font-size: 1.1rem; line-height: 1.3; margin: 0; }
.text p { margin: 0; }
.about { flex: 1; }
.facts { color: var(--soft); font-size: .875rem; }
.fact { white-space: nowrap; }
.ok { color: var(--good); font-weight: 600; }
.failed { color: var(--bad); font-weight: 600; }
a { color: var(--link); }
"""
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


def publish(outcome: Outcome, out: Path) -> dict[str, Any]:
    """Write `<out>/<name>.ipynb` and `.html`; each is whole, or the old one stays.

    A notebook that failed is written as far as it got. One that cannot be made into a page counts as failed:
    `outcome.failure` is set.

    Returns:
        The notebook's entry of the index.
    """
    notebook, folder = outcome.notebook, outcome.notebook.path.parent
    roots = scrub.machine_paths(folder, out)
    content = scrub.clean(outcome.content or notebook.read(), roots)
    with written_whole(out / f"{notebook.name}.ipynb") as path:
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    title = heading(content, notebook.name)[0]
    home = "../" * notebook.name.count("/") + "index.html"
    try:
        write_html(content, out / f"{notebook.name}.html", title, folder, home)
    except Exception as error:  # nbconvert raises many kinds; the other notebooks still run
        outcome.failure = outcome.failure or Failure("crash", f"no page can be made of it ({error})")
    settings = {name: p.default for name, p in declared(outcome.notebook).items()} | outcome.parameters
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return entry(outcome, content, settings, today, scrub.hider(roots))


def entry(
    outcome: Outcome,
    content: dict[str, Any],
    settings: dict[str, Any],
    date: str,
    hide: Callable[[str], str] = str,
) -> dict[str, Any]:
    """What the record keeps of a notebook, as JSON takes it.

    Args:
        outcome: how it went.
        content: the executed notebook, cleaned.
        settings: all parameters it ran with, defaults included.
        date: ISO day.
        hide: makes an error message one that can be published.
    """
    title, sentence = heading(content, outcome.notebook.name)
    return {
        "name": outcome.notebook.name,
        "title": title,
        "about": sentence,
        "ok": outcome.ok,
        "seconds": round(outcome.seconds, 1),
        "peak_mb": round(outcome.peak_mb),
        "private_mb": round(outcome.private_mb),
        "parameters": settings,
        "error": None if outcome.failure is None else hide(outcome.failure.message),
        "date": date,
        "thumbnail": thumbnail(content),
    }


def write_index(out: Path, entries: Iterable[dict[str, Any]], machine: dict[str, Any]) -> Path:
    """Write `index.html` and its record; notebooks of earlier runs that are still in the folder stay listed.

    Returns:
        The page.
    """
    record = {e["name"]: e for e in _earlier(out)} | {e["name"]: e for e in entries}
    listed = [e for _, e in sorted(record.items()) if (out / f"{e['name']}.ipynb").is_file()]
    with written_whole(out / RECORD) as path:
        path.write_text(json.dumps({"machine": machine, "notebooks": listed}, indent=1) + "\n", encoding="utf-8")
    page = out / "index.html"
    with written_whole(page) as path:
        path.write_text(index_html(listed, machine), encoding="utf-8")
    return page


def _earlier(out: Path) -> list[dict[str, Any]]:
    try:
        kept = json.loads((out / RECORD).read_text(encoding="utf-8"))["notebooks"]
        return [e for e in kept if isinstance(e["name"], str) and index_html([e], {})]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []  # none, or of another version: the page shows this run only


def index_html(entries: list[dict[str, Any]], machine: dict[str, Any]) -> str:
    """The page; everything it needs is in it."""
    where = ", ".join(str(machine[k]) for k in ("cpu", "gpu") if machine.get(k))
    threads = f"{machine['cores']} cores" if machine.get("cores") else ""
    facts = escape(" · ".join(t for t in ("Executed notebooks", where, threads) if t))
    cards = "\n".join(map(_card, entries))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Deep Layer Cascade in notebooks</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Deep Layer Cascade in notebooks</h1>\n<p>{facts}</p>\n<ul>\n{cards}\n</ul>\n</body>\n</html>\n"
    )


def _card(e: dict[str, Any]) -> str:
    page, source, title = escape(f"{e['name']}.html"), escape(f"{e['name']}.ipynb"), escape(e["title"])
    image = f'<img src="{e["thumbnail"]}" alt="A figure of this notebook">' if e["thumbnail"] else ""
    figure = f'<a class="thumbnail" href="{page}" tabindex="-1" aria-hidden="true">{image}</a>\n' if image else ""
    mark = '<span class="ok">ok</span>' if e["ok"] else f'<span class="failed">failed: {escape(e["error"])}</span>'
    named = [str(e["parameters"][k]) for k in ("dataset", "profile") if k in e["parameters"]]
    plain = [f"{e['seconds']:.0f} s", f"{e['peak_mb']} MB", *named, e["date"]]
    facts = " · ".join([mark, *(f'<span class="fact">{escape(text)}</span>' for text in plain)])
    return (
        f'<li>{figure}<div class="text">\n<h2><a href="{page}">{title}</a></h2>\n'
        f'<p class="about">{escape(e["about"])}</p>\n<p class="facts">{facts}</p>\n'
        f'<p class="facts"><a href="{source}">notebook</a></p>\n</div></li>'
    )


def thumbnail(content: dict[str, Any]) -> str | None:
    """The first image among the outputs, small, as a data address; None if there is none."""
    for data in _images(content):
        try:
            with Image.open(io.BytesIO(base64.b64decode(data))) as image:
                small = image.convert("RGBA")
        except (OSError, ValueError, SyntaxError):
            continue
        small.thumbnail((2 * THUMBNAIL[0], 2 * THUMBNAIL[1]))  # twice, for dense screens
        white = Image.new("RGBA", small.size, "white")
        webp = encoded(Image.alpha_composite(white, small).convert("RGB"), "WEBP", quality=80)
        return "data:image/webp;base64," + base64.b64encode(webp).decode()
    return None


def _images(content: dict[str, Any]) -> Iterator[str]:
    """base64 of every image, as an output of its own or inside HTML."""
    for cell in content["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind in ("image/png", "image/jpeg"):
                if kind in data:
                    yield _text(data[kind])
            yield from re.findall(r"data:image/(?:png|jpeg|webp);base64,([\w+/=]+)", _text(data.get("text/html", "")))


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


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
    """Markdown to HTML: formulas as MathML, links to other notebooks as links to their pages."""

    def link(self, text: str, url: str, title: str | None = None) -> Any:
        # A folder of pages has nothing else of the repository.
        return text if url.startswith("../") else super().link(text, re.sub(r"\.ipynb$", ".html", url), title)

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
