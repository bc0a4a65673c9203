"""What a host says of units and bans, and what is made of it; the texts are those of systemd 257 and nftables 1.1."""

from __future__ import annotations

import pytest

from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.core.errors import CommandFailed, HostError, NotAllowed, UsageError
from lilfox_tui.hosts.base import Completed
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.operations.addresses import Ban, ban_operation, bans, check_ban, prove_ban, unban_operation
from lilfox_tui.operations.model import prove_unit, read_unit, service_units, stopped_by_order, unit_operation
from tests.unit.operations.programs import by_program, unit_shown

LISTED = b"""{"nftables": [{"metainfo": {"version": "1.1.3", "json_schema_version": 1}},
{"table": {"family": "inet", "name": "lilfox_ban", "handle": 1}},
{"set": {"family": "inet", "name": "v4", "table": "lilfox_ban", "type": "ipv4_addr", "flags": ["timeout"],
"elem": [{"elem": {"val": "192.0.2.7", "timeout": 90, "expires": 89}}, "192.0.2.8"]}},
{"set": {"family": "inet", "name": "v6", "table": "lilfox_ban", "type": "ipv6_addr", "flags": ["timeout"]}},
{"rule": {"family": "inet", "table": "lilfox_ban", "chain": "banned", "expr": [{"drop": null}]}}]}
"""
LIST = "nft --json list table inet lilfox_ban"
SHOW = (
    "systemctl show --property=Id,LoadState,ActiveState,SubState,Result,UnitFileState,MainPID,NRestarts,"
    "InvocationID -- app.service"
)


def failed(words: bytes) -> Completed:
    return Completed((), 1, None, b"", words)


async def test_bans_are_read_with_what_is_left_of_them() -> None:
    host = FakeHost(answers={LIST: LISTED})
    assert await bans(host, sudo=False) == [Ban("192.0.2.7", 89), Ban("192.0.2.8", None)]
    host.answers[LIST] = failed(b"Error: No such file or directory\nlist table inet lilfox_ban\n")
    assert await bans(host, sudo=False) == []
    for said in (failed(b"Operation not permitted (you must be root)"), b"[]", b"{}"):
        host.answers[LIST] = said
        with pytest.raises(HostError, match="cannot read the bans"):
            await bans(host, sudo=False)


async def test_a_ban_is_proved_by_its_end_and_lifting_it_by_its_absence() -> None:
    host = FakeHost(answers={LIST: LISTED})
    assert "192.0.2.7 is banned until" in await prove_ban(host, ban_operation("fake", "192.0.2.7", 90, sudo=False))
    assert "is no longer banned" in await prove_ban(host, unban_operation("fake", "192.0.2.9", sudo=False))
    for operation in (
        ban_operation("fake", "192.0.2.9", 90, sudo=False),
        ban_operation("fake", "192.0.2.8", 90, sudo=False),
        unban_operation("fake", "192.0.2.7", sudo=False),
    ):
        with pytest.raises(CommandFailed, match="was changed in the meantime"):
            await prove_ban(host, operation)


def test_a_ban_stands_before_everything_else_and_lasts_as_long_as_it_was_said_last() -> None:
    stdin = ban_operation("web-1", "192.0.2.7", 90, sudo=False).stdin
    assert "hook prerouting priority -310;" in stdin
    element = "element inet lilfox_ban v4 { 192.0.2.7"
    assert stdin.splitlines()[-3:] == [f"add {element} }}", f"delete {element} }}", f"add {element} timeout 90s }}"]


async def test_what_the_host_must_not_shut_out_is_asked_right_before() -> None:
    """You, itself, its gateways and its name servers; where it does not tell, nothing is banned."""
    config = Config(hosts={"web-1": HostConfig(address="203.0.113.7")})
    host = by_program(
        nft=b"nftables v1.1.3",
        printenv=b"192.0.2.99 51234 203.0.113.7 22\n",
        sh=b"2: eth0 inet 203.0.113.8/24 brd 203.0.113.255\ndefault via 203.0.113.1 dev eth0\nnameserver 9.9.9.9\n",
    )

    async def check(subject: str) -> None:
        await check_ban(host, ban_operation("web-1", subject, 60, sudo=False), config, local=False)

    await check("192.0.2.7")
    for subject, why in (
        ("192.0.2.99", "your own address"),
        ("203.0.113.7", "your own address"),
        ("203.0.113.8", "it is an address, gateway or name server"),
        ("203.0.113.1", "it is an address, gateway or name server"),
        ("9.9.9.9", "it is an address, gateway or name server"),
    ):
        with pytest.raises(NotAllowed, match=why):
            await check(subject)
    host.answers["sh"] = b""
    with pytest.raises(HostError, match="cannot determine the addresses of"):
        await check("192.0.2.7")
    host.answers["nft"] = failed(b"")
    with pytest.raises(HostError, match="cannot run nft: exit status 1"):
        await check("192.0.2.7")


