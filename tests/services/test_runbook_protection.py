"""The gate and the wall: what becomes of a command where nothing may be changed, and of one that a value changes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.core.errors import LilFoxError, NotAllowed
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.runbook.bash.launcher import ARGV, FenceSession, given
from lilfox_tui.runbook.control import word_to_type
from lilfox_tui.runbook.model import BUNDLED, Kind, Runbook, Variable
from lilfox_tui.runbook.parse.document import parse, read
from lilfox_tui.runbook.run.gate import asks_with, kind_with, let_through, offered
from lilfox_tui.runbook.run.protocol import FinishRun, OrderRefused, TerminalBegins
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.variables import fill
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs
from tests.unit.runbook.made import opened

__all__ = ["jobs"]
READ_ONLY = "cannot execute INSERT in a read-only transaction"


@pytest.fixture(scope="module")
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture
def lab(tmp_path: Path, servers: SshdLab, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> RunbookLab:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return RunbookLab(tmp_path, servers)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.csv("create table kept (id int)")
        yield server


def runbook(tmp_path: Path, *texts: str, attributes: str = "") -> Runbook:
    path = tmp_path / "made.md"
    steps = (f"{at + 1}. Step\n\n   ```bash {attributes}\n   {text}\n   ```\n" for at, text in enumerate(texts))
    path.write_text("# Made\n\n" + "\n".join(steps))
    (made,) = read(path).runbooks
    return made


@pytest.mark.fault("4.9")
@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("sysctl <x>", "net.ipv4.ip_forward", "read"),
        ("sysctl <x>", "net.ipv4.ip_forward=1", "change"),
        ("curl -s <x>", "http://127.0.0.1/", "read"),
        ("curl -s <x>", "gopher://127.0.0.1:6379/_FLUSHALL", "change"),
        ("timeout 5 <x>", "touch", "change"),
        ("psql -c <x>", "select 1", "read"),
        ("psql -c <x>", "drop table kept", "change"),
        ("nft list table inet <x>", "x; add table inet y", "change"),
        ("cat <x>", "/etc/hostname", "read"),
    ],
)
def test_a_command_is_what_it_is_with_its_values(tmp_path: Path, text: str, value: str, kind: Kind) -> None:
    made = runbook(tmp_path, text)
    (command,) = made.steps[0].commands
    assert kind_with(command, {"x": value}, made) == kind
    assert asks_with(command, {"x": value}, made) is (kind == "change")
    assert kind_with(command, {}, made) == "change", "nobody can judge what has no value"


@pytest.mark.fault("4.7")
@pytest.mark.parametrize("attributes", ['{"risk":"read"}', '{"risk":"read","confirm":"none"}', '{"interactive":false}'])
@pytest.mark.parametrize("text", ["python3 -c 'print(1)'", "su -c ./x", "./status.sh"])
def test_what_its_fence_calls_less_than_a_change_is_asked(tmp_path: Path, text: str, attributes: str) -> None:
    made = runbook(tmp_path, text, attributes=attributes)
    (command,) = made.steps[0].commands
    assert command.kind == "change"
    assert asks_with(command, {}, made)


@pytest.mark.fault("4.21")
def test_the_word_of_a_runbook_that_lilfox_brings_counts_where_something_may_be_changed(tmp_path: Path) -> None:
    """Its values are not LilFox's: where nothing may be changed only what is known to read runs."""
    ours = '```bash {"risk": "read"}'
    scripts = ("./look", "#!/bin/bash\n   set -eu\n   uptime")
    text = "# Made\n\n1. Step\n\n" + "\n".join(f"   {ours}\n   {each}\n   ```\n" for each in scripts)
    (made,) = parse(text.encode(), f"{BUNDLED}made.md").runbooks
    look, script = made.steps[0].commands
    assert (look.kind, script.kind) == ("read", "read")
    for command, protected in ((look, True), (script, False)):
        filled = fill(command, {}, ())
        assert let_through(Config(), ("localhost",), command, filled, made) == "read"
        if protected:
            with pytest.raises(NotAllowed, match="not known to be read-only"):
                let_through(Config(read_only=True), ("localhost",), command, filled, made)
        else:
            assert let_through(Config(read_only=True), ("localhost",), command, filled, made) == "read"
    (theirs,) = parse(text.encode(), str(tmp_path / "made.md")).runbooks
    assert [each.kind for each in theirs.steps[0].commands] == ["change", "read"]


