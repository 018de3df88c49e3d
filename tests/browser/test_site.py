"""The site as `make book` builds it, opened from a folder: complete, on a phone too, with no request to elsewhere."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.lab import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ELSEWHERE = ("github.com", "mybinder.org", "colab.research")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Built without an address of a repository."""
    out = tmp_path_factory.mktemp("site") / "book"
    clean = {k: v for k, v in os.environ.items() if k not in ("LCNB_REPOSITORY", "MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "--assume-old=setup", "book", f"BIN={Path(sys.executable).parent}", f"SITE={out}"]
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def page(browser):
    page, trouble = browser.new_page(), []
    page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: trouble.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else trouble.append(r.url))
    yield page
    page.close()
    assert trouble == []


def test_every_notebook_is_there_with_its_alt_texts_and_without_the_cell_that_installs(site):
    notebooks = sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb"))
    for path in notebooks:
        shown = (site / path.relative_to(ROOT).with_suffix(".html")).read_text(encoding="utf-8")
        texts = {html.unescape(text) for text in re.findall(r'<img\b[^>]*? alt="([^"]+)"', shown)}
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            stored = [m["alt"] for o in cell.get("outputs", []) for m in o.get("metadata", {}).values() if "alt" in m]
            assert set(stored) <= texts, path
        assert "lcnb-checkout" not in shown
    assert len(notebooks) == 18


def test_without_an_address_no_page_leads_to_a_repository(site):
    for path in site.rglob("*.html"):
        links = re.findall(r'href="(https?://[^"]+)', path.read_text(encoding="utf-8"))
        assert not [link for link in links if any(host in link for host in ELSEWHERE)], path


def test_the_reference_has_what_a_package_exports_with_its_docstring(site):
    from lcnb import regions

    shown = (site / "docs/api/lcnb.regions.html").read_text(encoding="utf-8")
    assert not [name for name in regions.__all__ if f'id="lcnb.regions.{name}"' not in shown]
    assert "Raises" in shown


def test_every_page_opens_without_a_complaint_and_fits_a_phone(page, site):
    page.set_viewport_size({"width": 390, "height": 800})
    pages = [path for path in sorted(site.rglob("*.html")) if not {"_static", "photo"} & set(path.parts)]
    assert len(pages) > 60
    wide = {}
    for path in pages:
        page.goto(path.as_uri())
        assert page.title()
        wide[path.name] = page.evaluate("document.documentElement.scrollWidth")
    assert {name: width for name, width in wide.items() if width > 390} == {}


def test_the_front_page_leads_to_the_slider_and_sliders_in_notebooks_need_no_kernel(page, site):
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Drag the threshold in your browser").click()
    page.wait_for_url("**/slider.html")
    for address in (page.url, (site / "notebooks" / "00_quickstart.html").as_uri()):
        page.goto(address)
        root = page.locator('.lcnb-cached[data-ready="yes"]').first
        root.wait_for()
        before = root.get_attribute("data-left")
        root.get_by_role("slider").first.focus()
        page.keyboard.press("Home")
        assert root.get_attribute("data-left") != before


def test_the_front_page_leads_to_the_network_in_the_browser_where_it_could_be_built(site):
    front = (site / "index.html").read_text(encoding="utf-8")
    built = (site / "photo" / "index.html").exists()
    assert built == ('href="photo/index.html"' in front)
    assert "your own photograph" in front


def test_search_finds_a_section_from_a_folder(browser, site):
    page = browser.new_page()  # its summaries need a server, and the browser says so
    page.goto((site / "search.html").as_uri() + "?q=really+faster")
    page.locator("#search-results a", has_text="Quickstart").first.click()
    page.wait_for_url("**/notebooks/00_quickstart.html*")
    page.close()


def test_with_an_address_pages_have_launch_buttons():
    code = "import json, runpy; print(json.dumps(runpy.run_path('docs/conf.py')['html_theme_options']))"
    env = os.environ | {"LCNB_REPOSITORY": "https://github.com/me/mine"}
    options = json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=env, text=True))
    assert options["repository_url"] == "https://github.com/me/mine"
    assert set(options["launch_buttons"]) >= {"binderhub_url", "colab_url"}


def test_a_broken_link_ends_the_build(tmp_path):
    (tmp_path / "README.md").write_text("# Title\n\n[x](nowhere.md) [y](#no-heading)\n", encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "dummy", "-c", str(ROOT / "docs")]
    done = subprocess.run([*command, str(tmp_path), str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "'nowhere.md'" in done.stderr
    assert "'no-heading'" in done.stderr