async def test_a_unit_is_what_systemd_says_of_it() -> None:
    host = FakeHost(answers={SHOW: unit_shown("active", "running", pid=71)})
    unit = await read_unit(host, "app.service")
    assert (unit.running, unit.pid, unit.restarts, unit.enabled) == (True, 71, 2, "enabled")
    host.answers[SHOW] = unit_shown("inactive", "dead")
    assert ((await read_unit(host, "app.service")).running, (await read_unit(host, "app.service")).pid) == (False, None)
    for sub, running in (("start", True), ("auto-restart", False)):
        host.answers[SHOW] = unit_shown("activating", sub)
        assert (await read_unit(host, "app.service")).running is running
    host.answers[SHOW] = unit_shown("inactive", "dead", load="not-found")
    with pytest.raises(UsageError, match=r"has no unit app\.service"):
        await read_unit(host, "app.service")


async def test_units_that_are_not_there_are_not_listed() -> None:
    listed = b"app.service  loaded    active   running Our app\ngone.service not-found inactive dead    gone.service\n"
    words = "--type=service --all --plain --no-legend --no-pager --full"
    host = FakeHost(answers={f"systemctl list-units {words}": listed})
    assert await service_units(host) == [("app.service", "active running")]


@pytest.mark.parametrize(
    ("active", "result", "message", "by_order"),
    [
        ("failed", "exit-code", "de5b426a63be47a7b6ac3eaac82e2f6f", True),
        ("inactive", "success", "9d1aaa27d60140bd96365438aad20286", True),
        ("failed", "start-limit-hit", "9d1aaa27d60140bd96365438aad20286", False),
        ("inactive", "success", "39f53479d3a045ac8e11786248231fbf", False),
        ("inactive", "success", None, True),
        ("failed", "success", None, False),
        ("inactive", "exit-code", None, False),
    ],
)
async def test_who_stopped_a_unit_is_told_by_the_newest_order_else_by_how_it_ended(
    active: str, result: str, message: str | None, by_order: bool
) -> None:
    journal = b"" if message is None else f'{{"MESSAGE_ID":"{message}"}}\n'.encode()
    host = by_program(journalctl=journal, systemctl=unit_shown(active, "dead", result))
    assert await stopped_by_order(host, await read_unit(host, "app.service"), sudo=False) is by_order


@pytest.mark.parametrize(
    ("verb", "active", "sub", "proved"),
    [
        ("restart", "active", "running", True), ("restart", "activating", "auto-restart", False),
        ("restart", "activating", "start", False), ("restart", "failed", "failed", False),
        ("stop", "inactive", "dead", True), ("stop", "active", "running", False), ("stop", "failed", "failed", True),
        ("stop", "deactivating", "stop-sigterm", False), ("stop", "activating", "auto-restart", False),
        ("start", "inactive", "dead", False),
    ],
)  # fmt: skip
async def test_an_order_to_a_unit_came_true_or_it_is_said_that_it_did_not(
    verb: str, active: str, sub: str, proved: bool
) -> None:
    host = FakeHost(answers={SHOW: unit_shown(active, sub)})
    operation = unit_operation(verb, "fake", "app.service", sudo=False)  # type: ignore[arg-type]
    if proved:
        assert await prove_unit(host, operation, 0) == f"app.service is {active} ({sub})"
    else:
        with pytest.raises(CommandFailed, match=f"after systemctl {verb}"):
            await prove_unit(host, operation, 0)


UP, DOWN = unit_shown("active", "running"), unit_shown("inactive", "dead")


@pytest.mark.fault("4.51")
@pytest.mark.parametrize(
    ("verb", "then", "why"),
    [
        (
            "restart",
            unit_shown("failed", "failed", "exit-code"),
            r"is failed \(failed\); before that, it was in the intended state for 0 s",
        ),
        ("start", unit_shown("activating", "auto-restart", "exit-code"), "auto-restart"),
        ("restart", UP.replace(b"NRestarts=2", b"NRestarts=3"), "exited and was restarted within 0 s"),
        ("restart", UP + b"InvocationID=another\n", "exited and was restarted within 0 s"),
        ("stop", UP, r"is active \(running\); before that, it was in the intended state for 0 s"),
    ],
)
async def test_a_unit_that_does_not_stay_as_it_was_ordered_is_seen(verb: str, then: bytes, why: str) -> None:
    """As a service that ends two seconds after it has begun, and one that is started by its socket again."""
    looks = iter([DOWN if verb == "stop" else UP])
    host = FakeHost(answers={SHOW: lambda _call: next(looks, then)})
    operation = unit_operation(verb, "fake", "app.service", sudo=False)  # type: ignore[arg-type]
    with pytest.raises(CommandFailed, match=why):
        await prove_unit(host, operation, 0.02)
    assert len(host.calls) == 2


@pytest.mark.fault("4.51")
async def test_a_unit_is_looked_at_until_it_has_settled() -> None:
    host = FakeHost(answers={SHOW: UP})
    operation = unit_operation("restart", "fake", "app.service", sudo=False)
    assert await prove_unit(host, operation, 0.02) == "app.service is active (running)"
    assert len(host.calls) >= 2, "at its beginning, and at its end"
