"""What is asked right before a command runs, whatever was known of it before."""

from __future__ import annotations

from typing import cast

import pytest

from lilfox_tui.config.model import Config, HostConfig, RunbooksConfig
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.hosts.base import Completed
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.runbook.model import Kind, Runbook, Variable
from lilfox_tui.runbook.run import gate
from lilfox_tui.runbook.run.gate import CommandPreparer, Hosts, is_secret, offered, refuse_unseen
from lilfox_tui.runbook.run.protocol import ValuesSet
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import Turn
from tests.unit.runbook.made import AT, began, command, ended, opened, runbook

BAN = Variable(name="ip", type="ip", deny=("self", "private"))
CONFIG = Config(hosts={"web1": HostConfig(), "db": HostConfig(protected=True)})


class Prepared:
    """A run of ``book`` that has begun on ``host``, with these values."""

    def __init__(self, book: Runbook, config: Config = CONFIG, host: str = "web1", **values: str) -> None:
        self.reducer = RunReducer(book)
        self.reducer.take([opened({"": (host,), "local": (host,)})])
        self.reducer.known.take(values)
        self.preparing = CommandPreparer(config, cast("Hosts", {}), self.reducer, self.reducer.known)


async def test_a_link_that_came_back_from_elsewhere_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator changes networks in the middle of a run: what was somebody else's address is theirs now."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    at = ["203.0.113.7"]

    def told(*_asked: object) -> Completed:
        return Completed(("printenv",), 0, None, f"{at[0]} 51234 198.51.100.2 22\n".encode(), b"")

    reducer = RunReducer(runbook((command("echo <ip>", "change"),), variables=(BAN,)))
    reducer.take([opened({"": ("web1",)})])
    reducer.known.take({"ip": "203.0.113.9"})
    hosts = cast("Hosts", {"web1": FakeHost("web1", answers={"printenv SSH_CONNECTION": told})})
    preparing = CommandPreparer(
        Config(hosts={"web1": HostConfig(address="web1.example")}), hosts, reducer, reducer.known
    )
    turn = Turn(0, 0, ("web1",))
    assert (await preparing.ready(turn)).filled["web1"].env == {"LF_ip": "203.0.113.9"}
    at[0] = "203.0.113.9"
    with pytest.raises(LilFoxError, match="your own address"):
        await preparing.ready(turn)


@pytest.mark.parametrize(("kind", "refused"), [("read", 0), ("follow", 0), ("change", 1), ("interactive", 1)])
async def test_where_nothing_may_be_changed_only_what_reads_is_run(kind: Kind, refused: bool) -> None:
    """What somebody does in a program at a terminal is not known before."""
    made = Prepared(runbook((command("true", kind),)))
    assert (await made.preparing.ready(Turn(0, 0, ("web1",)))).filled["web1"].script == "true"
    if refused:
        with pytest.raises(NotAllowed, match="db is protected"):
            await made.preparing.ready(Turn(0, 0, ("web1", "db")))
    else:
        assert (await made.preparing.ready(Turn(0, 0, ("web1", "db")))).title == "Step 1"


async def test_what_is_shown_only_never_runs() -> None:
    made = Prepared(runbook((command("rm -r /", "none"),)))
    with pytest.raises(LilFoxError, match="only shown, never run"):
        await made.preparing.ready(Turn(0, 0, ("web1",)))


async def test_without_a_host_or_on_one_that_is_not_configured_any_more_nothing_runs() -> None:
    made = Prepared(runbook((command("uptime"),)))
    with pytest.raises(LilFoxError, match="the command has no host to run on"):
        await made.preparing.ready(Turn(0, 0, ()))
    with pytest.raises(UsageError, match="no host gone"):
        await made.preparing.ready(Turn(0, 0, ("web1", "gone")))


