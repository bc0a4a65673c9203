"""The section ``logs``: keys of every source and keys of its kind, side by side."""

from __future__ import annotations

import pytest

from lilfox_tui.config.loader import from_text, secret_refs
from lilfox_tui.config.model import LogConfig
from lilfox_tui.config.schema import show
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.logs.sources import command, journald, loki


def problem(text: str) -> str:
    """The only finding in ``text``, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        from_text(text, "c.yaml")
    (found,) = caught.value.problems
    return found.removeprefix("c.yaml:")


def test_each_source_is_the_options_of_its_kind() -> None:
    config = from_text(
        """
        hosts: {db-1: {}}
        logs:
          journal: {kind: journald, unit: nginx.service, host: db-1, since: 2h}
          box: {kind: command, argv: [docker, logs, -f, web], zone: Europe/Berlin, format: json_lines}
          loki: {kind: loki, url: "http://loki:3100", query: '{job="x"}', headers: {Authorization: "env:TOKEN", Y: z}}
        """,
        "c.yaml",
    )
    assert config.logs["journal"] == journald.Options(
        kind="journald", unit="nginx.service", host="db-1", since=Seconds(7200)
    )
    assert config.logs["box"] == command.Options(
        kind="command", argv=("docker", "logs", "-f", "web"), zone="Europe/Berlin", format="json_lines"
    )
    asked = config.logs["loki"]
    assert isinstance(asked, loki.Options)
    assert isinstance(asked, LogConfig)
    assert isinstance(asked.headers["Authorization"], SecretRef)
    assert set(secret_refs(config)) == {"env:TOKEN"}
    assert from_text(show(config), "shown.yaml") == config


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("{kind: loky}", "logs.a.kind: no such kind of log source; did you mean loki?"),
        ("{kind: journald, host: web}", "logs.a.host: no host named “web”; one of: db-1"),
        ("{kind: journald, zone: Europe/Berlim}", "logs.a.zone: no time zone named “Europe/Berlim”; did you mean"),
        ("{kind: journald, zone: ../../etc/passwd}", "logs.a.zone: no time zone named"),
        ("{kind: journald, format: jsonlines}", "logs.a.format: no such format; did you mean json_lines?"),
        ("{path: /x, charset: gb18031}", "logs.a.charset: no such character set"),
        ("{path: /x, charset: hex}", "logs.a.charset: no such character set"),
        (
            "{path: /x, charset: utf-16}",
            "logs.a.charset: lines in it cannot be told apart; of UTF-16 leave it out: its byte order mark tells it",
        ),
        ("{kind: journald, unti: x}", "logs.a.unti: no such key; did you mean unit?"),
        ("{kind: command}", "logs.a.argv: this key is missing; add it"),
        ("{kind: kubernetes, cluster: shop}", "logs.a.cluster: no cluster named “shop”; none is defined"),
        ("{kind: command, argv: []}", "logs.a.argv: fewer than 1 items; add more"),
        ("{kind: loki, query: x}", "logs.a.url: this key is missing; add it"),
        ("{kind: loki, query: x, url: 'http://u:p@h'}", "logs.a.url: the address contains a user or password"),
        ("{kind: loki, query: x, url: 'ftp://h'}", "logs.a.url: not an address"),
        ("{kind: loki, query: x, url: 'http://h', headers: {Authorization: t}}", "logs.a.headers.Authorization: this"),
        ("{kind: elasticsearch, index: x, url: 'http://h', password: hunter2}", "logs.a.password: "),
        ("[x]", "logs.a"),
    ],
)
def test_what_is_wrong_is_named_with_what_there_is(log: str, says: str) -> None:
    found = problem(f"hosts: {{db-1: {{}}}}\nlogs:\n  a: {log}\n")
    assert found.startswith(f"3: {says}")
    assert "hunter2" not in found
