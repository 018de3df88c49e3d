"""The surroundings of a headless kernel: this interpreter, this package, no user configuration, no chatter."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from lcnb.paths import absolute, given_roots


def environment(scratch: Path) -> dict[str, str]:
    """The child's environment: this interpreter's kernel, no user configuration, no chatter, absolute data folders."""
    kernel = scratch / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    env = dict(os.environ)
    env["JUPYTER_PATH"] = os.pathsep.join(p for p in (str(scratch / "jupyter"), env.get("JUPYTER_PATH", "")) if p)
    env["PYTHONPATH"] = os.pathsep.join(p for p in (_package_root(), env.get("PYTHONPATH", "")) if p)
    env |= {
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger writes a warning into the kernel's log
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    if data := _data_folders():
        env["LCNB_DATA"] = data
    return env


def _package_root() -> str:
    """The source tree this package was imported from, so that the kernel imports the same one from its own folder.

    Empty for an installed package: it is found anyway, and its neighbours must not come before the standard library.
    """
    root = Path(__file__).resolve().parents[2]
    return "" if root.name in ("site-packages", "dist-packages") else str(root)


def _data_folders() -> str:
    """`$LCNB_DATA` with absolute folders; the caller's `data/` joins them, as the kernel works elsewhere."""
    beside = absolute("data")
    return os.pathsep.join(map(str, dict.fromkeys([*given_roots(), *([beside] if beside.is_dir() else [])])))
