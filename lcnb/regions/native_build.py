"""The kernels of native.c, compiled for the processor that this runs on, by the C compiler that is there.

As with `torch.compile`, nothing is downloaded and no binary is shipped: a second of `cc`, once a machine, kept in the
cache folder (`LCNB_CACHE`). Without a compiler, or with `LCNB_NATIVE=0`, everything runs as it does without them.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
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


class NativeError(LcnbError):
    """There are no native kernels here; the message says why."""


@functools.cache
def library() -> ctypes.CDLL | str:
    """The kernels, or why there are none. Compiled at the first call of a machine, looked up once a process."""
    try:
        return _library()
    except NativeError as error:
        return str(error)


def _library() -> ctypes.CDLL:
    if os.environ.get(SWITCH) == "0":
        raise NativeError(f"{SWITCH}=0 switches them off")
    command = compiler()
    source = resources.files("lcnb.regions").joinpath("native.c").read_bytes()
    kept = cache_root() / f"native-{digest(source, command)}.so"
    if is_ours(kept):
        return _load(kept)
    with tempfile.TemporaryDirectory(prefix="lcnb-native-") as folder:  # nobody else may write here
        (Path(folder) / "native.c").write_bytes(source)
        built = Path(folder) / "native.so"
        _compile([*command, *FLAGS, *_processor(), "-o", str(built), str(Path(folder) / "native.c")])
        try:
            with written_whole(kept) as temporary:
                shutil.copyfile(built, temporary)
        except (LcnbError, OSError):  # a folder that cannot be written to: compiled again by the next process
            return _load(built)
    return _load(kept) if is_ours(kept) else _load(built)


def compiler() -> list[str]:
    """The command of the C compiler: `CC`, else the first of cc, gcc and clang.

    Raises:
        NativeError: there is none, or the system is one that this was not written for.
    """
    if os.name != "posix":
        raise NativeError(f"they are not built on {platform.system()}")
    named = shlex.split(os.environ.get("CC", ""))
    for command in (named,) if named else (["cc"], ["gcc"], ["clang"]):
        if path := shutil.which(command[0]):
            return [path, *command[1:]]
    raise NativeError(f"there is no C compiler ({named[0] if named else 'cc, gcc or clang'})")


def digest(source: bytes, command: list[str]) -> str:
    """What the compiled file depends on; a folder that machines share holds one for each kind of processor."""
    parts = [source.hex(), *command, *FLAGS, platform.machine(), platform.system(), cpu_features()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def is_ours(path: Path) -> bool:
    """Whether a file is there that nobody but this user (or root) can have written: it is going to be executed."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid in (0, os.getuid()) and not found.st_mode & 0o022


def _processor() -> list[str]:
    return ["-mcpu=native"] if platform.machine() in ("aarch64", "arm64") else ["-march=native"]


def _compile(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise NativeError(f"the C compiler {command[0]} does not run ({type(error).__name__})") from None
    if done.returncode:
        said = [*(line for line in done.stderr.splitlines() if "error" in line), *done.stderr.strip().splitlines()]
        reason = printable((said or [f"status {done.returncode}"])[0])
        raise NativeError(f"the C compiler {command[0]} cannot compile them ({reason:.200})")


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
