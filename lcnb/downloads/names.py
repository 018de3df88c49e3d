"""Which names of an archive's entries, or of a list, may become files below a folder: plain ones, on every system."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 240
"""Letters of a path; Windows ends at 260."""
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')


def fault(name: str) -> str | None:
    """What is wrong with a relative path written with "/", or None."""
    if FORBIDDEN.search(name):
        return "it holds a character that no file name should have"
    if name.startswith("/"):
        return "it is absolute"
    parts = name.split("/")
    if ".." in parts:
        return "it leads out of the folder"
    if not name or "" in parts or "." in parts:
        return "it has an empty part"
    if len(name) > LONGEST:
        return f"it has more than {LONGEST} letters"
    if any(RESERVED.fullmatch(part) or part[-1] in ". " for part in parts):
        return "Windows cannot have it"
    return None


def alike(name: str) -> str:
    """Equal for two names that are one file on a system that ignores case or the form of accents."""
    return unicodedata.normalize("NFC", name).casefold()
