"""``lilfox query`` asks the ``lilfox monitor`` that runs, and scrapes where that does not answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.services.lilfox_command import lilfox, running
from tests.services.stamped_targets import StampedTargets, stamped_targets
from tests.waiting import wait_for

RULES = "groups: [{name: g, interval: 1s, rules: [{record: levels, expr: count(level)}]}]"


@pytest.fixture(scope="module")
def targets() -> Iterator[StampedTargets]:
    with stamped_targets() as found:
        yield found


@pytest.fixture
def config(targets: StampedTargets, tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    addresses = ", ".join(f"'{address}'" for address in targets.addresses)
    path = tmp_path / "lilfox.yaml"
    path.write_text(
        f"hosts: {{here: {{local: true}}}}\nrules: [rules.yml]\nscrape: {{app: {{targets: [{addresses}], every: 1s, "
        "timeout: 1s}}\n"
    )
    path.chmod(0o600)
    return path


@contextmanager
def monitoring(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The real monitor, once it has series."""
    output = config.parent / "monitor.log"
    argv: list[str | Path] = ["--config", config, "monitor", "--quiet", "--output", output]
    with running(argv, config.parent / "lilfox") as process:
        wait_for(lambda: asked(config, "levels")["source"] == "monitor", what="the monitor answers")
        wait_for(lambda: asked(config, "levels")["series"], what="the rule was evaluated")
        yield process


def done(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return lilfox("--config", config, "query", *words, "--json")


def asked(config: Path, *words: str) -> dict[str, Any]:
    answer = done(config, *words)
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    jsonschema.validate(document, schema("query"))
    return document


def sockets(folder: Path) -> list[Path]:
    return sorted(folder.rglob("monitor.sock"))


def test_the_monitor_is_asked_also_for_the_past_and_for_what_rules_record(config: Path, own_folders: Path) -> None:
    assert asked(config, "level")["source"] == "scrape"
    with monitoring(config) as process:
        found = asked(config, "levels")
        assert [one["value"] for one in found["series"]] == [2]
        assert found["notes"][0].startswith(f"answered by lilfox monitor (PID {process.pid}), which has")
        text = lilfox("--config", config, "query", "count(level)")
        assert text.stdout.split() == ["2", "{}"]
        assert "answered by lilfox monitor" in text.stderr
        wait_for(lambda: asked(config, "count_over_time(level[2s])")["series"], what="two samples")
        (line,) = asked(config, "count(level)", "--range", "1s", "--step", "500ms")["series"]
        assert line["values"][-1]["value"] == 2
        assert asked(config, "level", "--at", "2h")["series"] == []
        assert "earlier times" in asked(config, "rate(level[1h])")["notes"][1]
        assert asked(config, "level", "--scrape")["source"] == "scrape"
        wrong = done(config, "rate(level)")
        assert wrong.returncode == 2
        (place,) = sockets(own_folders)
        assert place.stat().st_mode & 0o777 == 0o600
        config.touch()
        os.utime(config, (2_000_000_000, 2_000_000_000))
        assert "configuration was changed" in asked(config, "level")["notes"][-1]
        process.terminate()
        process.wait(20)
        assert not sockets(own_folders)


def test_a_monitor_that_was_killed_or_hangs_is_no_hindrance(config: Path, own_folders: Path) -> None:
    with monitoring(config) as process:
        process.send_signal(signal.SIGSTOP)
        try:
            found = asked(config, "level")
            assert found["source"] == "scrape"
            assert found["notes"] == ["lilfox monitor cannot be asked: it did not answer in time; scraping now"]
        finally:
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(20)
    assert sockets(own_folders), "it could not remove it"
    found = asked(config, "level")
    assert (found["source"], found["notes"]) == ("scrape", [])
    with monitoring(config):
        assert asked(config, "levels")["source"] == "monitor"


def test_series_go_on_after_kill_9(config: Path, own_folders: Path) -> None:
    with monitoring(config) as process:
        (folder,) = own_folders.rglob("series")
        wait_for(lambda: any(path.stat().st_size > 500 for path in folder.iterdir()), what="series are on the disk")
        process.kill()
        process.wait(20)
    began_ms = round(time.time() * 1000)
    with monitoring(config) as process:
        found = asked(config, "min_over_time(timestamp(level)[5m:200ms])")
        assert found["series"]
        assert all(one["value"] * 1000 < began_ms for one in found["series"]), "it has the series from before"
        recorded = asked(config, "min_over_time(timestamp(levels)[5m:200ms])")["series"]
        assert all(one["value"] * 1000 < began_ms for one in recorded), "and what the rule had recorded"
        assert recorded
        process.terminate()
        process.wait(20)
    said = (config.parent / "lilfox.err").read_text()
    assert "series" not in said, said
    assert sum(path.stat().st_size for path in folder.iterdir()) < 64 * 1024 * 1024
