"""One writer a folder: the second command that would write to the same place is refused, with a sentence.

The lock is the operating system's, on an open file; that the file exists means nothing. So a lock ends with the
process that holds it, however that ended, and nothing stale stays. A process that was forked meanwhile (one that
reads images, say) does not keep it alive. Where the file system has no locks, everything goes on without.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from lcnb.errors import LcnbError

LOCK = ".lcnb.lock"
"""In the folder while someone writes there. It holds the number of the process and the command; removed after."""
BYTE = 1 << 30
"""Windows locks bytes, and no process can read them: one far behind what the file holds."""
TRIES = 1000
"""Of making a folder that others make and remove."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""What a file system says that has none."""

_held: dict[tuple[str, int], int] = {}
"""(folder, thread) -> descriptor."""


class LockError(LcnbError):
    """Another process is writing to the folder."""


@contextlib.contextmanager
def locked(folder: str | Path, what: str, instead: str = "give --out another folder") -> Iterator[None]:
    """Hold a folder while the block runs; it is made if missing. The same thread may hold it more than once.

    Args:
        folder: where files will be written.
        what: the command, such as "lcnb run", for the sentence that the other one gets.
        instead: what else that one can do than wait.

    Raises:
        LockError: another process, or another thread of this one, holds it.
        OSError: no file can be made there.
    """
    place = Path(os.path.realpath(folder))
    key = (str(place), threading.get_ident())
    if key in _held:
        yield
        return
    made = [folder for folder in (place, *place.parents) if not folder.exists()]
    descriptor = _acquire(place, instead)
    _held[key] = descriptor
    try:
        with contextlib.suppress(OSError):  # on a full disk the lock holds, without a name
            os.write(descriptor, f"{os.getpid()}\n{what}\n".encode())
        yield
    finally:
        if _held.pop(key, None) is not None:
            _release(place / LOCK, descriptor)
        with contextlib.suppress(OSError):  # where nothing came of it
            for empty in made:
                empty.rmdir()


def _acquire(folder: Path, instead: str) -> int:
    """An open file with the lock on it, that still is the one of that name."""
    path, tries = folder / LOCK, 0
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            tries += 1
            moved = isinstance(error, (FileExistsError, FileNotFoundError))
            if moved and tries < TRIES and _nothing_but_a_folder(folder):
                continue  # another one's folder: removed meanwhile, and perhaps made again since
            raise OSError(error.errno, error.strerror, str(folder)) from None
        try:
            if not _take(descriptor):
                raise LockError(f"{_holder(path)} is writing to {folder}; wait for it, or {instead}")
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                os.ftruncate(descriptor, 0)
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last holder has just removed it


def _nothing_but_a_folder(path: Path) -> bool:
    """Whether a folder or nothing is there. One look: between two, others remove it or make it again."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True


def _holder(path: Path) -> str:
    try:
        number, what = path.read_text(encoding="utf-8").splitlines()[:2]
    except (OSError, ValueError):
        return "another process"
    return f"another `{what}` (process {number})"


def _release(path: Path, descriptor: int) -> None:
    if os.name != "nt":
        path.unlink(
            missing_ok=True
        )  # while it is held: no process can have locked the new one of that name and lose it
    os.close(descriptor)
    if os.name == "nt":  # where no open file can be removed
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> bool:
        """False where another one has the lock."""
        os.lseek(descriptor, BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return error.errno in NO_LOCKS
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        """False where another one has the lock."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            if error.errno not in NO_LOCKS:
                raise
        return True

    def _let_go_in_child() -> None:
        """A forked child shares the open file: it would keep the lock when the parent has ended."""
        for descriptor in _held.values():
            os.close(descriptor)
        _held.clear()

    os.register_at_fork(after_in_child=_let_go_in_child)
