"""Follow every link of the built book: those inside must hold, those that lead out are listed and load nothing."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

HEADINGS = ("h1", "h2", "h3")
SILENT = ("script", "style", "nav", "math")


@dataclass
class Section:
    """A heading with the text below it, for the search."""

    name: str
    heading: str = ""
    text: list[str] = field(default_factory=list)


class Scan(HTMLParser):
    """What a page names, links to, loads and says.

    Attributes:
        ids: every id, with how often it occurs.
        links: addresses of `<a>`.
        loads: addresses that a browser fetches by itself.
        sections: of the text inside `<main>`.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.sections: list[Section] = []
        self._silent, self._heading, self._anchor = 0, False, False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids[found["id"]] += 1
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif address := found.get("src") or found.get("poster") or (tag == "link" and found.get("href")):
            self.loads.append(str(address))
        self._silent += tag in SILENT
        self._anchor = tag == "a" and found.get("class") == "anchor"
        if tag in HEADINGS and "id" in found and not self._silent:
            self.sections.append(Section(found["id"]))
            self._heading = True

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT
        self._anchor = False
        if tag in HEADINGS:
            self._heading = False

    def handle_data(self, data: str) -> None:
        if self._silent or self._anchor or not self.sections:
            return
        if self._heading:
            self.sections[-1].heading += data
        else:
            self.sections[-1].text.append(data)


def check(out: Path) -> tuple[list[str], list[str]]:
    """Follow every link of every page under `out`.

    Returns:
        What is wrong, a sentence each; and the addresses that lead out of the book.
    """
    scans = {p.relative_to(out).as_posix(): Scan(p.read_text(encoding="utf-8")) for p in sorted(out.rglob("*.html"))}
    wrong, outside = [], set()
    for page, scan in scans.items():
        wrong += [f"{page}: the id {name} occurs {n} times" for name, n in scan.ids.items() if n > 1]
        for address in [*scan.links, *scan.loads]:
            if address.startswith(("data:", "mailto:")):
                continue
            if re.match(r"([a-z]+:)?//", address):
                if address in scan.loads:
                    wrong.append(f"{page}: loads {address} from another host")
                outside.add(address)
            elif complaint := _inside(page, address, scans, out):
                wrong.append(complaint)
    for style in out.rglob("*.css"):
        wrong += [f"{style.name}: loads {a}" for a in re.findall(r"(?:url\(|@import)[^;)]*", style.read_text("utf-8"))]
    return wrong, sorted(outside)


def _inside(page: str, address: str, scans: dict[str, Scan], out: Path) -> str | None:
    path, _, fragment = unquote(address).partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    if not (out / target).is_file():
        return f"{page}: {address} leads nowhere"
    if fragment and target in scans and fragment not in scans[target].ids:
        return f"{page}: {address} names a heading that {target} does not have"
    return None
