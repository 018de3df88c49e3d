"""Compiling the kernels: whatever is wrong with the compiler, the folder or what lies there, networks run as before."""

import functools
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lcnb.machine import cpu_features
from lcnb.regions import native, native_build
from lcnb.regions.native_build import NativeError
from lcnb.regions.rows import Convolution
from tests.cli.conftest import environment
from tests.waiting import ended, wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="they are not built here")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder; this process looks for its kernels anew each time, and afterwards has those of before."""
    monkeypatch.setenv("LCNB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(native_build.SWITCH, raising=False)
    monkeypatch.delenv("CC", raising=False)
    afresh(monkeypatch)
    return tmp_path / "cache"


def afresh(monkeypatch):
    """As in another process."""
    monkeypatch.setattr(native, "_found", functools.cache(native._found.__wrapped__))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The library, as the compiler makes it."""
    try:
        compiler = native_build.compiler()
    except NativeError as error:
        pytest.skip(str(error))
    built = tmp_path_factory.mktemp("made") / "native.so"
    source = str(native_build.resources.files("lcnb.regions").joinpath("native.c"))
    native_build._compile([*compiler, *native_build.FLAGS, *native_build._processor(), "-o", str(built), source])
    return built


@pytest.fixture
def compiled(made, monkeypatch):
    """What is compiled is `made`, at once; what is collected has one entry for each time."""
    done = []

    def compile(command):
        done.append(command)
        shutil.copyfile(made, command[command.index("-o") + 1])

    monkeypatch.setattr(native_build, "_compile", compile)
    return done


def a_compiler(folder, script):
    """`CC` as a shell script."""
    path = folder / "a-compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@torch.inference_mode()
def still_runs(cascade, picture, reason=None):
    """The prepared network gives the labels of the plain one: by kernels of ours, or by torch, as `reason` says."""
    assert (native.why_not() is None) == (reason is None), native.why_not()
    if reason is not None:
        assert re.search(reason, native.why_not())
        assert native.why_not().isprintable()
    x = picture[None] / 255
    expected = cascade(x, rho=0.6)
    prepared = cascade.for_inference()
    convolutions = [layer for layer in prepared.layers() if isinstance(layer, Convolution)]
    assert {layer.native for layer in convolutions} == {reason is None}
    got = prepared(x, rho=0.6)
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-4, rtol=1e-4)
    assert got.labels.equal(expected.labels)
    assert got.stage.equal(expected.stage)


COMPILERS = {
    "switched off": (None, "LCNB_NATIVE=0 switches them off"),
    "none": (None, r"there is no C compiler \(cc, gcc or clang\)"),
    "not there": ("no-such-\033[1mcompiler -m64", r"there is no C compiler \(no-such-.*compiler\)"),
    "no command": ("cc 'half", "CC is no command"),
    "fails": ("echo working >&2; printf 'x.c: error: \\033[1mno\n' >&2; exit 1", r"compile them \(x.c: error: .*no\)"),
    "fails without a word": ("exit 3", r"cannot compile them \(status 3\)"),
    "fails in another alphabet": (r"printf 'b\344d error\n' >&2; exit 1", r"cannot compile them \(b.d error\)"),
    "killed": ("kill -9 $$", "cannot compile them"),
    "makes nothing": ("exit 0", r"they cannot be compiled \(.*native.so"),
    "makes no library": ('while [ "$1" != -o ]; do shift; done; echo garbage > "$2"', "cannot be loaded"),
    "no program": ("", "does not run"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPILERS)
def test_a_compiler_that_is_missing_or_fails(name, small_cascade, picture, tmp_path, monkeypatch):
    """No C compiler, one that fails, and one that makes no library: `lcnb info` says so, and torch's operations run"""
    given, reason = COMPILERS[name]
    if name == "switched off":
        monkeypatch.setenv(native_build.SWITCH, "0")
    elif name == "none":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif name in ("not there", "no command"):
        monkeypatch.setenv("CC", given)
    else:
        script = a_compiler(tmp_path, given)
        monkeypatch.setenv("CC", str(script))
        if name == "no program":
            script.write_bytes(b"\x7fELF and no more")
    still_runs(small_cascade, picture, reason)
    afresh(monkeypatch)
    assert re.search(reason, native.why_not())  # the second time too, whatever lies in the cache by now


def test_a_compiler_that_hangs(small_cascade, picture, tmp_path, monkeypatch):
    """A C compiler that never ends: it is ended in time, with the programs that it started"""
    monkeypatch.setenv("CC", str(a_compiler(tmp_path, f"sleep 600 &\necho $! > {tmp_path / 'child'}\nwait")))
    monkeypatch.setattr(native_build, "SECONDS", 1)
    still_runs(small_cascade, picture, r"does not run \(TimeoutExpired\)")
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: ended(child), 10)


def test_no_room_for_temporary_files(small_cascade, picture, compiled, tmp_path, monkeypatch):
    """No folder for temporary files to compile in: torch's operations run"""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    still_runs(small_cascade, picture, "they cannot be compiled")
    assert compiled == []


