"""The kernels of native.c, compiled for the processor that this runs on, by the C compiler that is there.

As with `torch.compile`, nothing is downloaded and no binary is shipped: `cc` runs once a machine, and what it makes is
kept in the cache folder (`LCNB_CACHE`). Without a compiler, or with `LCNB_NATIVE=0`, everything runs as it does without
them.

What is kept is going to be executed, and loading half of a library ends the process with a signal. So it ends in a
seal, and is looked at before it is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from lcnb.errors import LcnbError, printable
from lcnb.machine import cpu_features
from lcnb.paths import cache_root, written_whole

SWITCH = "LCNB_NATIVE"
FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-shared", "-fPIC")
SECONDS = 60
"""Longest time that a compiler gets."""
SEAL = hashlib.sha256().digest_size
"""Bytes behind the library in a kept file: the digest of all before. Loaders do not look there."""


class NativeError(LcnbError):
    """There are no native kernels here; the message says why."""


def library() -> ctypes.CDLL:
    """The kernels, compiled at the first call of a machine.

    Raises:
        NativeError: there are none here.
        OSError: no room for temporary files, say.
    """
    if os.environ.get(SWITCH) == "0":
        raise NativeError(f"{SWITCH}=0 switches them off")
    command = compiler()
    source = resources.files("lcnb.regions").joinpath("native.c").read_bytes()
    kept = cache_root() / f"native-{digest(source, command)}.so"
    if (found := load_kept(kept)) is not None:
        return found
    with tempfile.TemporaryDirectory(prefix="lcnb-native-") as folder:  # no other user may write here
        (Path(folder) / "native.c").write_bytes(source)
        built = Path(folder) / "native.so"
        _compile([*command, *FLAGS, *_processor(), "-o", str(built), str(Path(folder) / "native.c")])
        _keep(built.read_bytes(), kept)
        return load_kept(kept) or _load(built)


def compiler() -> list[str]:
    """The command of the C compiler: `CC`, else the first of cc, gcc and clang.

    Raises:
        NativeError: there is none, or the system is one that this was not written for.
    """
    if os.name != "posix":
        raise NativeError(f"they are not built on {platform.system()}")
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise NativeError(f"CC is no command ({error})") from None
    for command in (named,) if named else (["cc"], ["gcc"], ["clang"]):
        if path := shutil.which(command[0]):
            return [path, *command[1:]]
    raise NativeError(f"there is no C compiler ({named[0] if named else 'cc, gcc or clang'})")


def digest(source: bytes, command: list[str]) -> str:
    """What the compiled file depends on; a folder that machines share holds one for each kind of processor."""
    parts = [source.hex(), *command, *FLAGS, platform.machine(), platform.system(), cpu_features()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def load_kept(path: Path) -> ctypes.CDLL | None:
    """What was kept, if it is whole and only this user (or root) can have written it; else None.

    On Linux what is loaded is the open file that was looked at: where others may write to the folder, its name may be
    another file's by then.
    """
    with contextlib.ExitStack() as opened:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would be waited for
            opened.callback(os.close, handle)
            if not is_ours(os.fstat(handle)):
                return None
            with open(handle, "rb", closefd=False) as file:
                content = file.read()
            if _seal(content[:-SEAL]) != content[-SEAL:]:
                return None
            itself = Path(f"/proc/self/fd/{handle}")
            found = _load(itself if itself.exists() else path)
        except (OSError, NativeError):
            return None
        opened.pop_all()  # it stays open: loaders know files by name, and would take the next of this number for it
        return found


def is_ours(found: os.stat_result) -> bool:
    """Whether that is a file which only this user (or root) can write."""
    return stat.S_ISREG(found.st_mode) and found.st_uid in (0, os.getuid()) and not found.st_mode & 0o022


def _keep(content: bytes, path: Path) -> None:
    """Keep it for the next process; where the folder cannot be written to, that compiles again."""
    with contextlib.suppress(LcnbError, OSError), written_whole(path, 0o644) as temporary:
        temporary.write_bytes(content + _seal(content))


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _processor() -> list[str]:
    return ["-mcpu=native"] if platform.machine() in ("aarch64", "arm64") else ["-march=native"]


def _compile(command: list[str]) -> None:
    try:
        status, said = _run(command)
    except (OSError, subprocess.SubprocessError) as error:
        raise NativeError(f"the C compiler {command[0]} does not run ({type(error).__name__})") from None
    if status:
        lines = [*(line for line in said.splitlines() if "error" in line), *said.strip().splitlines()]
        reason = printable((lines or [f"status {status}"])[0])
        raise NativeError(f"the C compiler {command[0]} cannot compile them ({reason:.200})")


def _run(command: list[str]) -> tuple[int, str]:
    """Status, and what it said on standard error; with it end the programs that it has started."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, text=True, errors="replace", process_group=0
    ) as process:
        try:
            said = process.communicate(timeout=SECONDS)[1]
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, said


def _load(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeError(f"what {path.name} holds cannot be loaded ({error!s:.200})") from None


@functools.cache
def threads_of_torch() -> int | None:
    """The address of OpenMP's entry in the copy that torch has loaded: both share their threads. None: one thread."""
    try:
        return ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p).value
    except (AttributeError, OSError, TypeError):
        return None
