"""A real JupyterLab and a real browser, for tests of what a reader does.

Lab runs with its token on 127.0.0.1 over a copy of the notebooks; Debian's chromium is driven by Playwright.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """The browser's path, or None."""
    return os.environ.get("LCNB_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """JupyterLab over `folder`; yields the address of a notebook, to be formatted with its name.

    Each notebook has a workspace of its own: Lab would open the earlier ones beside it.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, home = secrets.token_hex(16), folder / ".home"
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "ws"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "GOMP_SPINCOUNT": "1000",
    }
    _setting(home, "apputils-extension/notification", '{"fetchNews": "false", "checkForUpdates": false}')
    _setting(home, "notebook-extension/tracker", '{"windowingMode": "none"}')  # all prompts are in the page
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    secret = [f"--IdentityProvider.token={token}", "--ServerApp.allow_root=True"]
    command = [sys.executable, "-m", "jupyterlab", *options, *secret]
    with (folder / ".lab.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", process, folder / ".lab.log")
        yield f"http://127.0.0.1:{port}/lab/workspaces/{{0}}/tree/{{0}}.ipynb?token={token}"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()


def _setting(home: Path, plugin: str, text: str) -> None:
    file = home / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _wait_for(address: str, process: subprocess.Popen, log: Path, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


class Notebook:
    """One notebook in one page."""

    def __init__(self, page, address: str) -> None:
        self.page = page
        page.goto(address)
        page.locator(".jp-Notebook").first.wait_for(timeout=90_000)
        wait_until(self._idle, 120, "the kernel")

    def _idle(self) -> bool:
        """Whether the kernel waits for work. Lab sometimes asks which kernel to take: the one it offers."""
        offer = self.page.locator(".jp-Dialog .jp-mod-accept")
        if offer.count():
            offer.first.click()
        return self.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').count() > 0

    def run_all(self, seconds: float = 300) -> None:
        """Run > Run All Cells. On a fresh server the first click is sometimes lost in part: click again while the
        kernel rests and cells are left over."""
        deadline, rested = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            found = self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
            prompts = [text for text in found if text]  # a folded cell has none
            idle = self._idle() and not any("*" in p for p in prompts)
            if idle and prompts and all(re.search(r"\d", p) for p in prompts):
                return
            rested = rested + 1 if idle else 0
            if rested >= 5:
                rested = 0
                self.page.get_by_role("menuitem", name="Run", exact=True).click()
                self.page.get_by_text("Run All Cells", exact=True).click()
            self.page.wait_for_timeout(500)
        raise TimeoutError(f"the notebook did not finish in {seconds} s; prompts: {prompts}")

    def errors(self) -> list[str]:
        """Tracebacks and stderr in outputs."""
        found = self.page.locator(
            '[data-mime-type="application/vnd.jupyter.stderr"], .jp-RenderedText[data-mime-type*="error"]'
        )
        return found.all_inner_texts()


def look(locator) -> str:
    """A hash of what an element looks like."""
    return hashlib.sha256(locator.screenshot()).hexdigest()
