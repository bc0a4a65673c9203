"""What operations run and say, and what never is made of the values that they get."""

from __future__ import annotations

import shlex

import pytest

from lilfox_tui.config.model import Config, HostConfig, RunbooksConfig
from lilfox_tui.core.errors import ConfigError, UsageError
from lilfox_tui.hosts.addresses import address
from lilfox_tui.operations.addresses import addresses_in, ban_operation, unban_operation, why_never
from lilfox_tui.operations.model import locks_out, signal_operation, unit_operation

CONFIG = Config(
    hosts={"web-1": HostConfig(address="203.0.113.7"), "web-2": HostConfig(address="web-2.example")},
    runbooks=RunbooksConfig(never_ban=("198.51.100.0/24", "2001:db8:1::/48")),
)


def test_what_is_shown_is_what_runs() -> None:
    stop = unit_operation("stop", "web-1", "nginx.service", sudo=True)
    assert stop.shown == ("sudo systemctl stop -- nginx.service",)
    ban = ban_operation("web-1", "192.0.2.7", 90, sudo=False)
    assert ban.shown == ("nft -f -", *ban.stdin.splitlines())
    assert "add element inet lilfox_ban v4 { 192.0.2.7 timeout 90s }" in ban.shown
    kill = signal_operation("KILL", "web-1", 4711, 99, "a\nb", sudo=False)
    assert tuple(shlex.split("\n".join(kill.shown))) == kill.argv


@pytest.mark.parametrize(
    ("unit", "typed"),
    [
        ("nginx.service", False),
        ("ssh.service", True),
        ("sshd@7-10.0.0.1:22.service", True),
        ("systemd-networkd", True),
        ("NetworkManager.service", True),
    ],
)
def test_what_may_close_the_door_behind_you_is_typed(unit: str, typed: bool) -> None:
    operation = unit_operation("restart", "web-1", unit, sudo=False)
    assert (operation.confirm == "web-1", len(operation.changes) == 2) == (typed, typed)
    assert unit_operation("start", "web-1", unit, sudo=False).confirm == ""


def test_stop_kill_and_ban_are_typed_and_others_are_not() -> None:
    assert unit_operation("stop", "web-1", "a.service", sudo=False).confirm == "web-1"
    assert unit_operation("restart", "web-1", "a.service", sudo=False).confirm == ""
    for signal, word in (("TERM", ""), ("HUP", ""), ("KILL", "web-1")):
        assert signal_operation(signal, "web-1", 7, 9, "app", sudo=False).confirm == word  # type: ignore[arg-type]
    assert ban_operation("web-1", "192.0.2.7", 60, sudo=False).confirm == "web-1"
    assert unban_operation("web-1", "192.0.2.7", sudo=False).confirm == ""


def test_sshs_processes_are_doors_too() -> None:
    assert locks_out("sshd")
    assert locks_out("/usr/sbin/sshd")
    assert locks_out("sshd-session")
    assert not locks_out("nginx")


@pytest.mark.parametrize("value", ["-rf", "a b", "a;b", "$(id)", "", "../x", "a\nb", "--force"])
def test_what_is_no_unit_is_refused(value: str) -> None:
    with pytest.raises(UsageError):
        unit_operation("stop", "web-1", value, sudo=False)


@pytest.mark.parametrize(
    "value", ["", "1.2.3", "1.2.3.4/24", "1.2.3.4 } ; flush ruleset", "fe80::1%eth0", "host", "::g"]
)
def test_what_is_no_address_comes_into_no_rule(value: str) -> None:
    with pytest.raises(UsageError):
        ban_operation("web-1", value, 60, sudo=False)
    with pytest.raises(UsageError):
        unban_operation("web-1", value, sudo=False)


@pytest.mark.parametrize("seconds", [0, -1, 31 * 86400])
def test_a_ban_has_an_end(seconds: int) -> None:
    with pytest.raises(UsageError):
        ban_operation("web-1", "192.0.2.7", seconds, sudo=False)


def test_an_address_has_one_spelling() -> None:
    assert ban_operation("web-1", "::ffff:192.0.2.7", 60, sudo=False).subject == "192.0.2.7"
    assert ban_operation("web-1", "2001:DB8:0::07", 60, sudo=False).subject == "2001:db8::7"
    assert "v6 { 2001:db8::7 }" in ban_operation("web-1", "2001:db8::7", 60, sudo=False).stdin


def test_the_first_process_gets_no_signal() -> None:
    with pytest.raises(UsageError):
        signal_operation("TERM", "web-1", 1, 0, "systemd", sudo=False)


@pytest.mark.parametrize(
    "value",
    ["10.0.0.1", "127.0.0.1", "::1", "fe80::7", "198.51.100.9", "2001:db8:1::9", "203.0.113.7", "::ffff:10.1.1.1",
     "192.0.2.99", "64:ff9b::a00:1", "224.0.0.1", "0.0.0.0", "100.64.1.1"],
)  # fmt: skip
def test_what_is_never_banned(value: str) -> None:
    assert why_never(CONFIG, value, (address("192.0.2.99"),)) is not None
    assert why_never(CONFIG, "192.0.2.98", (address("192.0.2.99"),)) is None


def test_a_range_that_cannot_be_read_bans_nothing() -> None:
    with pytest.raises(ConfigError):
        why_never(Config(runbooks=RunbooksConfig(never_ban=("office",))), "192.0.2.7")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('192.0.2.7 - - [27/Nov/2026] "GET /"', ["192.0.2.7"]),
        ("client: 192.0.2.7, server: x, upstream: http://10.0.0.1:8000/", ["192.0.2.7", "10.0.0.1"]),
        ('{"remote_addr":"2001:db8::7","xff":"192.0.2.7, 192.0.2.8."}', ["2001:db8::7", "192.0.2.7", "192.0.2.8"]),
        ("from 192.0.2.7:51000 and [2001:db8::9]:443", ["192.0.2.7", "2001:db8::9"]),
        ("at 03:12:44.221 version 1.2.3 build 10.4", []),
        ("192.0.2.7 and 192.0.2.7", ["192.0.2.7"]),
        ("feed face dead:beef", []),
    ],
)
def test_addresses_of_a_text(text: str, found: list[str]) -> None:
    assert addresses_in(text) == found
