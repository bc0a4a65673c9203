"""What is dumped on the store's own host, when the link goes and when the run is killed: FAULTS 14, 15."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from lilfox_tui.backup import effects
from lilfox_tui.jobs.model import Level
from lilfox_tui.jobs.run import Outcome
from tests.faults.linked_backup import Watched
from tests.faults.near_backup import Near, near
from tests.services.postgres import Postgres
from tests.services.sshd import SshdLab, sshd_lab

pytestmark = pytest.mark.root
MB = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as made:
        yield made


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture
async def lab(tmp_path: Path, server: Postgres, ssh: SshdLab) -> AsyncIterator[Near]:
    async with near(tmp_path, server, ssh, ssh.servers[0]) as made:
        yield made


class There(Watched):
    """Closes the gate, does ``act`` once 1 MB is stored there, and opens it when told that the link was lost."""

    def __init__(self, lab: Near, act: Callable[[], object], then: Callable[[], object] = lambda: None) -> None:
        super().__init__(lambda kind, text, size: kind == "moved" and size >= MB, act)
        lab.gate.unlink()
        self._lab, self._then = lab, then
        self.pids: list[list[int]] = []

    def say(self, text: str, level: Level = "note") -> None:
        """See ``Run.say``."""
        super().say(text, level)
        if "and is looked for" in text:
            self.pids.append(self._lab.running())
            self._then()
            self._lab.gate.touch()

    def made_there(self) -> int:
        """So many parts were begun on the host."""
        return sum("is made on near itself" in text for text in self.told("note"))


def plain() -> Watched:
    return Watched(lambda kind, text, size: False, lambda: None)


def whole(lab: Near, run: Watched, outcome: Outcome, parts: int) -> None:
    """One whole set, and nothing else there."""
    assert outcome.state == "ok", (outcome, run.said)
    assert outcome.result["status"] == "intact"
    (manifest,) = lab.manifests(lab.far)
    assert len(manifest.parts) == parts
    assert not manifest.missing
    assert lab.left(lab.far) == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in lab.far.iterdir()} == {0o600}
    assert not list(lab.jobs.iterdir())


async def test_what_is_on_the_host_of_the_store_does_not_pass_here_to_be_stored(lab: Near) -> None:
    before = lab.wire.carried_bytes
    run = plain()
    outcome = await effects.backup(run, lab.wish("both"))
    whole(lab, run, outcome, 3)
    assert sum("is made on near itself" in text for text in run.told("note")) == 2
    (manifest,) = lab.manifests(lab.far)
    stored = sum(part.size_bytes for part in manifest.parts)
    files = next(part for part in manifest.parts if part.kind == "files")
    assert lab.wire.carried_bytes - before < stored + files.size_bytes + 2 * MB, "only what is read back passes"
    assert files.detail["files"] == 3
    database = next(part for part in manifest.parts if part.kind == "postgresql-custom")
    assert database.detail["content"]["tables"]["public.words"]["rows"] == 110_000
    assert database.detail["schema_sha256"]
    outcome = await effects.drill(plain(), lab.wish("both"))
    assert outcome.state == "ok", outcome


async def test_the_manuals_format_is_made_there(lab: Near) -> None:
    lab.change("both", format="manual")
    run = plain()
    outcome = await effects.backup(run, lab.wish("both"))
    whole_parts = {part.name.partition("_")[0]: part.packing for part in lab.manifests(lab.far)[0].parts}
    assert outcome.state == "ok", run.said
    assert set(whole_parts.values()) == {"gzip"}
    assert sum("is made on near itself" in text for text in run.told("note")) == 2


@pytest.mark.fault("1.14")
@pytest.mark.parametrize(("plan", "parts"), [("files", 1), ("database", 2)])
async def test_14_a_link_that_is_killed_leaves_the_dump_running_and_it_is_taken_in(
    lab: Near, plan: str, parts: int
) -> None:
    at_first: list[int] = []

    def kill() -> None:
        at_first.extend(lab.running())
        lab.kill_link()

    run = There(lab, kill)
    outcome = await effects.backup(run, lab.wish(plan))
    assert run.acted
    whole(lab, run, outcome, parts)
    assert len(at_first) == 1
    assert run.pids[0] == at_first, "the same process goes on"
    assert (run.made_there(), run.tries) == (1, [])


@pytest.mark.fault("1.15")
@pytest.mark.parametrize(("plan", "parts"), [("files", 1), ("database", 2)])
async def test_15_a_silent_link_is_waited_for_and_the_dump_taken_in(lab: Near, plan: str, parts: int) -> None:
    run = There(lab, lab.wire.cut, lab.wire.mend)
    outcome = await effects.backup(run, lab.wish(plan))
    assert run.acted
    whole(lab, run, outcome, parts)
    assert (run.made_there(), run.tries) == (1, [])


async def test_rows_that_could_not_be_counted_for_the_link_are_said(lab: Near) -> None:
    """The snapshot's session goes with the link; the dump has its own by then."""
    lab.sql("BEGIN; LOCK TABLE users IN ACCESS SHARE MODE; COMMIT")
    run = There(lab, lab.kill_link)
    outcome = await effects.backup(run, lab.wish("database"))
    whole(lab, run, outcome, 2)
    (manifest,) = lab.manifests(lab.far)
    detail = manifest.parts[1].detail
    assert detail.get("content") is not None or any("its rows were not counted" in note for note in manifest.notes)
