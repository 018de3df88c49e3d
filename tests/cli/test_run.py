"""`lcnb run` refuses what cannot work before anything is executed."""

import pytest

from tests.cli.conftest import write_notebook


def test_nothing_runs_when_a_parameter_is_wrong(lcnb, home):
    for name in ("00_a", "01_b"):
        write_notebook(home / f"{name}.ipynb", "1")
    code, out, error = lcnb("run", "-p", "seeed=1")
    assert (code, out) == (1, "")
    assert error.startswith("lcnb: error: 00_a has no parameter 'seeed'; did you mean 'seed'?")
    assert not (home / "build").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-p", "rho"], 2, "'rho' is not of the form NAME=VALUE"),
        (["--rho", "2"], 2, "2 is no number between 0 and 1"),
        (["--rho", "nan"], 2, "nan is no number between 0 and 1"),
        (["--timeout", "0"], 2, "0 is no number above 0"),
        (["--profile", "fast"], 2, "invalid choice: 'fast'"),
        (["--rho", "0.5", "-p", "rho=0.6"], 1, "rho is given twice"),
        (["--dataset", "kitti"], 1, "no data set is named 'kitti'"),
        (["--dataset", "camvid"], 1, "CamVid is not here"),
        (["nope"], 1, "no notebook is named 'nope'"),
    ],
)
def test_refuses(lcnb, home, arguments, code, words):
    write_notebook(home / "00_a.ipynb", "1")
    result = lcnb("run", *arguments)
    assert result[0] == code
    assert result[2].startswith("lcnb: error: ")
    assert words in result[2]
    assert result[2].count("\n") == 1


def test_says_what_to_install(lcnb, home, monkeypatch):
    monkeypatch.setattr("lcnb.cli.run.NEEDED", ("papermill", "no_such_module"))
    command = 'pip install "lcnb[notebooks]"'  # `home` is no checkout
    assert lcnb("run")[2] == f"lcnb: error: running notebooks needs no_such_module; install with `{command}`\n"
