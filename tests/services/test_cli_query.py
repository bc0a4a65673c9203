"""``lilfox query`` as a process: over what it scrapes, and asking a real Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from lilfox_tui.cli.schemas import schema
from lilfox_tui.config.model import ApiConfig, Config, ScrapeConfig
from lilfox_tui.config.schema import show
from tests.services.lilfox_command import lilfox
from tests.services.prometheus_server import PrometheusServer, prometheus
from tests.services.sshd import sshd_lab
from tests.services.stamped_targets import StampedTargets, stamped_targets
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("cli_query")  # one worker: the server takes longer than the tests


@pytest.fixture(scope="module")
def targets() -> Iterator[StampedTargets]:
    with stamped_targets() as found:
        yield found


@pytest.fixture(scope="module")
def config(targets: StampedTargets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("config"), targets)


@pytest.fixture(scope="module")
def server(targets: StampedTargets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that has scraped the targets for a while."""
    with prometheus(tmp_path_factory.mktemp("prometheus"), settings=targets.settings) as found:
        wait_for(lambda: counted(found) >= 12, timeout_s=60, what="Prometheus has samples")
        yield found


def counted(server: PrometheusServer) -> int:
    found = server.instant("min(count_over_time(wave[1m]))", round(time.time() * 1000))["result"]
    return int(found[0]["value"][1]) if found else 0


def written(folder: Path, targets: StampedTargets, more: str = "") -> Path:
    path = folder / "lilfox.yaml"
    addresses = ", ".join(f"'{address}'" for address in targets.addresses)
    path.write_text(f"hosts: {{here: {{local: true}}}}\nscrape: {{app: {{targets: [{addresses}]}}}}\n{more}")
    path.chmod(0o600)
    return path


def asked(config: Path, *words: str) -> dict[str, Any]:
    done = lilfox("--config", config, "query", *words, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, schema("query"))
    return document


def values(document: dict[str, Any], label: str) -> dict[str, Any]:
    return {one["labels"][label]: one["value"] for one in document["series"]}


def test_what_is_scraped_now_is_answered_as_a_table(config: Path) -> None:
    done = lilfox("--config", config, "query", "level")
    assert done.returncode == 0, done.stderr
    lines = sorted(line.split("  ", 1) for line in done.stdout.splitlines())
    assert [number for number, _ in lines] == ["0.5", "1.5"]
    assert all(series.startswith("level{instance=") for _, series in lines)
    assert done.stderr == ""


def test_up_and_numbers_of_the_host_are_there(config: Path) -> None:
    assert {one["value"] for one in asked(config, "up")["series"]} == {1.0}
    (cpu,) = asked(config, "memory_usage_percent")["series"]
    assert cpu["labels"]["host"] == "here"
    assert 0 < cpu["value"] <= 100


def test_a_rate_is_scraped_for_a_while_and_the_window_is_said(config: Path) -> None:
    document = asked(config, 'rate(requests_total{status="200"}[5m])')
    rates = sorted(one["value"] for one in document["series"])
    assert rates == pytest.approx([7 / 0.4, 8 / 0.4], rel=0.15)
    assert document["notes"][0] == "scraped for 5 s"
    assert document["notes"][1].startswith("longer ranges in the expression are shortened to 5")


def test_a_range_is_scraped_step_by_step(config: Path) -> None:
    (line,) = asked(config, "count(level)", "--range", "2s", "--step", "500ms")["series"]
    assert [one["value"] for one in line["values"]][-3:] == [2, 2, 2]


def test_a_prometheus_is_asked_instead_also_for_the_past(
    targets: StampedTargets, server: PrometheusServer, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{server.port}"
    config = written(tmp_path, targets, f"prometheus: {url}\n")
    assert values(asked(config, "level"), "name") == {"a": 0.5, "b": 1.5}
    (line,) = asked(config, "count(level)", "--range", "3s", "--step", "1s", "--at", "1s")["series"]
    assert [one["value"] for one in line["values"]] == [2, 2, 2, 2]
    rates = asked(config, 'sum(rate(requests_total{status="200"}[3s]))')["series"]
    assert rates[0]["value"] == pytest.approx(37.5, rel=0.15)
    empty = tmp_path / "empty.yaml"
    empty.write_text("hosts: {}\n")
    assert asked(empty, "time() * 0", "--prometheus", url) == {
        "query": "time() * 0", "kind": "scalar", "value": 0, "source": "prometheus", "notes": []
    }  # fmt: skip
    assert asked(empty, "level", "--at", "3h", "--prometheus", url)["series"] == []


def test_the_words_of_the_prometheus_come_with_a_caret(server: PrometheusServer, config: Path) -> None:
    done = lilfox("--config", config, "query", "rate(level)", "--prometheus", f"http://127.0.0.1:{server.port}")
    assert done.returncode == 2
    assert "expected type range vector" in done.stderr
    assert done.stderr.splitlines()[1:3] == ["    rate(level)", "         ^"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["sum(level"], 2, "unclosed left parenthesis"),
        ([], 2, "no expression given"),
        (["level", "--at", "10m"], 2, "--at is not available"),
        (["level", "--range", "1h"], 2, "at most 5m"),
        (["level", "--step", "5s"], 2, "--step needs a range"),
        (["level", "--prometheus", "prometheus:9090"], 2, "not an address"),
        (["level", "--prometheus", "http://u:secret@p:9090"], 2, "the address contains a user or password"),
        (["level", "--prometheus", "http://127.0.0.1:1"], 1, "127.0.0.1:1 refuses the connection"),
        (["level + on (job) level"], 2, "many-to-many"),
    ],
)
def test_what_cannot_be_answered_is_said(config: Path, words: list[str], code: int, says: str) -> None:
    done = lilfox("--config", config, "query", *words)
    assert done.returncode == code
    assert says in done.stderr
    assert "secret" not in done.stderr
    assert done.stdout == ""


def test_a_target_that_does_not_answer_is_named_and_the_others_are_shown(
    targets: StampedTargets, tmp_path: Path
) -> None:
    config = tmp_path / "lilfox.yaml"
    config.write_text(
        f"hosts: {{here: {{local: true}}}}\nscrape: {{app: {{targets: ['{targets.addresses[0]}', '127.0.0.1:1']}}}}\n"
    )
    done = lilfox("--config", config, "query", "sum(up)")
    assert (done.returncode, done.stdout) == (3, "1  {}\n")
    assert "app: 127.0.0.1:1 refuses the connection" in done.stderr


def test_targets_and_a_prometheus_are_asked_from_a_host_through_ssh(
    targets: StampedTargets, server: PrometheusServer, tmp_path: Path
) -> None:
    with sshd_lab() as lab:
        config = Config(
            hosts={"web-1": lab.host(lab.sshd())},
            ssh=lab.ssh(),
            scrape={"app": ScrapeConfig(targets=(targets.addresses[0],), from_="web-1")},
        )
        path = tmp_path / "lilfox.yaml"
        path.write_text(show(config))
        path.chmod(0o600)
        assert values(asked(path, "level"), "name") == {"a": 0.5}
        (memory,) = asked(path, "memory_usage_percent")["series"]
        assert memory["labels"]["host"] == "web-1"
        there = ApiConfig(url=f"http://127.0.0.1:{server.port}", from_="web-1")
        path.write_text(show(msgspec.structs.replace(config, prometheus=there)))
        assert values(asked(path, "level"), "name") == {"a": 0.5, "b": 1.5}


def test_the_schema_is_printed() -> None:
    done = lilfox("query", "--json-schema")
    assert json.loads(done.stdout) == schema("query")
