"""The section ``backends``: its kinds, their keys, and what does not fit together."""

from __future__ import annotations

import pytest

from lilfox_tui.backends.kinds import celery, postgresql
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import Threshold
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import ConfigError


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        from_text(text, "c.yaml")
    return refused.value.problems


def test_each_is_the_options_of_its_kind() -> None:
    config = from_text(
        """
        hosts: {db-1: {}}
        backends:
          orders: {kind: postgresql, host: db-1, password: "env:PW", every: 1m, lag_s: {warn: 5}}
          tasks: {kind: celery, queues: [a, b]}
        """,
        "c.yaml",
    )
    orders, tasks = config.backends["orders"], config.backends["tasks"]
    assert orders == postgresql.Options(
        host="db-1", password=SecretRef("env:PW"), every=Seconds(60), lag_s=Threshold(warn=5, fail=300)
    )
    assert tasks == celery.Options(queues=("a", "b"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{kind: postgres}", "backends.x.kind: no such kind of backend; did you mean postgresql"),
        ("{port: 5432}", "backends.x.kind: no such kind of backend"),
        ("{kind: redis, host: nowhere}", "backends.x.host: no host named"),
        ("{kind: redis, password: plain}", "backends.x.password"),
        ("{kind: redis, port: 70000}", "backends.x.port"),
        ("{kind: redis, tabel: 1}", "backends.x.tabel"),
        ("{kind: rabbitmq}", "backends.x"),
        ("{kind: rabbitmq, url: 'http://u:p@h:1'}", "backends.x.url: the address contains a user or password"),
        ("{kind: breakers, url: 'http://h:1', headers: {Authorization: plain}}", "backends.x.headers.Authorization"),
        ("{kind: breakers, url: 'http://h:1', states: {'0': shut}}", "backends.x.states"),
        ("{kind: redis, memory_percent: {warn: 9, fail: 5}}", "backends.x.memory_percent: warn 9 is above fail 5"),
    ],
)
def test_what_is_wrong_is_found(text: str, problem: str) -> None:
    found = problems(f"backends: {{x: {text}}}")
    assert len(found) == 1, found
    assert problem in found[0]
