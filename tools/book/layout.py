"""What stands around a page's content: navigation, search, ways to run a notebook, previous and next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from itertools import groupby

from lcnb import addresses
from tools.book.contents import Page
from tools.book.render import Links

SLIDER = "docs/slider.html"
HEADING = re.compile(r'<h2 id="([^"]+)">(.*?) <a class="anchor"')


def page_html(page: Page, pages: Sequence[Page], content: str, links: Links) -> str:
    """The whole page.

    Args:
        page: this one.
        pages: all, in reading order.
        content: its HTML.
        links: of this page.
    """
    here = pages.index(page)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(page.title)} · lcnb</title>\n"
        f'<link rel="stylesheet" href="{links.relative("book.css")}">\n</head>\n'
        f'<body data-root="{links.relative(".")}">\n<a class="skip" href="#content">To the content</a>\n'
        f"{_navigation(page, pages, content, links)}\n"
        f'<main id="content">\n<p class="ways"><a class="menu" href="#contents">Contents</a> {_ways(page)}</p>\n'
        f"{content}\n{_neighbours(pages[here - 1 : here], pages[here + 1 : here + 2], links)}\n</main>\n"
        f'<script src="{links.relative("book.js")}"></script>\n</body>\n</html>\n'
    )


def _navigation(page: Page, pages: Sequence[Page], content: str, links: Links) -> str:
    parts = []
    for section, members in groupby(pages, key=lambda p: p.section):
        items = [_item(p, page, content, links) for p in members]
        if section == "Start":
            items.append(f'<li><a href="{links.relative(SLIDER)}">Drag the threshold</a></li>')
        parts.append(f"<h2>{section}</h2>\n<ul>{''.join(items)}</ul>")
    search = (
        '<div role="search"><label for="search">Search</label>'
        '<input id="search" type="search" autocomplete="off" placeholder="press / to search">'
        '<p id="found" role="status"></p><ol id="hits"></ol></div>'
    )
    return f'<nav id="contents" aria-label="Contents">\n{search}\n{chr(10).join(parts)}\n</nav>'


def _item(page: Page, current: Page, content: str, links: Links) -> str:
    link = f'href="{links.relative(page.target)}"'
    if page != current:
        return f"<li><a {link}>{escape(page.short)}</a></li>"
    headings = [f'<li><a href="#{name}">{text}</a></li>' for name, text in HEADING.findall(content)]
    inner = f"<ul>{''.join(headings)}</ul>" if headings else ""
    return f'<li><a {link} aria-current="page">{escape(page.short)}</a>{inner}</li>'


def _ways(page: Page) -> str:
    ways = [(addresses.source(page.source), "Source")]
    if page.source.endswith(".ipynb"):
        ways.insert(0, (addresses.colab(page.source), "Open in Colab"))
        ways.insert(1, (addresses.binder(page.source), "Open on Binder"))
    return " · ".join(f'<a href="{escape(address)}">{name}</a>' for address, name in ways if address is not None)


def _neighbours(before: Sequence[Page], after: Sequence[Page], links: Links) -> str:
    def to(page: Page, rel: str, text: str) -> str:
        return f'<a rel="{rel}" href="{links.relative(page.target)}">{text}</a>'

    parts = [to(p, "prev", f"&larr; {escape(p.short)}") for p in before]
    parts += [to(p, "next", f"{escape(p.short)} &rarr;") for p in after]
    return f'<p class="neighbours">{"".join(parts)}</p>'
