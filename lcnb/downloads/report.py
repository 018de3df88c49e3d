"""What was found on disk."""

from __future__ import annotations

from dataclasses import dataclass

from lcnb.errors import DownloadError


@dataclass(frozen=True)
class Report:
    """Of `lcnb data verify`: whether all is well, and the sentence."""

    ok: bool
    text: str

    def insist(self) -> str:
        """The sentence where all is well.

        Raises:
            DownloadError: with the sentence, where it is not.
        """
        if not self.ok:
            raise DownloadError(f"{self.text}; nothing was changed. For a whole one elsewhere, give --to DIR")
        return self.text