@pytest.mark.fault("4.7")
def test_a_change_that_is_called_one_needs_no_question_where_its_fence_says_so(tmp_path: Path) -> None:
    for attributes, asked in (('{"confirm":"none"}', False), ('{"risk":"change","confirm":"none"}', False), ("", True)):
        made = runbook(tmp_path, "touch x", attributes=attributes)
        assert asks_with(made.steps[0].commands[0], {}, made) is asked, attributes


@pytest.mark.fault("4.7")
@pytest.mark.parametrize("confirm", ["none", "once", "typed"])
@pytest.mark.parametrize("text", ["rm -rf x", "uptime"])
def test_what_destroys_is_asked_with_its_hosts_whatever_its_fence_says_of_that(
    tmp_path: Path, confirm: str, text: str
) -> None:
    made = runbook(tmp_path, text, attributes=f'{{"risk":"destroy","confirm":"{confirm}"}}')
    (command,) = made.steps[0].commands
    assert asks_with(command, {}, made)
    reducer = RunReducer(made)
    reducer.take([opened({"local": ("here",)})])
    waiting = reducer.waiting()
    assert waiting.what == "confirm"
    assert waiting.turn is not None
    assert word_to_type(reducer, waiting.turn) == "here"


@pytest.mark.fault("4.8")
@pytest.mark.parametrize("way", ["read_only", "protected"])
def test_under_each_protection_each_order_goes_through_the_gate(lab: RunbookLab, way: str) -> None:
    """A command, a rollback, a check, one for a terminal, all of them; what reads runs."""
    made = lab.folder / "made"
    lab.configure("read_only: true\n" if way != "protected" else "", here={"protected": way == "protected"})
    lab.write(
        fence(f"touch {made}", '{"name":"make","confirm":"none"}'),
        fence(f"rm -f {made}", '{"rollback-of":"make"}'),
        fence(f"[ -e {made} ] || touch {made}", '{"check":true}'),
        fence(f"sh -c 'touch {made}'", '{"interactive":true}'),
        fence("sysctl -n <x>"),
        fence("uptime"),
    )
    job = lab.begin()
    refused = {
        "read_only": "read-only mode: changes on here are not allowed",
        "protected": "here is protected: changes on it are not allowed",
    }[way]
    for step in (1, 2, 3):
        with pytest.raises(OrderRefused, match=refused):
            lab.run_one(job, step)
    with pytest.raises(OrderRefused, match=refused):
        lab.order(job, TerminalBegins(step=3, command=0, host="here", sha256=lab.sha256))
    with pytest.raises(OrderRefused, match=refused):
        lab.run_one(job, 5, values={"x": "net.ipv4.ip_forward=1"})
    with pytest.raises(OrderRefused, match=refused):
        lab.run_all(job, values={"x": "net.ipv4.ip_forward"})
    lab.run_one(job, 5, values={"x": "net.ipv4.ip_forward"})
    assert lab.until(job, "done", 5).kind == "read"
    lab.run_one(job, 6)
    assert lab.until(job, "done", 6).kind == "read"
    lab.order(job, FinishRun(abort=True))
    lab.ended(job)
    assert not made.exists()


@pytest.mark.fault("4.12")
def test_a_name_of_this_machine_is_no_way_around_its_protection(lab: RunbookLab) -> None:
    """Protected under one name it is under all."""
    lab.configure()
    text = lab.config.read_text().replace(
        '"here": {"local": true}', '"here": {"local": true}, "same": {"local": true, "protected": true}'
    )
    lab.config.write_text(text)
    lab.write(fence("touch made", '{"host":"here"}'))
    job = lab.begin()
    with pytest.raises(OrderRefused, match="protected"):
        lab.run_one(job)
    lab.order(job, FinishRun(abort=True))
    lab.ended(job)
    assert load(lab.config).config.hosts["here"].protected is False


