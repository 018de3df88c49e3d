"""One JupyterLab and one browser for all browser tests, and for them alone: Playwright runs an event loop."""

import json
import os

import pytest

from tests.browser.lab import CHROMIUM_FLAGS, ROOT, Notebook, chromium, jupyterlab

SHOTS = ROOT / "build" / "screenshots"


def unexecuted(content):
    """A notebook without its outputs: what a number in a prompt then says was done in this session."""
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return content


@pytest.fixture(scope="package")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        (folder / notebook.name).write_text(json.dumps(unexecuted(json.loads(notebook.read_text()))))
    with jupyterlab(folder) as address:
        yield address


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        message = "no chromium found; install Debian's package, or name one in LCNB_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)  # CI never skips it
        pytest.skip(message)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")), executable_path=path, headless=True, args=CHROMIUM_FLAGS,
            viewport={"width": 1280, "height": 1000},
        )  # fmt: skip
        yield context
        context.close()


@pytest.fixture
def open_notebook(lab, browser, request):
    """Opens a notebook by name; keeps a screenshot of the page when the test ends."""
    pages = []

    def open_one(name):
        page = browser.new_page()
        pages.append(page)
        return Notebook(page, lab.format(name))

    yield open_one
    SHOTS.mkdir(parents=True, exist_ok=True)
    for page in pages:
        page.screenshot(path=SHOTS / f"{request.node.name}.png")
        page.close()
