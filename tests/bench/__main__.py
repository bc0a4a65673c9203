"""``python -m tests.bench``: speed, as ratios to what is installed here, all measured in one run.

Exits 0 whatever the figures are, 1 when something could not be measured. ``python -m tests.bench scale`` measures
growth curves.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from tests.bench import (
    alerts,
    audit,
    backup,
    commands,
    containers,
    databases,
    first_frame,
    follow,
    incident,
    keys,
    logs,
    logs_pane,
    pgbackrest,
    runbook,
    runbook_pane,
    runbook_step,
    ssh_hosts,
    steady,
)
from tests.bench.on_terminal import CannotMeasure
from tests.bench.programs import Peers, find_peers
from tests.bench.scale import command
from tests.bench.table import Row, lines


class Measure(Protocol):
    """One measurement: its lines of the table. Raises CannotMeasure."""

    def __call__(self, peers: Peers, home: Path, /, *, quick: bool) -> Iterator[Row]: ...


MEASURES: dict[str, Measure] = {
    "first-frame": first_frame.measure,
    "steady": steady.measure,
    "memory": ssh_hosts.measure_one,
    "containers": containers.measure,
    "hundred": ssh_hosts.measure_hundred,
    "keys": keys.measure,
    "commands": commands.measure,
    "logs": logs.measure,
    "follow": follow.measure,
    "logs-pane": logs_pane.measure,
    "alerts": alerts.measure,
    "audit": audit.measure,
    "backup": backup.measure,
    "databases": databases.measure,
    "pgbackrest": pgbackrest.measure,
    "runbook": runbook.measure,
    "runbook-step": runbook_step.measure,
    "runbook-pane": runbook_pane.measure,
    "incident": incident.measure,
}
LARGE: dict[str, Measure] = {"logs-ten": logs_pane.measure_ten}
"""Only where it is asked for: takes 10 GB of disk."""


def main() -> int:
    """Measures what is named, prints the table."""
    if sys.argv[1:2] == ["scale"]:
        return command.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {' '.join(MEASURES)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, 20 hosts: for a first look")
    parser.add_argument("--glances", metavar="COMMAND", help="the glances to compare with; that on PATH otherwise")
    parser.add_argument("--toolong", metavar="COMMAND", help="the toolong to compare with; tl on PATH otherwise")
    parser.add_argument("--gigabytes", type=float, help="size of the database of pgbackrest; 2, or 0.2 with --quick")
    parser.add_argument("--ten", action="store_true", help="also the memory with a log of 10 GB")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(MEASURES)
    if unknown:
        parser.error(f"no such measurement: {' '.join(sorted(unknown))}; there are: {' '.join(MEASURES)}")
    if arguments.gigabytes:
        MEASURES["pgbackrest"] = partial(pgbackrest.measure, gigabytes=arguments.gigabytes)
    peers = find_peers(arguments.glances, arguments.toolong)
    rows: list[Row] = []
    for name in [*(arguments.names or MEASURES), *(LARGE if arguments.ten else ())]:
        tell(f"{name} …")
        rows += _taken(name, peers, quick=arguments.quick)
    sys.stdout.write("\n".join(["", "xterm-256color, 120x40; ours and peers in turn, medians", "", *lines(rows), ""]))
    return 1 if any(row.failed for row in rows) else 0


def _taken(name: str, peers: Peers, *, quick: bool) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="lilfox-bench-") as home:
        try:
            rows.extend((MEASURES | LARGE)[name](peers, Path(home), quick=quick))
        except (CannotMeasure, AssertionError, OSError, subprocess.SubprocessError) as error:
            tell(f"{name}: {error}")
            rows.append(Row(f"{name}: not measured", failed=True))
    return rows


def tell(text: str) -> None:
    """Progress and what goes wrong, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
