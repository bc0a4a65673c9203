"""Scraping, parsing, keeping and 13 rules, against Prometheus on the same targets and rules at the same time.

Ours is ``lilfox monitor`` reading the very prometheus.yml that Prometheus has. Both must have scraped everything and
have the same alerts, or nothing is told.
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from lilfox_tui.hosts.open import this_machine
from tests.bench.metric_pages import metric_targets
from tests.bench.on_terminal import CannotMeasure, tree_cpu_s
from tests.bench.programs import LILFOX, TREE, Peers, environment, median_ratio
from tests.bench.table import Row, against, within
from tests.services.prometheus_server import PrometheusServer, prometheus
from tests.waiting import wait_for

RULES = Path(__file__).with_name("thirteen_rules.yml")
SERIES_OF_A_PAGE = 10_000
_SCRAPERS = ("lilfox", "prometheus")
SETTLE_S, QUICK_SETTLE_S = 75.0, 20.0
"""The longest window of the recording rules is a minute."""
MEASURED_S, QUICK_MEASURED_S = 20.0, 10.0
ROUNDS = 3
GONE_S = 5.0


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """Two sizes beside Prometheus, then what only ours can be asked."""
    if shutil.which("prometheus") is None:
        yield Row("scrape, parse, store, 13 rules", peer="prometheus: not installed")
    else:
        yield from _beside_prometheus(home, 10, 1000, 1, goal=0.5, quick=quick)
        yield from _beside_prometheus(home, 50, 500, 5, goal=1.0, quick=quick)
    inside = _inside("scrape_cost", str(SERIES_OF_A_PAGE))
    what = f"later parse of a page of {SERIES_OF_A_PAGE} series, each value another"
    theirs = f"{inside['client_ms']:.0f} ms  prometheus_client"
    yield against(what, f"{inside['parse_ms']:.1f} ms", theirs, inside["parse_ratio"], 0.04)
    yield within(f"an hour of {SERIES_OF_A_PAGE} series at 15 s, resident", inside["sample_bytes"], 30, "B a sample")
    yield Row("first scrape of 100,000 series", f"{inside['first_s']:.2f} s of CPU")
    yield within("a scrape of 200,000 series, refused, CPU time", inside["too_many_s"], 0.2, "s")
    yield within("a scrape of 100,000 series, refused for want of memory", inside["no_room_s"], 0.2, "s")
    what = "a scrape of 200,000 series of a target with metric_relabel, refused"
    yield within(what, inside["too_many_relabelled_s"], 0.2, "s")
    what = "a scrape of 100,000 series of such a target, refused for want of memory"
    yield within(what, inside["no_room_relabelled_s"], 0.2, "s")
    yield from _block(home, quick=quick)


def _beside_prometheus(home: Path, count: int, series: int, every_s: int, *, goal: float, quick: bool) -> Iterator[Row]:
    folder = home / f"{count}x{series}"
    folder.mkdir()
    (folder / "rules.yml").write_text(RULES.read_text().replace("interval: 1s", f"interval: {every_s}s"))
    settle_s, seconds = (QUICK_SETTLE_S, QUICK_MEASURED_S) if quick else (SETTLE_S, MEASURED_S)
    with (
        metric_targets(count, series) as ports,
        prometheus(folder, settings=_settings(ports, every_s)) as theirs,
        _monitor(folder) as ours,
    ):
        due = count * settle_s / every_s
        wait_for(lambda: _pages(ports[0]) >= due, timeout_s=3 * settle_s, what="both have scraped for a while")
        before = _given(ports[0])
        costs = _costs(ours.pid, theirs.pid, seconds)
        _check_scraped(before, _given(ports[0]), count * ROUNDS * seconds / every_s)
        _check_alerts(folder, theirs)
        memory = _resident_bytes(ours.pid), _resident_bytes(theirs.pid)
    mine, others = ([cost[place] for cost in costs] for place in (0, 1))
    what = f"{count} x {series} series at {every_s} s, 13 rules: "
    shown = f"{median(others):.1f} %  Prometheus"
    yield against(f"{what}CPU", f"{median(mine):.1f} %", shown, median_ratio(mine, others), goal)
    shown = f"{memory[1] / 1e6:.0f} MB  Prometheus"
    yield against(f"{what}memory (RSS)", f"{memory[0] / 1e6:.0f} MB", shown, memory[0] / memory[1], 1.25)


def _settings(ports: tuple[int, ...], every_s: int) -> str:
    """A prometheus.yml (JSON is YAML)."""
    targets = [f"127.0.0.1:{port}" for port in ports]
    settings = {
        "global": {f"{name}_interval": f"{every_s}s" for name in ("scrape", "evaluation")}
        | {"scrape_timeout": f"{every_s}s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "web", "static_configs": [{"targets": targets}]}],
    }
    return json.dumps(settings)


def _config(folder: Path) -> Path:
    """Ours (JSON is YAML): that prometheus.yml, and this machine, without the services that are found on it."""
    config = folder / "config.yaml"
    settings = {"hosts": {this_machine(): {"local": True}}, "prometheus_config": "prometheus.yml"}
    config.write_text(json.dumps(settings))
    config.chmod(0o600)
    return config


@contextmanager
def _monitor(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    config = _config(folder)
    argv = (*LILFOX, "monitor", "--config", str(config), "--quiet", "--output", str(folder / "monitor.log"))
    with (folder / "monitor.err").open("wb") as errors:
        process = subprocess.Popen(
            argv, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
        )
        try:
            yield process
            if process.poll() is not None:
                raise CannotMeasure(f"lilfox monitor has ended: {(folder / 'monitor.err').read_text()[-2000:]}")
        finally:
            process.terminate()
            try:
                process.wait(GONE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _costs(ours: int, theirs: int, seconds: float) -> list[tuple[float, float]]:
    """CPU of both process trees in the same stretches of time, in percent of a core."""
    costs = []
    for _ in range(ROUNDS):
        mine, others = tree_cpu_s(ours), tree_cpu_s(theirs)
        time.sleep(seconds)
        mine, others = tree_cpu_s(ours) - mine, tree_cpu_s(theirs) - others
        costs.append((100 * mine / seconds, 100 * others / seconds))
    return costs


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise CannotMeasure("no VmRSS in /proc")


def _given(port: int) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/counts")
    counts: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return counts


def _pages(port: int) -> int:
    """So many pages each of the two has had at least."""
    given = _given(port)
    return min(given.get(name, 0) for name in _SCRAPERS)


def _check_scraped(before: dict[str, int], after: dict[str, int], due: float) -> None:
    for name in _SCRAPERS:
        pages = after.get(name, 0) - before.get(name, 0)
        if not 0.9 * due <= pages <= 1.2 * due:
            raise CannotMeasure(f"{name} has asked for {pages} pages, {due:.0f} were due")


def _check_alerts(folder: Path, theirs: PrometheusServer) -> None:
    """Both have the same alerts in the same states; looked at again, for their groups have phases of their own."""
    mine: set[tuple[str, str]] = set()
    others: set[tuple[str, str]] = set()

    def same() -> bool:
        nonlocal mine, others
        mine, others = _our_alerts(folder), _their_alerts(theirs)
        return bool(mine) and mine == others

    with suppress(AssertionError):
        wait_for(same, timeout_s=10.0)
        return
    raise CannotMeasure(f"not the same alerts: {len(mine)} and {len(others)}: {sorted(mine ^ others)[:6]}")


def _our_alerts(folder: Path) -> set[tuple[str, str]]:
    """Without those of this machine's own gauges, which Prometheus does not have."""
    argv = (*LILFOX, "--config", str(folder / "config.yaml"), "alerts", "list", "--json")
    done = subprocess.run(argv, cwd=folder, env=environment(folder), capture_output=True, timeout=30)
    if done.returncode not in (0, 1):
        raise CannotMeasure(f"{argv!r}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    found = [one for one in json.loads(done.stdout)["alerts"] if "host" not in one["labels"]]
    return {(json.dumps(one["labels"], sort_keys=True), one["state"]) for one in found if one["state"] != "resolved"}


def _their_alerts(server: PrometheusServer) -> set[tuple[str, str]]:
    found = server.alerts()
    return {(json.dumps(one["labels"], sort_keys=True), one["state"]) for one in found}


def _block(home: Path, *, quick: bool) -> Iterator[Row]:
    """The app over one target of 10,000 series each second, from its first frame on."""
    folder = home / "app"
    folder.mkdir()
    (folder / "rules.yml").write_text(RULES.read_text())
    with metric_targets(1, SERIES_OF_A_PAGE) as ports:
        (folder / "prometheus.yml").write_text(_settings(ports, 1))
        config = _config(folder)
        inside = _inside("hundred", str(config), "15" if quick else "60", "0", home=folder)
        if _given(ports[0])["lilfox"] < (10 if quick else 50):
            raise CannotMeasure("the app did not scrape each second")
    yield within("event loop's longest block, 10,000 series at 1 s, 13 rules", inside["longest_block_ms"], 50, "ms")
    yield Row("    longest with the wait for a CPU, of which others take some", f"{inside['longest_late_ms']} ms")


def _inside(module: str, *arguments: str, home: Path | None = None) -> dict[str, Any]:
    """What ``python -m tests.bench.MODULE`` prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", *arguments],
        env=environment(home or TREE) | {"PYTHONPATH": str(TREE)},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
    )
    if done.returncode != 0:
        raise CannotMeasure(f"{module}: {done.stderr.decode(errors='replace')[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
