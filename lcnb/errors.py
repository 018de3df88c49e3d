"""Errors a user can act on: each says what was wrong, with the value, and what to do."""

import errno
import re
from pathlib import Path

REASONS = {
    errno.ENOSPC: "the disk is full; free some space, then run it again",
    errno.EDQUOT: "your disk quota is used up; free some space, then run it again",
    errno.EFBIG: "it would be larger than files may be here; name another place",
    errno.EROFS: "that place is read-only; name another one",
    errno.EACCES: "that place is not yours to write to; name another one",
    errno.EPERM: "that place is not yours to write to; name another one",
    errno.ENOTDIR: "a file is where a folder would have to be; name another place",
    errno.EEXIST: "a file is where a folder would have to be; name another place",
    errno.EISDIR: "a folder has that name; name a file",
    errno.ENAMETOOLONG: "its name is too long; name it shorter",
}
"""Why something cannot be written, and what to do."""


def printable(text: str) -> str:
    """A text that cannot steer a terminal: names of files and what files hold are other people's."""
    return "".join(c if c.isprintable() else "?" for c in text)


def first_line(error: BaseException) -> str:
    """What an error of foreign code says, in a line; its kind if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class LcnbError(Exception):
    """Base of all errors that the command line prints as one sentence, without a traceback."""


class WriteError(LcnbError, OSError):
    """A file cannot be written; what had its name before is as it was."""

    def __init__(self, path: Path, error: OSError) -> None:
        why = REASONS.get(error.errno or 0) or f"{error.strerror or error}; name another place"
        kept = "; the one that is there is unchanged" if path.is_file() else ""
        super().__init__(f"{path} cannot be written: {why}{kept}")
        self.errno = error.errno


class NotFiniteError(LcnbError, ArithmeticError):
    """A network computed NaN or infinity where numbers belong: its image or its weights hold such values."""


class TraceError(LcnbError, RuntimeError):
    """A run whose work depends on the image was traced or exported."""


class DataError(LcnbError):
    """A data set is missing, incomplete or damaged."""


class WeightsError(LcnbError):
    """Weights are missing, damaged or of another network."""


class DownloadError(DataError):
    """A data set could not be fetched, checked or put into its place."""


_SHORT = re.compile(
    r"out of memory|can't allocate memory|not enough memory|bad_alloc|ALLOC_FAILED|Unable to allocate", re.IGNORECASE
)
_AMOUNT = re.compile(r"[Tt]ried to allocate ([\d.]+ ?[KMGT]?i?B|\d+ bytes)|Unable to allocate ([\d.]+ [KMGT]iB)")


_SHARED = re.compile(r"shared memory|</?torch_\d+|bus error", re.IGNORECASE)
"""torch passes tensors between processes through /dev/shm, 64 MB in a container unless it is told otherwise."""


def shared_memory_shortage(error: BaseException) -> str | None:
    """The whole sentence where shared memory was too small for processes that read images; else None."""
    chain = [error, error.__cause__, error.__context__]
    if isinstance(error, LcnbError) or not any(isinstance(e, RuntimeError) and _SHARED.search(str(e)) for e in chain):
        return None
    return (
        "shared memory (/dev/shm), through which processes that read images pass them on, is too small; give the "
        "container more (docker run --shm-size=2g), or --workers 0"
    )


def memory_shortage(error: BaseException) -> str | None:
    """What is short of memory, as the start of a sentence, whichever way torch or numpy say so; else None.

    Example:
        "the GPU is out of memory (2.00 GiB more were asked for)"
    """
    if isinstance(error, LcnbError) or not isinstance(error, (MemoryError, RuntimeError)):
        return None
    if shared_memory_shortage(error):
        return None
    text = str(error)
    if not isinstance(error, MemoryError) and not _SHORT.search(text):
        return None
    gpu = type(error).__name__ == "OutOfMemoryError" or re.search(r"CUDA|CUBLAS|CUDNN|HIP|MPS", text)
    found = _AMOUNT.search(text)
    amount = "" if found is None else next(filter(None, found.groups()))
    if amount.endswith(" bytes"):
        amount = f"{int(amount.split()[0]) / 2**30:.2f} GiB"
    return f"the {'GPU' if gpu else 'machine'} is out of memory{f' ({amount} more were asked for)' if amount else ''}"
