"""Runs the tests, as pytest does; the few that fail then are run once more, alone, and both results are told.

Tests here start servers, hosts and terminals, more of them at one time than there are cores. One that fails only then
says something of the machine's load; one that fails also alone, with the cores to itself, says something of the code.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

MOST = 50
"""Where more fail, it is not the load."""


def main(arguments: list[str]) -> int:
    """pytest's exit status; 0 also where each test that failed beside others passed alone."""
    with tempfile.TemporaryDirectory(prefix="lilfox-tests-") as cache:
        arguments = [*arguments, "-o", f"cache_dir={cache}"]
        status = _pytest(arguments)
        failed = _failed(Path(cache))
        if status != 1 or not 0 < len(failed) <= MOST:
            return status
        _say(f"{len(failed)} failed beside others, and now alone:")
        status = _pytest([*arguments, "-n", "0", "--last-failed", "--last-failed-no-failures", "none"])
        _say(f"{len(failed)} failed beside others, {'and passed' if status == 0 else 'not all passed'} alone:", *failed)
        return status


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def _failed(cache: Path) -> list[str]:
    """The tests that failed. Run alone they are found by their names in the cache, where a group's stands behind a
    test's (``test_x@lab``): pytest-xdist has put it there, and without it no test is called so."""
    kept = cache / "v" / "cache" / "lastfailed"
    if not kept.exists():
        return []
    failed = sorted(json.loads(kept.read_text()))
    kept.write_text(json.dumps(dict.fromkeys([*failed, *(each.rpartition("@")[0] for each in failed)], True)))
    return failed


def _say(*lines: str) -> None:
    sys.stdout.write("\n" + "\n  ".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
