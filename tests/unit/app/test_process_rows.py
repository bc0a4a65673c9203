"""Rows of processes: what tells commands from others is seen, however they are run."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lilfox_tui.app.rows.processes import PROCESS_SORTS, SteadyOrder, process_row, telling_command
from lilfox_tui.metrics.collectors import command_lines
from lilfox_tui.metrics.model import ProcessUsage


@pytest.mark.parametrize(
    ("command_line", "name", "rest"),
    [
        ("/usr/sbin/nginx -g daemon off;", "nginx", "-g daemon off;"),
        ("nginx: worker process", "nginx:", "worker process"),
        ("/usr/bin/python3.11 -u /srv/shop/worker.py --queue mail", "worker.py", "--queue mail"),
        ("python -X dev -W error -m http.server 8000", "http.server", "8000"),
        ("python3 -Im pip list", "pip", "list"),
        ("/usr/bin/python3 -m shop.backend.worker --queue mail", "backend.worker", "--queue mail"),
        ("java -m com.example/com.example.Main x", "com.example.Main", "x"),
        ("python -u -c import shop; shop.main()", "python", "-c import shop; shop.main()"),
        ("python3", "python3", ""),
        ("python3 -u", "python3", "-u"),
        ("python3 -u -", "python3", "-u -"),
        ("/bin/bash -o pipefail /usr/local/bin/backup.sh nightly", "backup.sh", "nightly"),
        ("bash --noprofile --norc -ec sleep 60", "bash", "-ec sleep 60"),
        ("bash /dev/fd/3", "bash", "/dev/fd/3"),
        ("-bash", "-bash", ""),
        ("sh -- /srv/run", "run", ""),
        ("java -Xmx2g -cp /a.jar:/b.jar -Dx=y com.example.Shop --port 80", "com.example.Shop", "--port 80"),
        ("/opt/jdk/bin/java -Xmx2g -jar /srv/shop.jar --port 80", "shop.jar", "--port 80"),
        ("java -jar", "java", "-jar"),
        ("node --max-old-space-size=512 -r dotenv/config /srv/app/server.js", "server.js", ""),
        ("perl -lne print if /x/", "perl", "-lne print if /x/"),
        ("", "", ""),
    ],
)
def test_a_command_is_told_by_what_it_runs(command_line: str, name: str, rest: str) -> None:
    assert telling_command(command_line) == (name, rest)


def test_what_is_left_out_of_a_command_leaves_its_secrets_masked() -> None:
    text = (
        "==> /proc/7/cmdline <==\n/usr/bin/python3 -u /srv/worker.py --password hunter2 postgres://a:hunter3@db/shop\n"
    )
    [sample] = command_lines.parse({"script": text}, command_lines.Options())
    process = ProcessUsage(7, "app", "python3", "S", 1.0, 2**20, command_line=dict(sample.labels)["command_line"])
    row = "".join(piece.text for piece in process_row(process, 120))
    assert "worker.py --password" in row
    assert "hunter" not in row


def test_nearly_idle_processes_keep_their_places_and_busy_ones_move_at_once() -> None:
    order = SteadyOrder()

    def pids(first: float, second: float, third: float) -> list[int]:
        usage = {1: first, 2: second, 3: third}
        return [each.pid for each in order.busiest([_using(pid, cpu) for pid, cpu in usage.items()])]

    assert pids(0.4, 0.4, 0.4) == [3, 2, 1], "of the same usage, the one with the most memory"
    assert pids(0.6, 0.4, 0.4) == [3, 2, 1]
    assert pids(0.4, 0.6, 0.4) == [3, 2, 1]
    assert pids(7.0, 0.4, 0.4) == [1, 3, 2]
    assert pids(0.4, 90.0, 0.4) == [2, 3, 1]
    lasting = [pids(1.2, 0.0, 0.0)[0] for _sample in range(10)]
    assert (lasting[0], lasting[-1]) == (3, 1), "a small change moves it once it lasts"


def test_what_a_process_is_sorted_by_is_what_is_shown_of_it() -> None:
    order = SteadyOrder()
    for first in (0.4, 1.4, 0.6, 1.2):
        shown = order.busiest([_using(1, first), _using(2, 0.9), _using(3, 7.3)])
        usage = [each.cpu_percent for each in shown]
        assert usage == sorted(usage, key=lambda cpu: -(cpu or 0)), "although the usage of this moment is another one"
        texts = [process_row(each, 120)[1:4] for each in shown]
        assert ["".join(piece.text for piece in row).split()[0] for row in texts] == [f"{cpu:.0f}%" for cpu in usage]


def test_processes_are_sorted_by_memory_and_by_io_too_and_idle_kernel_threads_are_left_out() -> None:
    order = SteadyOrder()
    found = [
        replace(_using(1, 7.0), io_bytes_s=None),
        replace(_using(2, 5.0), io_bytes_s=4096.0),
        replace(_using(3, 0.0), io_bytes_s=8192.0),
        replace(_using(8, 0.3), kernel=True, resident_bytes=0),
        replace(_using(9, 9.0), kernel=True, resident_bytes=0),
    ]
    sorted_by = {by: [each.pid for each in order.busiest(found, by)] for by in PROCESS_SORTS}
    assert sorted_by == {"cpu": [9, 1, 2, 3], "memory": [3, 2, 1, 9], "io": [3, 2, 9, 1]}


def test_a_repaint_of_the_same_sample_counts_once() -> None:
    order = SteadyOrder()
    order.busiest([_using(1, 0.0), _using(2, 0.0)])
    sample = [_using(1, 1.2), _using(2, 0.0)]
    assert [[each.pid for each in order.busiest(sample)] for _key in range(20)] == [[2, 1]] * 20


def test_a_process_that_got_the_pid_of_another_is_sorted_by_its_own_usage() -> None:
    order = SteadyOrder()
    order.busiest([_using(1, 1.0, start=7), _using(2, 0.0)])
    assert [each.pid for each in order.busiest([_using(1, 0.0, start=8), _using(2, 0.0)])] == [2, 1]


def _using(pid: int, cpu: float, *, start: int = 7) -> ProcessUsage:
    return ProcessUsage(pid, "root", "x", "S", cpu, resident_bytes=1000 * pid, start_ticks=start)
