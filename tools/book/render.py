"""Markdown and notebook cells as HTML; links between sources become links between pages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from html import escape, unescape
from pathlib import Path
from typing import Any

from nbconvert.filters import markdown_mistune
from nbconvert.filters.ansi import strip_ansi
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lcnb import addresses
from lcnb.running.pages import MathRenderer
from tools.book.contents import BookError, Page, cells

COPIED = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".mp4", ".html")
LINK = re.compile(r'\b(href|src)="([^"]*)"')


class Links:
    """What the links of one page become.

    Args:
        page: in which they are.
        base: the checkout.
        targets: source -> target of every page.

    Attributes:
        copied: files of the checkout that must go into the book.
    """

    def __init__(self, page: Page, base: Path, targets: Mapping[str, str]) -> None:
        self.page, self.base, self.targets = page, base, targets
        self.copied: set[str] = set()

    def __call__(self, url: str) -> str | None:
        """The address in the book; None of a file that is not in it, where no `LCNB_REPOSITORY` shows it.

        Raises:
            BookError: it names a file that is not there.
        """
        if not url or url.startswith("#") or re.match(r"[a-z]+:|//", url):
            return url
        path, _, fragment = url.partition("#")
        name = posixpath.normpath(posixpath.join(posixpath.dirname(self.page.source), path))
        if not (self.base / name).exists() or name.startswith(".."):
            raise BookError(f"{self.page.source} links to {url}, which is not there")
        for source in (name, f"{name}/README.md"):
            if source in self.targets:
                return self.relative(self.targets[source]) + (f"#{fragment}" if fragment else "")
        if name.endswith(COPIED):
            self.copied.add(name)
            return self.relative(name)
        return addresses.source(name)

    def relative(self, target: str) -> str:
        """From this page to another place in the book."""
        return posixpath.relpath(target, posixpath.dirname(self.page.target) or ".")


class Renderer(MathRenderer):
    """nbconvert's markdown, with GitHub's names of headings and links that hold in the book."""

    def __init__(self, links: Links) -> None:
        super().__init__(escape=False)
        self.links = links
        self.names: dict[str, int] = {}

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        plain = unescape(re.sub(r"<[^>]+>", "", text))
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        seen = self.names.get(name, 0)
        self.names[name] = seen + 1
        name = f"{name}-{seen}" if seen else name
        anchor = f'<a class="anchor" href="#{name}" aria-label="Link to this heading">#</a>'
        return f'<h{level} id="{name}">{text} {anchor}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        address = self.links(url)
        return text if address is None else super().link(text, address, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return super().image(text, self.links(url) or url, title)

    def block_html(self, html: str) -> str:
        return self._relinked(html)

    def inline_html(self, html: str) -> str:
        return self._relinked(html)

    def _relinked(self, html: str) -> str:
        def linked(match: re.Match[str]) -> str:
            address = self.links(match[2])
            return "" if address is None else f'{match[1]}="{address}"'

        return LINK.sub(linked, html)


def body(page: Page, links: Links) -> str:
    """A page's own content."""
    renderer = Renderer(links)
    parts = []
    for cell in cells(links.base / page.source):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            html = markdown_mistune.MarkdownWithMath(renderer=renderer).render(source)
            parts.append(html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>"))
        elif cell["cell_type"] == "code" and "bootstrap" not in cell["metadata"].get("tags", []):
            parts.append(highlight(source, PythonLexer(), HtmlFormatter(cssclass="highlight code")))
            parts += [_output(output, page) for output in cell["outputs"]]
    return "\n".join(parts)


def _output(output: dict[str, Any], page: Page) -> str:
    if output["output_type"] == "error":
        raise BookError(f"{page.source} is stored with an error ({output['ename']}); execute it again")
    if output["output_type"] == "stream":
        return _text("".join(output["text"]))
    data = {kind: value if isinstance(value, str) else "".join(value) for kind, value in output["data"].items()}
    for kind in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        if kind in data:
            alt = escape(output["metadata"].get(kind, {}).get("alt", ""))
            return f'<img class="output" alt="{alt}" src="data:{kind};base64,{data[kind].strip()}">'
    if "text/html" in data:
        return f'<div class="output">{data["text/html"]}</div>'
    return _text(data["text/plain"])


def _text(text: str) -> str:
    return f'<pre class="output">{escape(strip_ansi(text), quote=False)}</pre>'
