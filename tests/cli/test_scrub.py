"""No path, time or widget state of this machine survives in an executed notebook."""

import base64
import random
import sys
from pathlib import Path

import pytest

from lcnb.running.notebooks import heading
from lcnb.running.scrub import WIDGET, WIDGET_NOTE, clean, hider, machine_paths

ROOTS = [("/home/me/project/.venv", "$PREFIX"), ("/home/me/project", "."), ("~/project", "."), ("/home/me", "~")]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/home/me/project/lcnb/x.py", "lcnb/x.py"),
        ("in '/home/me/project'", "in '.'"),
        ("/home/me/project/.venv/lib/y.py", "$PREFIX/lib/y.py"),
        ("File ~/project/lcnb/x.py:3", "File lcnb/x.py:3"),
        ("(/home/me/data/z)", "(~/data/z)"),
        ("\x1b[32m/home/me/project/a.py\x1b[0m", "\x1b[32ma.py\x1b[0m"),
        ("file:///home/me/project/a.png", "file://a.png"),
        ("/home/me/project:/home/me", ".:~"),
        ("/home/me/project/", "./"),
        # not these folders at all
        ("/home/meadow/x", "/home/meadow/x"),
        ("/home/me/project-2/x", "~/project-2/x"),
        ("https://host/home/me/project/x", "https://host/home/me/project/x"),
        ("/srv/home/me/x", "/srv/home/me/x"),
        ("/tmp/ipykernel_123/456.py:2: UserWarning", "<cell>:2: UserWarning"),
    ],
)
def test_hides(text, hidden):
    assert hider(ROOTS)(text) == hidden


def test_hides_windows_paths_as_written_and_as_repr():
    hide = hider([("C:\\Users\\me\\project", "."), ("C:\\Users\\me", "~")])
    assert hide("C:\\Users\\me\\project\\x.py") == "x.py"
    assert hide("'C:\\\\Users\\\\me\\\\project\\\\x.py'") == "'x.py'"
    assert hide("C:/Users/me/y") == "~/y"


def test_the_roots_of_this_machine(home, monkeypatch, tmp_path):
    monkeypatch.setenv("LCNB_DATA", str(tmp_path / "data"))
    hide = hider(machine_paths(home / "notebooks", tmp_path / "out"))
    given = [home / "notebooks" / "a", home / "b", tmp_path / "out" / "c", tmp_path / "data" / "d"]
    assert [hide(str(p)) for p in given] == ["a", "b", "$OUT/c", "$LCNB_DATA/d"]
    assert hide(f"{sys.prefix}/lib/x.py") == "$PREFIX/lib/x.py"
    assert hide(str(Path.home() / "e")) == "~/e"


def test_no_roots_hide_nothing():
    assert hider([])("/home/me ~ .") == "/home/me ~ ."


def executed():
    times = {"start_time": "2020", "status": "completed"}
    png = "AAAA/home/me/project/BBBB"  # chance in base64 must not be touched
    return {
        "nbformat": 4,
        "metadata": {
            "papermill": {"input_path": "/home/me/x", "start_time": "2020", "parameters": {"photo": "/home/me/p.jpg"}},
            "widgets": {"state": {}},
            "language_info": {"name": "python", "version": "3.11.7"},
        },
        "cells": [
            {
                "cell_type": "code",
                "id": "random",
                "metadata": {"tags": ["injected-parameters"], "papermill": times},
                "source": ['photo = "/home/me/p.jpg"'],
                "outputs": [],
            },
            {
                "cell_type": "code",
                "id": "kept",
                "metadata": {"papermill": times, "execution": {"iopub.status.busy": "2020"}},
                "source": "open('/home/me/own')",
                "outputs": [
                    {"output_type": "stream", "text": ["at /home/me/project/x\n"]},
                    {"output_type": "display_data", "data": {"image/png": png, "text/html": "<a href='/home/me'>"}},
                    {"output_type": "display_data", "data": {WIDGET: {"model_id": "1"}, "text/plain": "HBox()"}},
                    {"output_type": "error", "traceback": ["File /home/me/project/x.py"], "evalue": "/home/me"},
                ],
            },
        ],
    }


def test_cleans_a_notebook():
    before = executed()
    after = clean(before, ROOTS)
    assert before == executed()  # the original is left alone
    assert after["metadata"] == {"language_info": {"name": "python"}, "papermill": {"parameters": {"photo": "~/p.jpg"}}}
    injected, cell = after["cells"]
    assert injected["id"] == "injected-parameters-0"
    assert injected["source"] == ['photo = "~/p.jpg"']
    assert cell["id"] == "kept"
    assert cell["metadata"] == {}
    assert cell["source"] == "open('/home/me/own')"  # what the author wrote is the author's
    stream, image, widget, error = cell["outputs"]
    assert stream["text"] == ["at x\n"]
    assert image["data"] == {"image/png": "AAAA/home/me/project/BBBB", "text/html": "<a href='~'>"}
    assert widget["data"]["text/plain"] == WIDGET_NOTE
    assert WIDGET not in widget["data"]
    assert error == {"output_type": "error", "traceback": ["File x.py"], "evalue": "~"}


def test_a_widget_that_brings_a_page_leaves_it():
    bundle = {WIDGET: {"model_id": "1"}, "text/plain": "Explorer()", "text/html": "<div>drag</div>"}
    cell = {"cell_type": "code", "metadata": {}, "source": "x", "outputs": [{"data": bundle}]}
    (left,) = clean({"metadata": {}, "cells": [cell]}, [])["cells"][0]["outputs"]
    assert left["data"] == {"text/plain": WIDGET_NOTE, "text/html": "<div>drag</div>"}


@pytest.mark.timeout(20)
def test_a_film_inside_html_stays_as_it_is_and_costs_no_time():
    film = base64.b64encode(random.Random(0).randbytes(600_000)).decode()
    html = f'<video src="data:video/mp4;base64,{film}+/here/x"></video> /here/x.py'
    assert hider([("/here", ".")])(html) == f'<video src="data:video/mp4;base64,{film}+/here/x"></video> x.py'


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["x" * 10**6, "\r" + "x" * 10**6, "[" * 10**6, "/" * 10**6, "\x1b[0" * 10**5])
def test_a_long_line_costs_no_time(text, tmp_path):
    """A search of quadratic time would take hours, and no signal would reach it."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": [text[: 10**6]]}] * 2
    cell = {"cell_type": "code", "metadata": {}, "source": "x", "outputs": outputs}
    (done,) = clean({"metadata": {}, "cells": [cell]}, ROOTS)["cells"][0]["outputs"]
    assert len("".join(done["text"])) == 2 * len(text[: 10**6])
    heading(
        {"cells": [{"cell_type": "markdown", "source": f"# {text}\n\n{text}\n\n| **You will** | {' ' * 10**5}"}]}, "x"
    )


def test_text_that_came_in_pieces_is_one_output():
    """What a cell printed, in however many pieces the kernel happened to send it: one output"""

    def stream(text, name="stdout"):
        return {"output_type": "stream", "name": name, "text": text}

    def cleaned(*outputs):
        cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "outputs": list(outputs)}
        return clean({"cells": [cell], "metadata": {}}, [])["cells"][0]["outputs"]

    result = {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {}}
    whole = [stream(["a\n", "bc\n", "d"])]
    assert cleaned(*whole) == whole
    assert cleaned(stream(["a\n"]), stream(["b"]), stream("c\nd")) == whole
    apart = [stream(["a\n"]), stream(["b\n"], "stderr"), stream(["c\n"]), result, stream(["d\n"])]
    assert cleaned(*apart) == apart
