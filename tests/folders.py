"""What lies in a folder, to be compared before and after."""

from pathlib import Path


def tree(folder: Path) -> dict[str, bytes]:
    """Path and content of every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
