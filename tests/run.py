"""Runs the tests, as pytest does; the few that fail then are run once more, alone, and both results are told.

Tests here start servers, hosts and terminals, more of them at one time than there are cores. One that fails only then
says something of the machine's load; one that fails also alone, with the cores to itself, says something of the code.

``--outcomes FILE`` writes what became of each test, ``passed``, ``failed`` or ``skipped`` by its node id, as JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

MOST = 50
"""Where more fail, it is not the load."""
_GROUP = re.compile(r"@[^\]]*$")
"""What pytest-xdist puts behind the name of a test that belongs to a group."""


def main(arguments: list[str]) -> int:
    """pytest's exit status; 0 also where each test that failed beside others passed alone."""
    arguments, outcomes = _outcomes_file(arguments)
    with tempfile.TemporaryDirectory(prefix="lilfox-tests-") as folder:
        cache, reports = Path(folder) / "cache", [Path(folder) / "all.xml", Path(folder) / "alone.xml"]
        arguments = [*arguments, "-o", f"cache_dir={cache}", "-o", "junit_family=xunit1"]  # record_property is used
        status = _pytest([*arguments, f"--junit-xml={reports[0]}"])
        failed = _failed(cache)
        if status == 1 and 0 < len(failed) <= MOST:
            _say(f"{len(failed)} failed beside others, and now alone:")
            alone = ["-n", "0", "--last-failed", "--last-failed-no-failures", "none", f"--junit-xml={reports[1]}"]
            status = _pytest([*arguments, *alone])
            _say(
                f"{len(failed)} failed beside others, {'and passed' if status == 0 else 'not all passed'} alone:",
                *failed,
            )
        if outcomes is not None:
            outcomes.write_text(json.dumps({test: how for each in reports for test, how in _read(each)}, indent=0))
        return status


def _outcomes_file(arguments: list[str]) -> tuple[list[str], Path | None]:
    """The other arguments, and what ``--outcomes`` names."""
    if "--outcomes" not in arguments:
        return arguments, None
    at = arguments.index("--outcomes")
    return [*arguments[:at], *arguments[at + 2 :]], Path(arguments[at + 1])


def _read(report: Path) -> Iterator[tuple[str, str]]:
    """Node id and outcome of each test in a report of pytest's (JUnit XML); none where there is no report."""
    if not report.exists():
        return
    for case in ElementTree.parse(report).iter("testcase"):
        child = next((each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed")
        name = f"{case.get('classname', '').replace('.', '/')}.py::{_GROUP.sub('', case.get('name', ''))}"
        yield name, "failed" if child in ("failure", "error") else child


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
