"""docs/reproduction.md is what the kept results give, and its ledger covers the paper's claims."""

import re

from lcnb.reproduction import ledger, stored
from tools import reproduction_page as built


def test_the_page_is_what_the_results_give():
    assert built.PAGE.read_text(encoding="utf-8") == built.page(), "run: python -m tools.reproduction_page"


def test_the_readme_shows_what_the_results_give():
    assert built.README.read_text(encoding="utf-8") == built.readme(), "run: python -m tools.reproduction_page"


def test_the_readme_counts_all_claims_and_names_those_that_failed():
    words = [claim.finding().word for claim in ledger.CLAIMS]
    text = built.README.read_text(encoding="utf-8")
    pattern = (
        r'\*\*(\d+) of (\d+) verdicts .* "reproduced", (\d+) "partly", (\d+) "not reproduced"\*\*;\n(\d+) claims cannot'
    )
    said = re.search(pattern, text)
    counts = [words.count(word) for word in ("reproduced", "partly", "not reproduced", "untestable here")]
    assert [int(n) for n in said.groups()] == [counts[0], len(words), *counts[1:]]
    failed = [claim for claim, word in zip(ledger.CLAIMS, words, strict=True) if word == "not reproduced"]
    for claim in failed:
        assert f"- {claim.title} ({claim.source}).\n  Printed: {claim.printed}.\n" in text
    assert text.count("\n  Printed: ") == len(failed)


def test_every_claim_has_a_row_with_a_verdict_and_files_that_exist():
    text = built.PAGE.read_text(encoding="utf-8")
    for claim in ledger.CLAIMS:
        (row,) = [line for line in text.splitlines() if line.startswith("|") and f"| {claim.title} |" in line]
        assert f"**{claim.finding().word}**" in row
        assert all((built.DOCS / "results" / f"{name}.json").is_file() for name in claim.results)
    assert sum(ledger.counted().values()) == len(ledger.CLAIMS) >= 12


def test_what_is_measured_on_camvid_is_measured_on_all_of_val():
    for name in {n for claim in ledger.CLAIMS for n in claim.results if "camvid" in n}:
        assert (stored(name)["split"], stored(name)["images"]) == ("val", 101), name


def test_commands_name_no_machine_paths():
    assert not re.search(r"/(home|root|work|tmp)/", built.page())