async def test_a_host_that_is_configured_by_a_name_is_not_banned(monkeypatch: pytest.MonkeyPatch) -> None:
    """192.0.519 is no address for ipaddress, and 192.0.2.7 for every resolver (inet_aton(3))."""
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.7 51234 198.51.100.2 22")
    config = Config(hosts={"web1": HostConfig(local=True), "lb": HostConfig(address="192.0.519")})
    book = runbook((command("echo <ip>", "change"),), variables=(BAN,))
    web1 = cast("Hosts", {"web1": FakeHost("web1")})

    def preparing(ip: str, config: Config) -> CommandPreparer:
        made = Prepared(book, config, ip=ip)
        return CommandPreparer(config, web1, made.reducer, made.reducer.known)

    turn = Turn(0, 0, ("web1",))
    with pytest.raises(LilFoxError, match=r"192\.0\.2\.7 is the address of lb"):
        await preparing("192.0.2.7", config).ready(turn)
    assert (await preparing("192.0.2.8", config).ready(turn)).warning is None
    config.hosts["gone"] = HostConfig(address="no-such-host.invalid")
    assert "cannot be resolved: gone" in str((await preparing("192.0.2.8", config).ready(turn)).warning)


async def test_never_ban_holds_for_every_variable_that_denies() -> None:
    config = Config(hosts={"web1": HostConfig()}, runbooks=RunbooksConfig(never_ban=("192.0.2.0/24",)))
    denies = Variable(name="ip", type="ip", deny=("private",))
    book = runbook((command("echo <ip>"),), variables=(denies,))
    ready = await Prepared(book, config, ip="198.51.100.7").preparing.ready(Turn(0, 0, ("web1",)))
    assert ready.filled["web1"].env == {"LF_ip": "198.51.100.7"}
    with pytest.raises(LilFoxError, match="never_ban"):
        await Prepared(book, config, ip="192.0.2.7").preparing.ready(Turn(0, 0, ("web1",)))


def test_before_all_is_run_every_change_is_known_to_be_allowed() -> None:
    book = runbook((command("uptime"), command("reboot", "change")))
    Prepared(book).preparing.look_ahead()
    with pytest.raises(NotAllowed, match="db is protected"):
        Prepared(book, host="db").preparing.look_ahead()
    done = Prepared(book, host="db")
    done.reducer.take([began("1", 0, 1, "db"), ended("1")])
    done.preparing.look_ahead()


def test_before_all_is_run_every_value_is_there_and_may_stand_where_it_is_asked_for() -> None:
    gives, asks = command("id -u", capture={"uid": "[0-9]+"}), command("ps -u <uid>")
    Prepared(runbook((gives, asks))).preparing.look_ahead()
    with pytest.raises(LilFoxError, match="<who> has no value; nothing was run"):
        Prepared(runbook((gives, command("ps -u <uid> -C <who>")))).preparing.look_ahead()
    with pytest.raises(LilFoxError, match="would be read as an option"):
        Prepared(runbook((asks,)), uid="-x").preparing.look_ahead()


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("pw", "any", True),
        ("password", "any", True),
        ("url", "postgresql://fox:S3CRET@db/app", True),
        ("unit", "nginx.service", False),
    ],
)
def test_what_is_declared_or_looks_like_a_secret_is_one(name: str, value: str, secret: bool) -> None:
    assert is_secret(name, value, (Variable(name="pw", type="secret"), Variable(name="unit"))) is secret


@pytest.mark.fault("4.9")
async def test_what_only_its_values_make_a_change_of_is_refused_until_somebody_has_seen_it() -> None:
    """It was taken for what only reads: by who read it without its values, or by a version that knew less."""
    made = Prepared(runbook((command("sysctl <x>", "read", confirm="none"),)), x="kernel.panic=1")
    ready = await made.preparing.ready(Turn(0, 0, ("web1",)))
    assert (ready.became, ready.command.kind) == (True, "change")
    with pytest.raises(
        LilFoxError, match="not known to be read-only with these values; it is not run without confirmation"
    ):
        refuse_unseen(ready)
    with pytest.raises(LilFoxError, match="not run without confirmation"):
        made.preparing.look_ahead()
    with pytest.raises(
        NotAllowed,
        match="db is protected: changes on it are not allowed; line 0: the command is not known to be read-only "
        "with these values",
    ):
        await made.preparing.ready(Turn(0, 0, ("db",)))
    harmless = Prepared(runbook((command("sysctl <x>", "change"),)), x="kernel.panic")
    assert (await harmless.preparing.ready(Turn(0, 0, ("db",)))).command.kind == "read"


