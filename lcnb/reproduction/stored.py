"""Results that were measured before and are kept: what notebooks show without measuring for hours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lcnb.errors import DataError
from lcnb.paths import checkout


def stored(result: str | Path) -> dict[str, Any]:
    """A result as `lcnb reproduce` and its sisters wrote it.

    Args:
        result: a name in `docs/results` of the checkout, such as "T2-camvid-small", or the path of a JSON file.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    folder = (checkout() or Path()) / "docs" / "results"
    path = Path(result) if Path(result).suffix == ".json" else folder / f"{result}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in folder.glob("[!.]*.json"))) or "none"
        raise DataError(
            f"no result at {path}; in {folder} there are: {known}. `lcnb reproduce --help` says how one is measured"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); restore it, or measure it again") from None
