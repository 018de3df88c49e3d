"""Build the book: see `tools/book/__init__.py`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from pygments.formatters import HtmlFormatter

from tools.book.check import Scan, check
from tools.book.contents import BookError, contents, root
from tools.book.layout import SLIDER, page_html
from tools.book.render import Links, body


def build(base: Path, out: Path) -> list[str]:
    """Write the book of the checkout `base` into the folder `out`, which it replaces whole.

    Returns:
        The addresses that lead out of it.

    Raises:
        BookError: a page is missing or a link is broken; an older book stays as it was.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        made = Path(scratch) / "book"
        write(base, made)
        wrong, outside = check(made)
        if wrong:
            raise BookError("the book has broken links: " + "; ".join(wrong))
        (made / "outside.txt").write_text("".join(f"{address}\n" for address in outside), encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        made.rename(out)
    return outside


def write(base: Path, out: Path) -> None:
    """Every file of the book, unchecked."""
    pages = contents(base)
    targets = {page.source: page.target for page in pages}
    copied, index = {SLIDER}, []
    for page in pages:
        links = Links(page, base, targets)
        html = page_html(page, pages, body(page, links), links)
        _put(out / page.target, html)
        copied |= links.copied
        index += [
            [page.target, page.short, s.name, s.heading.strip(), " ".join("".join(s.text).split())]
            for s in Scan(html).sections
        ]
    for name in copied:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(base / name, out / name)
    _put(out / "search.js", f"window.lcnbSearch = {json.dumps(index, ensure_ascii=False, separators=(',', ':'))};\n")
    here = files("tools.book")
    _put(out / "book.js", here.joinpath("book.js").read_text(encoding="utf-8"))
    _put(out / "book.css", here.joinpath("book.css").read_text(encoding="utf-8") + _colours())


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _colours() -> str:
    """Of code, by day and by night."""
    day, night = (HtmlFormatter(style=s).get_style_defs(".highlight") for s in ("default", "github-dark"))
    return f"{day}\n@media (prefers-color-scheme: dark) {{\n{night}\n}}\n"


def main() -> int:
    """Build, and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.book", description="Build the site of notebooks and docs.")
    parser.add_argument("--out", type=Path, default=Path("build/book"), help="folder (default: build/book)")
    out = parser.parse_args().out
    try:
        outside = build(root(), out)
    except BookError as error:
        print(f"book: error: {error}", file=sys.stderr)
        return 1
    pages = len(list(out.rglob("*.html")))
    print(f"{pages} pages, every link inside holds; {len(outside)} addresses lead out (outside.txt), unvisited")
    print(f"open {out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