def test_compiled_once_and_kept(small_cascade, picture, cache, compiled, monkeypatch):
    for _ in range(2):
        still_runs(small_cascade, picture)
        afresh(monkeypatch)
    assert len(compiled) == 1
    (kept,) = cache.glob("native-*")
    assert re.fullmatch(r"native-[0-9a-f]{16}\.so", kept.name)


def test_nothing_is_compiled_unless_it_is_asked_for(small_cascade, picture, compiled):
    """Nor by the network as it is written, nor by one prepared without, nor by a region's tables."""
    x = picture[None] / 255
    with torch.inference_mode():
        small_cascade(x, rho=0.6)
        small_cascade.for_inference(native=False)(x, rho=0.6)
    assert compiled == []
    small_cascade.for_inference()
    assert len(compiled) == 1


def test_kept_where_the_group_may_write_what_one_makes(cache, compiled, monkeypatch):
    """As many systems have it: what nobody else can write there, is loaded."""
    before = os.umask(0o002)
    try:
        assert native.why_not() is None
    finally:
        os.umask(before)
    (kept,) = cache.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o644
    afresh(monkeypatch)
    assert native.why_not() is None
    assert len(compiled) == 1


def test_a_cache_that_cannot_be_written_to(small_cascade, picture, cache, compiled, monkeypatch):
    """A file in the place of the cache folder: native kernels are compiled by each process, and run"""
    cache.write_text("in the way")
    for _ in range(2):
        still_runs(small_cascade, picture)
        afresh(monkeypatch)
    assert len(compiled) == 2
    assert cache.read_text() == "in the way"


def anew(path, content):
    """Another file of that name: the one that was there may be loaded in this process, which would die with it."""
    path.unlink()
    path.write_bytes(content)


def in_its_place(make):
    """Something else with the name of the file."""

    def hurt(path, content):
        path.unlink()
        path.with_name("elsewhere.so").write_bytes(content)
        make(path)

    return hurt


