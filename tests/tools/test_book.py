"""The site: built of what is stored, with every link followed; what is broken is named and ends the build."""

import json
import subprocess
import sys

import pytest

from lcnb import addresses
from tools.book.__main__ import build
from tools.book.check import Scan, check
from tools.book.contents import REQUIRED, BookError, contents, markdown_files, root

MINE = "https://github.com/me/mine"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The book of this checkout, where no address is set."""
    return built(tmp_path_factory, "")


@pytest.fixture(scope="module")
def addressed(tmp_path_factory):
    """The same where one is."""
    return built(tmp_path_factory, MINE)


def built(tmp_path_factory, address):
    out = tmp_path_factory.mktemp("site") / "book"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "REPOSITORY", address)
        return out, build(root(), out)


def test_every_notebook_and_every_text_is_in_it(book):
    out, pages = book[0], contents(root())
    sources = {p.source for p in pages}
    stored = {p.relative_to(root()).as_posix() for p in (root() / "notebooks").rglob("*.ipynb")}
    assert sources == stored | set(markdown_files(root()))
    for page in pages:
        scan = Scan((out / page.target).read_text(encoding="utf-8"))
        assert len(scan.links) > len(pages)  # the navigation
    assert (out / "docs" / "slider.html").is_file()


def test_it_loads_nothing_from_elsewhere_and_every_link_inside_holds(book):
    assert check(book[0])[0] == []


def test_addresses_that_lead_out_are_listed_and_made_of_the_setting(addressed, monkeypatch):
    listed = (addressed[0] / "outside.txt").read_text(encoding="utf-8").split()
    assert listed == addressed[1]
    monkeypatch.setattr(addresses, "REPOSITORY", MINE)
    assert addresses.colab("notebooks/00_quickstart.ipynb") in listed
    assert addresses.binder("notebooks/00_quickstart.ipynb") in listed


def test_without_an_address_nothing_leads_to_a_repository(book):
    assert not [a for a in book[1] if "github" in a or "mybinder" in a]
    html = (book[0] / "notebooks" / "00_quickstart.html").read_text(encoding="utf-8")
    assert not any(text in html for text in ("Open in Colab", "Open on Binder", ">Source<"))
    assert "CITATION.cff" in (book[0] / "index.html").read_text(encoding="utf-8")  # its name stays, without a link


def test_a_notebook_page_has_its_code_pictures_and_slider(book):
    html = (book[0] / "notebooks" / "00_quickstart.html").read_text(encoding="utf-8")
    content = json.loads((root() / "notebooks" / "00_quickstart.ipynb").read_text(encoding="utf-8"))
    code = [
        c for c in content["cells"] if c["cell_type"] == "code" and "bootstrap" not in c["metadata"].get("tags", [])
    ]
    assert html.count('class="highlight code"') == len(code)
    assert html.count('<img class="output"') >= 4
    assert 'alt="' in html
    assert "make book" not in html  # nothing of another page
    assert '<a rel="next" href="01_difficulty.html">' in html


def test_the_search_index_has_every_section(book):
    text = (book[0] / "search.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("window.lcnbSearch = ").rstrip().rstrip(";"))
    assert {entry[0] for entry in index} == {p.target for p in contents(root())}
    (found,) = [e for e in index if e[0] == "notebooks/00_quickstart.html" and e[3] == "Is it really faster?"]
    assert found[2] == "is-it-really-faster"
    assert "Sparse, and no faster" in found[4]
    assert "#" not in found[3]


def test_the_workflow_builds_it_as_a_person_does():
    text = (root() / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    assert "- run: make book" in text
    assert "path: build/book" in text


@pytest.fixture
def tree(tmp_path):
    """A small checkout with every page that must be there."""
    base = tmp_path / "base"
    for name in [n for names in REQUIRED.values() for n in names]:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        cell = {"cell_type": "markdown", "source": f"# Title of {name}\n", "metadata": {}}
        text = json.dumps({"cells": [cell]}) if name.endswith(".ipynb") else cell["source"]
        (base / name).write_text(text, encoding="utf-8")
    (base / "docs" / "slider.html").write_text("<p>slider</p>", encoding="utf-8")
    return base


def add(base, name, text):
    path = base / name
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + text, encoding="utf-8")


def test_links_between_sources_become_links_between_pages(tree, monkeypatch):
    monkeypatch.setattr(addresses, "REPOSITORY", MINE)
    (tree / "docs" / "a.png").write_bytes(b"x")
    add(tree, "docs/architecture.md", "## One & two\n\n## One & two\n")
    add(
        tree,
        "README.md",
        "\n[a](docs/architecture.md#one--two-1) [n](notebooks/04_training.ipynb) [d](data/) [s](docs)",
    )
    add(tree, "docs/performance.md", '\n![p](a.png)\n\n<img src="a.png" alt="q"> [home](../README.md)')
    build(tree, tree / "out")
    home = (tree / "out" / "index.html").read_text(encoding="utf-8")
    for address in ("docs/architecture.html#one--two-1", "notebooks/04_training.html", "data/index.html"):
        assert f'<a href="{address}">' in home
    assert f'href="{addresses.source("docs")}"' in home
    page = (tree / "out" / "docs" / "performance.html").read_text(encoding="utf-8")
    assert page.count('src="a.png"') == 2
    assert 'href="../index.html">home' in page
    assert (tree / "out" / "docs" / "a.png").is_file()

    monkeypatch.setattr(addresses, "REPOSITORY", "")
    add(tree, "README.md", '\n<a href="docs">h</a>\n')
    build(tree, tree / "again")
    home = (tree / "again" / "index.html").read_text(encoding="utf-8")
    assert '<a href="data/index.html">d</a> s' in home
    assert "<a >h</a>" in home


def test_new_pages_are_picked_up(tree):
    add(tree, "docs/history.md", "# History: a plan")
    (tree / "notebooks" / "solutions").mkdir()
    for name in ("09_later", "solutions/04_training"):
        (tree / "notebooks" / f"{name}.ipynb").write_text((tree / "notebooks" / "04_training.ipynb").read_text())
    found = [(p.section, p.source, p.short) for p in contents(tree)]
    assert ("Background", "docs/history.md", "History") in found
    lessons = [s for section, s, _ in found if section == "Lessons"]
    assert lessons[-1] == "notebooks/09_later.ipynb"
    assert ("Solutions", "notebooks/solutions/04_training.ipynb") in [f[:2] for f in found]


@pytest.mark.parametrize(
    ("page", "text", "complaint"),
    [
        ("docs/performance.md", "[x](nowhere.md)", r"docs/performance\.md links to nowhere\.md, which is not there"),
        ("README.md", "[x](docs/architecture.md#no)", "names a heading that docs/architecture.html does not have"),
        ("README.md", "[x](../../etc/passwd)", "which is not there"),
        ("README.md", "![x](https://example.org/a.png)", "loads https://example.org/a.png from another host"),
        ("README.md", '<script src="//example.org/a.js"></script>', "from another host"),
        ("CHANGELOG.md", '<a id="content">x</a>', "the id content occurs 2 times"),
        ("docs/lost/x.md", "# Lost", "docs/lost/x.md: in no section"),
    ],
)
def test_what_is_broken_ends_the_build_and_leaves_the_old_book(tree, page, text, complaint):
    build(tree, tree / "build" / "book")
    before = (tree / "build" / "book" / "index.html").read_text(encoding="utf-8")
    (tree / page).parent.mkdir(exist_ok=True)
    add(tree, page, f"\n{text}\n")
    with pytest.raises(BookError, match=complaint):
        build(tree, tree / "build" / "book")
    assert (tree / "build" / "book" / "index.html").read_text(encoding="utf-8") == before
    assert [p.name for p in (tree / "build").iterdir()] == ["book"]


def test_a_missing_page_and_one_without_a_title_are_named(tree):
    (tree / "docs" / "architecture.md").write_text("no heading", encoding="utf-8")
    with pytest.raises(BookError, match=r"architecture\.md has no heading"):
        contents(tree)
    (tree / "notebooks" / "04_training.ipynb").unlink()
    with pytest.raises(BookError, match=r"the book needs notebooks/04_training\.ipynb"):
        contents(tree)


def test_a_notebook_stored_with_an_error_is_refused_and_the_bootstrap_cell_not_shown(tree):
    error = {"output_type": "error", "ename": "KeyError", "evalue": "", "traceback": []}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# T"},
        {"cell_type": "code", "metadata": {"tags": ["bootstrap"]}, "source": "fetch_it()", "outputs": []},
        {"cell_type": "code", "metadata": {}, "source": "x = '<b>'", "outputs": []},
    ]
    path = tree / "notebooks" / "04_training.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    build(tree, tree / "out")
    page = (tree / "out" / "notebooks" / "04_training.html").read_text(encoding="utf-8")
    assert "fetch_it" not in page
    assert "&lt;b&gt;" in page
    cells[2]["outputs"] = [error]
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    with pytest.raises(BookError, match="stored with an error"):
        build(tree, tree / "out")


def test_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tools.book", "--out", str(tmp_path / "b")],
        cwd=root(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "every link inside holds" in done.stdout
    assert (tmp_path / "b" / "index.html").is_file()