@pytest.mark.fault("4.49")
async def test_what_was_captured_on_several_hosts_is_each_ones_own() -> None:
    asks = command("kill <pid>", "change")
    made = Prepared(runbook((asks,)), config=Config(hosts={"a": HostConfig(), "b": HostConfig(), "c": HostConfig()}))
    for host, pid in (("a", "1"), ("b", "2")):
        made.reducer.take([ValuesSet(at=AT, values={"pid": pid}, host=host)])
    ready = await made.preparing.ready(Turn(0, 0, ("a", "b")))
    assert {host: each.env for host, each in ready.filled.items()} == {"a": {"LF_pid": "1"}, "b": {"LF_pid": "2"}}
    assert made.reducer.known.shown(("a", "b"))["pid"] == "a: 1, b: 2"
    assert made.reducer.known.shown(("b",))["pid"] == "2"
    with pytest.raises(LilFoxError, match="<pid> has no value on c"):
        await made.preparing.ready(Turn(0, 0, ("a", "c")))
    made.reducer.take([ValuesSet(at=AT, values={"pid": "3"})])
    ready = await made.preparing.ready(Turn(0, 0, ("a", "b", "c")))
    assert {each.env["LF_pid"] for each in ready.filled.values()} == {"3"}, "what somebody gives holds everywhere"


@pytest.mark.fault("4.48")
async def test_a_variable_that_a_later_fence_sets_is_refused_before_anything_runs() -> None:
    sets, uses = command("DIR=/data", fence=1), command("rm -rf $DIR/*.tmp", "change", fence=0)
    made = Prepared(runbook((uses,), (sets,)))
    with pytest.raises(LilFoxError, match=r"\$DIR is set in another fence"):
        made.preparing.look_ahead()
    with pytest.raises(LilFoxError, match=r"\$DIR is set in another fence"):
        await made.preparing.ready(Turn(0, 0, ("web1",)))
    Prepared(runbook((sets, command("rm -rf $DIR/*.tmp", "change", fence=1)))).preparing.look_ahead()
    Prepared(runbook((command("ls $DIR", fence=0),), (sets,))).preparing.look_ahead()
    entered = runbook((command("cd $DIR", fence=0), command("rm -rf *.tmp", "change", fence=0)), (sets,))
    with pytest.raises(LilFoxError, match=r"\$DIR is set in another fence"):
        Prepared(entered).preparing.look_ahead()
    Prepared(runbook((command("DIR=/data", fence=0),), (command("rm $DIR", "change", fence=1),))).preparing.look_ahead()


@pytest.mark.parametrize(("name", "value", "secret"), [
    ("pwd", "/srv/app", False), ("PWD", "/root", False), ("cwd", "/", False), ("pwd", "hunter2", True),
    ("db-password", "/srv/app", True), ("folder", "/srv/app", False),
])  # fmt: skip
def test_a_folder_is_no_secret_because_of_its_name(name: str, value: str, secret: bool) -> None:
    assert is_secret(name, value, ()) is secret


@pytest.mark.parametrize(
    ("status", "signal", "stderr", "reason"),
    [(1, None, b"", "exit status 1"), (None, "KILL", b"", "killed by signal KILL"), (1, None, b"no df\n", "no df")],
)
async def test_a_command_for_choices_that_fails_without_a_word_is_told_by_its_end(
    status: int | None, signal: str | None, stderr: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Completed(("bash",), status, signal, b"", stderr)
    host = FakeHost("web1", answers={"bash --noprofile --norc -c 'df -h'": done})
    monkeypatch.setattr(gate, "open_host", lambda *_words, **_more: host)
    with pytest.raises(LilFoxError) as caught:
        await offered(CONFIG, Variable(name="disk", from_="df -h"), ("web1",))
    assert str(caught.value) == f"the choices for disk cannot be read: {reason}"