HURT = {
    "empty": lambda path, content: anew(path, b""),
    "garbage": lambda path, content: anew(path, b"garbage" * 999),
    "half": lambda path, content: anew(path, content[: len(content) // 2]),  # a process that loads it dies
    "its end is missing": lambda path, content: anew(path, content[:-1]),
    "one byte": lambda path, content: anew(path, content[:4000] + bytes([content[4000] ^ 1]) + content[4001:]),
    "without its seal": lambda path, content: anew(path, content[: -native_build.SEAL]),
    "the world may write it": lambda path, content: path.chmod(0o646),
    "the group may write it": lambda path, content: path.chmod(0o664),
    "a link": in_its_place(lambda path: path.symlink_to("elsewhere.so")),
    "a pipe": in_its_place(os.mkfifo),
    "a folder": in_its_place(Path.mkdir),
}
STAYS = ("a pipe", "a folder")
"""They are not replaced."""


@pytest.fixture
def refused(monkeypatch):
    """Numbers of the files that may not be loaded: half of a library would end this process."""
    bad, load = set(), native_build._load

    def careful(path):
        assert path.stat().st_ino not in bad, "the file that was hurt was going to be loaded"
        return load(path)

    monkeypatch.setattr(native_build, "_load", careful)
    return bad


@pytest.fixture
def kept(cache, compiled, monkeypatch):
    """A kept file."""
    assert native.why_not() is None
    (path,) = cache.iterdir()
    compiled.clear()
    afresh(monkeypatch)
    return path


@pytest.mark.parametrize("how", HURT)
def test_a_kept_file_that_is_damaged_or_that_others_may_write(
    how, small_cascade, picture, kept, compiled, refused, monkeypatch
):
    """Kept native kernels that are damaged, cut short, another kind of file or writable by others: compiled anew"""
    HURT[how](kept, kept.read_bytes())
    refused |= {kept.stat().st_ino, kept.lstat().st_ino}
    still_runs(small_cascade, picture)
    assert len(compiled) == 1
    afresh(monkeypatch)
    assert native.why_not() is None
    if how in STAYS:
        assert len(compiled) == 2
    else:
        assert len(compiled) == 1  # what was put in its place is kept
        assert kept.lstat().st_ino not in refused
        assert stat.S_IMODE(kept.lstat().st_mode) & 0o022 == 0


def test_a_kept_file_of_somebody_else(small_cascade, picture, kept, compiled, refused, monkeypatch):
    """Kept native kernels that another user has made: never loaded, compiled anew"""
    refused.add(kept.stat().st_ino)
    if os.getuid() == 0:
        os.chown(kept, 12345, -1)
    else:  # then this user is another
        other = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: other)
    still_runs(small_cascade, picture)
    assert len(compiled) == 1


@pytest.mark.parametrize(
    ("mode", "user", "ours"),
    [
        (stat.S_IFREG | 0o644, 7, True),
        (stat.S_IFREG | 0o600, 0, True),
        (stat.S_IFREG | 0o644, 8, False),
        (stat.S_IFREG | 0o664, 7, False),
        (stat.S_IFREG | 0o646, 0, False),
        (stat.S_IFDIR | 0o700, 7, False),
        (stat.S_IFLNK | 0o644, 7, False),
    ],
)
def test_whose_a_file_is(mode, user, ours, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 7)
    assert native_build.is_ours(SimpleNamespace(st_mode=mode, st_uid=user)) == ours


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no names for open files")
def test_what_was_looked_at_is_what_is_loaded(kept, compiled, refused, monkeypatch):
    """Another file takes its name in between."""
    seal, other = native_build._seal, kept.with_name("other")
    other.write_bytes(b"other")
    refused.add(other.stat().st_ino)

    def swapped(content):
        if other.exists():
            os.replace(other, kept)
        return seal(content)

    monkeypatch.setattr(native_build, "_seal", swapped)
    assert native.why_not() is None
    assert kept.read_bytes() == b"other"
    assert compiled == []


def test_a_whole_file_that_this_system_cannot_load(small_cascade, picture, kept, compiled, monkeypatch):
    """Kept native kernels that another system has made: compiled anew, and replaced"""
    other = b"\x7fELF of another machine"
    anew(kept, other + native_build._seal(other))
    still_runs(small_cascade, picture)
    afresh(monkeypatch)
    assert native.why_not() is None
    assert len(compiled) == 1


@pytest.mark.slow
def test_two_processes_that_compile_at_once(cache, made, tmp_path):
    """Two processes that compile native kernels at the same time: both have them, and one whole file is kept"""
    code = "from lcnb.regions import native; print(native.why_not())"
    slowly = f'echo >> {tmp_path / "begun"}\nsleep 1\nexec {native_build.compiler()[0]} "$@"'
    env = environment(CC=str(a_compiler(tmp_path, slowly)), OMP_NUM_THREADS="1")
    both = [subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    assert [process.communicate(timeout=120)[0] for process in both] == ["None\n"] * 2
    (left,) = cache.iterdir()
    content = left.read_bytes()
    assert content[-native_build.SEAL :] == native_build._seal(content[: -native_build.SEAL])
    assert 1 <= len((tmp_path / "begun").read_text().splitlines()) <= 2


def test_the_name_of_what_is_kept_follows_all_that_it_depends_on(monkeypatch):
    names = {native_build.digest(b"int x;", ["cc"]), native_build.digest(b"int y;", ["cc"])}
    names |= {native_build.digest(b"int x;", ["cc", "-m32"]), native_build.digest(b"int x;", ["/usr/bin/gcc"])}
    assert native_build.digest(b"int x;", ["cc"]) in names
    for module, name, value in [
        (native_build, "cpu_features", f"{cpu_features()} one-more"),
        (native_build.platform, "machine", "riscv128"),
        (native_build.platform, "system", "Plan 9"),
    ]:
        monkeypatch.setattr(module, name, lambda value=value: value)
        names.add(native_build.digest(b"int x;", ["cc"]))
    monkeypatch.setattr(native_build, "FLAGS", ("-O0",))
    names.add(native_build.digest(b"int x;", ["cc"]))
    assert len(names) == 8


WRONG = {
    "products": ("from[r][c] * w[v]", "from[r][c] * w[0]", "gives wrong results"),
    "bias": ("j->bias + column", "j->bias", "gives wrong results"),
    "ReLU": ("(y < (vec){0})", "(y > (vec){0})", "gives wrong results"),
    "sum": ("if (j->flags & ADD) y += *here;", "", "gives wrong results"),
    "last columns": ("y += before;", "", "gives wrong results"),
    "lacks a function": ("void lcnb_table(", "void lcnb_tables(", "lacks a function"),
    "another job": ("int64_t block, next, done;", "int64_t block, next, done, more;", "a job takes"),
    "no C": ("int lcnb_lanes(void)", "int lcnb_lanes(", "cannot compile them"),
}


@pytest.mark.parametrize("name", WRONG)
def test_kernels_that_are_wrong_are_refused(name, small_cascade, picture, made, tmp_path, monkeypatch):
    """Native kernels that compute something else, as a broken compiler's would: refused, and torch's operations run"""
    old, new, reason = WRONG[name]
    source = native_build.resources.files("lcnb.regions").joinpath("native.c").read_text(encoding="utf-8")
    assert old in source
    (tmp_path / "native.c").write_text(source.replace(old, new), encoding="utf-8")
    monkeypatch.setattr(native_build, "resources", SimpleNamespace(files=lambda _: tmp_path))
    monkeypatch.setattr(native_build, "FLAGS", (*native_build.FLAGS, "-O1"))  # sooner compiled
    still_runs(small_cascade, picture, reason)


def test_a_package_without_its_source(small_cascade, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(native_build, "compiler", lambda: ["cc"])
    monkeypatch.setattr(native_build, "resources", SimpleNamespace(files=lambda _: tmp_path))
    still_runs(small_cascade, picture, r"they cannot be compiled \(.*native\.c")
