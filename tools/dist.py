"""Builds what is published into dist/ and proves it: ``python -m tools.dist``.

The wheel is built of the sdist alone, then installed into a clean environment that holds nothing but
requirements.lock, and opened there: the version, one round of this machine, the first frame on a terminal, ``q``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lilfox_tui import __version__
from tests.terminal.console import Console

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
GOOD_OR_A_PROBLEM = (0, 1)
"""How ``lilfox check`` ends where it could look: whether this machine is well is not asked here."""


def main() -> int:
    """Returns the exit status: 0 good; what fails raises."""
    with tempfile.TemporaryDirectory(prefix="lilfox-dist-") as folder:
        wheel = build(Path(folder))
        program = installed(wheel, Path(folder) / "clean")
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        opened(program, home)
    for path in sorted(DIST.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")
    return 0


def build(folder: Path) -> Path:
    """The sdist of this tree and, of nothing but that, the wheel."""
    shutil.rmtree(DIST, ignore_errors=True)
    hatchling = [sys.executable, "-m", "hatchling", "build", "--directory", str(DIST)]
    _run([*hatchling, "--target", "sdist"], cwd=ROOT)
    (sdist,) = DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist", filter="data")
    _run([*hatchling, "--target", "wheel"], cwd=next((folder / "sdist").iterdir()))
    (wheel,) = DIST.glob("*.whl")
    return wheel


def installed(wheel: Path, folder: Path) -> Path:
    """The program of the wheel in an environment with the run-time lock alone."""
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    _run([*pip, "install", "--quiet", "--require-hashes", "--requirement", str(ROOT / "requirements.lock")])
    _run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)])
    _run([*pip, "check"])
    return folder / "bin" / "lilfox"


def opened(program: Path, home: Path) -> None:
    """Starts it as its user does; whatever is not as it should be raises."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    version = _run([str(program), "--version"], env=environ, cwd=home)
    if version != f"lilfox {__version__}\n":
        raise SystemExit(f"lilfox --version prints {version!r}")
    _run([str(program), "check"], env=environ, cwd=home, good=GOOD_OR_A_PROBLEM)
    with Console(home=home, through=lambda _argv: [str(program)]) as console:
        screen = console.until(lambda text: "LilFox" in text and " Hosts " in text and "%" in text)
        console.press("q")
        status = console.ended_within()
    print(screen)
    if status != 0:
        raise SystemExit(f"lilfox ended with {status} after q")


def _run(
    argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, good: Sequence[int] = (0,)
) -> str:
    print("$", *argv, flush=True)
    done = subprocess.run(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode not in good:
        raise SystemExit(f"exit status {done.returncode}: {' '.join(argv)}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