@pytest.mark.fault("4.8")
@pytest.mark.parametrize("config", [Config(), Config(read_only=True)])
async def test_what_offers_choices_only_reads(config: Config, tmp_path: Path) -> None:
    made = tmp_path / "made"
    for text in (
        f"touch {made}",
        f"ls; touch {made}",
        f"ls > {made}",
        "tail -f /etc/hostname",
        f"sh -c 'touch {made}'",
    ):
        with pytest.raises(LilFoxError, match="not known to be read-only"):
            await offered(config, Variable(name="x", from_=text), ("localhost",))
    assert not made.exists()
    found = await offered(config, Variable(name="x", from_="echo $PGOPTIONS; echo b"), ("localhost",))
    assert [choice.value for choice in found] == (
        ["-c default_transaction_read_only=on", "b"] if config.read_only else ["b"]
    )


# ---- the wall -------------------------------------------------------------------------------------------------


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[LocalHost]:
    host = LocalHost("here", HostConfig(local=True))
    yield host
    await host.close()


async def printed(
    host: LocalHost, script: str, env: Mapping[str, str], fence: FenceSession | None = None, *, wall: bool
) -> str:
    stdin = given(script, env, wall=wall, fence=fence)
    async with aclosing(host.stream(ARGV, stdin=stdin)) as blocks:
        try:
            return b"".join([block async for block in blocks]).decode()
        except LilFoxError as error:
            return str(error)


@pytest.mark.fault("4.11")
@pytest.mark.parametrize("options", ["", "-c statement_timeout=4711", "-c default_transaction_read_only=off"])
async def test_behind_the_wall_an_insert_fails_on_a_real_server(
    here: LocalHost, postgres: Postgres, options: str
) -> None:
    """Were it taken for a reader. What the host has in PGOPTIONS stays, and does not switch it off."""
    env = {"PGHOST": str(postgres.folder), "PGPORT": str(postgres.port), "PGUSER": SUPERUSER, "PGDATABASE": "postgres"}
    env |= {"PGOPTIONS": options} if options else {}
    insert = "psql -X -c 'insert into kept values (1)' 2>&1; psql -XAtc 'show statement_timeout'"
    told = await printed(here, insert, env, wall=True)
    assert READ_ONLY in told
    assert ("4711ms" in told) is ("4711" in options)
    assert postgres.csv("select count(*) from kept") == [["0"]]
    assert READ_ONLY not in await printed(here, "psql -XAtc 'select count(*) from kept'", env, wall=True)


@pytest.mark.fault("4.11")
async def test_the_wall_is_of_one_command_and_not_of_those_behind_it(
    here: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a fence carries on is what the host had."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for options in ("", "-c a=b"):
        env = {"PGOPTIONS": options} if options else {}
        show = 'echo "<$PGOPTIONS>"'
        first, later = FenceSession("run", 0, "first", "h"), FenceSession("run", 0, "later", "h")
        walled = f"{options} -c default_transaction_read_only=on".strip()
        assert await printed(here, show, env, first, wall=True) == f"<{walled}>\n"
        assert await printed(here, show, {}, later, wall=True) == f"<{walled}>\n"
        assert await printed(here, show, {}, later, wall=False) == f"<{options}>\n"


@pytest.mark.fault("4.11")
async def test_git_writes_no_index_behind_the_wall(here: LocalHost, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for words in (f"init -q {repository}", f"-C {repository} add ."):
        os.system(f"cd {tmp_path} && mkdir -p {repository} && echo x > {repository}/x && git {words}")  # noqa: ASYNC221
    (repository / "x").touch()
    index = repository / ".git" / "index"
    before = index.stat().st_mtime_ns
    await printed(here, f"git -C {repository} status --short", {}, wall=True)
    assert index.stat().st_mtime_ns == before
