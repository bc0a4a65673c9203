"""FAULTS 14, 15, 46: the link to the database's host, or to the store's, goes away in the middle, one way or both."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from lilfox_tui.backup import effects, store
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.plan import read_request
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.restores.interrupted import settle_open
from lilfox_tui.backup.store import BackupError
from tests.faults.linked_backup import Linked, Watched, linked
from tests.faults.relay import Way
from tests.services.backup_lab import server
from tests.services.postgres import Postgres
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import until

__all__ = ["server"]
pytestmark = pytest.mark.root
MB = 1024 * 1024
Moment = Callable[[str, str, int], bool]


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        made.sshd()
        yield made


@pytest.fixture
async def lab(tmp_path: Path, server: Postgres, ssh: SshdLab, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Linked]:
    monkeypatch.setattr(store, "WAITS_S", (0.2, 0.5, 1.0))
    async with linked(tmp_path, server, ssh) as made:
        yield made


def at(kind: str, text: str, size: int = 0) -> Moment:
    return lambda heard, words, done: heard == kind and text in words and done >= size


def nothing() -> None:
    """Nothing is done."""


def killed(lab: Linked, name: str, moment: Moment) -> Watched:
    """A run whose link to ``name`` is killed at the moment: its end is seen at once."""
    return Watched(moment, lambda: lab.kill(name))


def stalled(lab: Linked, name: str, moment: Moment, way: Way = "both", *, mend: bool = True) -> Watched:
    """A run whose link is cut at the moment without a word, and is whole again when the loss was noticed."""
    wire = lab.wires[name]
    return Watched(moment, lambda: wire.cut(way), wire.mend if mend else nothing)


async def all_gone(lab: Linked) -> None:
    """Nothing of it is on the host any more."""
    await until(lambda: not lab.left_on_host(), what=f"nothing is left: {lab.left_on_host()}")


async def a_whole_set(lab: Linked, run: Watched, plan: str = "nightly") -> None:
    """The run comes to a good end although its link went, tells so, and all in the store is of whole sets."""
    outcome = await effects.backup(run, lab.request(plan))
    assert run.acted
    assert outcome.state == "ok", (outcome, run.said)
    (manifest,) = lab.manifests(lab.far)
    assert not manifest.missing
    assert outcome.result["set"] == manifest.id
    assert outcome.result["status"] == "intact"
    assert lab.left(lab.far) == []
    assert lab.modes() == {0o600}
    await all_gone(lab)


@pytest.mark.parametrize("name", ["db", "nas"])
@pytest.mark.parametrize("part", ["linked_", "uploads_"])
async def test_14_a_dump_whose_link_is_killed_is_begun_again(lab: Linked, name: str, part: str) -> None:
    run = killed(lab, name, at("moved", part, 2 * MB))
    await a_whole_set(lab, run)
    (told,) = run.tries
    assert told.startswith(f"the connection to {name} was lost, retrying in 0.2 s (attempt 2 of 4): ")


@pytest.mark.parametrize("name", ["db", "nas"])
@pytest.mark.parametrize("way", ["there", "back"])
async def test_15_a_dump_whose_link_is_silent_one_way_is_begun_again(lab: Linked, name: str, way: Way) -> None:
    run = stalled(lab, name, at("moved", "uploads_", 2 * MB), way)
    await a_whole_set(lab, run, "files")
    assert run.tries


async def test_15_a_database_whose_link_is_silent_leaves_no_session_there(lab: Linked) -> None:
    await a_whole_set(lab, stalled(lab, "db", at("moved", "linked_", 2 * MB)))


async def test_15_a_link_that_does_not_come_back_ends_the_run_in_bounded_time(lab: Linked) -> None:
    await effects.backup(Watched(at("", ""), nothing), lab.request("files"))
    before = sorted(path.name for path in lab.far.iterdir())
    run = stalled(lab, "nas", at("moved", "uploads_", 2 * MB), mend=False)
    began = time.monotonic()
    with pytest.raises(store.LinkGone, match="tried 4 times"):
        await effects.backup(run, lab.request("files"))
    assert time.monotonic() - began < 120
    assert [text.partition(")")[0][-6:] for text in run.tries] == ["2 of 4", "3 of 4", "4 of 4"]
    lab.wires["nas"].mend()
    assert len(lab.manifests(lab.far)) == 1
    assert set(before) <= {path.name for path in lab.far.iterdir()}
    lock = lab.far / ".lilfox.lock"
    lock.unlink(missing_ok=True)  # of a run that lost its link for good: it is stale five minutes later
    assert (await effects.backup(Watched(at("", ""), nothing), lab.request("files"))).state == "ok"
    assert lab.left(lab.far) == []
    assert len(lab.manifests(lab.far)) == 2


@pytest.mark.parametrize("phase", ["rename", "manifest"])
async def test_14_a_link_that_goes_while_a_set_gets_its_name(
    lab: Linked, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Watched(at("phase", phase), lab.wires["nas"].cut, lab.wires["nas"].mend)
    monkeypatch.setattr("lilfox_tui.backup.publishing.phase", lambda name: run._hear("phase", name))
    await a_whole_set(lab, run, "files")
    assert run.tries


@pytest.mark.parametrize("how", [killed, stalled])
async def test_14_a_copy_whose_link_goes_is_begun_again(lab: Linked, how: Callable[..., Watched]) -> None:
    copying: list[str] = []

    def moment(kind: str, text: str, size: int) -> bool:
        copying.extend([text] if kind == "intent" and "copying" in text else [])
        return bool(copying) and kind == "moved" and size > 2 * MB

    await a_whole_set(lab, how(lab, "nas", moment), "copied")
    assert len(lab.manifests()) == 1


@pytest.mark.parametrize("how", [killed, stalled])
async def test_14_reading_back_is_begun_again(lab: Linked, how: Callable[..., Watched]) -> None:
    read: list[str] = []

    def moment(kind: str, text: str, size: int) -> bool:
        read.extend([text] if kind == "done" and "was written" in text else [])
        return bool(read) and kind == "moved" and size > 2 * MB

    await a_whole_set(lab, how(lab, "nas", moment), "files")


async def broken(lab: Linked, plan: str) -> str:
    """A set, then what it was made of is broken; the digest of what was there."""
    outcome = await effects.backup(Watched(at("", ""), nothing), lab.request(plan))
    assert outcome.state == "ok", outcome
    digest = lab.digest()
    lab.sql("DELETE FROM words WHERE id > 10; DELETE FROM users")
    (lab.uploads / "a.txt").write_text("broken\n")
    return digest


@pytest.mark.parametrize("name", ["db", "nas"])
@pytest.mark.parametrize("how", [killed, stalled])
async def test_46_what_is_staged_is_staged_anew_when_the_link_goes(
    lab: Linked, name: str, how: Callable[..., Watched]
) -> None:
    digest = await broken(lab, "nightly")
    run = how(lab, name, at("moved", "uploads", 2 * MB))
    outcome = await effects.restore(run, lab.request("nightly"))
    assert run.acted
    assert run.tries
    assert outcome.state == "ok", run.said
    assert lab.digest() == digest
    assert (lab.uploads / "a.txt").read_text() == "fox\n"
    assert len(lab.databases()) == 2, "what is there, and what was there before"
    await all_gone(lab)


@pytest.mark.parametrize("how", [killed, stalled])
async def test_46_a_link_that_goes_between_staging_and_comparing(lab: Linked, how: Callable[..., Watched]) -> None:
    digest = await broken(lab, "nightly")
    run = how(lab, "db", at("done", "uploads was restored next to"))
    outcome = await effects.restore(run, lab.request("nightly"))
    assert run.acted
    assert outcome.state == "ok", run.said
    assert lab.digest() == digest
    assert len(lab.databases()) == 2
    await all_gone(lab)


async def test_46_a_restore_whose_link_stays_away_touches_nothing(lab: Linked) -> None:
    await broken(lab, "nightly")
    now = lab.digest()
    run = stalled(lab, "db", at("moved", "uploads", 2 * MB), mend=False)
    with pytest.raises(BackupError):
        await effects.restore(run, lab.request("nightly"))
    assert lab.digest() == now
    assert (lab.uploads / "a.txt").read_text() == "broken\n"
    lab.wires["db"].mend()
    assert (await effects.restore(Watched(at("", ""), nothing), lab.request("nightly"))).state == "ok"
    assert len(lab.databases()) == 2, "what the first one staged was taken away by the second"


@pytest.mark.parametrize("target", ["database", "uploads"])
@pytest.mark.parametrize("back", [True, False])
async def test_46_a_link_that_goes_between_the_renames(
    lab: Linked, target: str, back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await broken(lab, "nightly")
    now = lab.digest()
    where = {"database": "postgresql.swap", "uploads": "files.staging"}[target]
    wire = lab.wires["db"]
    run = Watched(at("phase", "swap-first"), wire.cut, wire.mend if back else nothing)
    monkeypatch.setattr(f"lilfox_tui.backup.{where}.phase", lambda name: run._hear("phase", name))
    with_error: BackupError | None = None
    try:
        await effects.restore(run, lab.request("nightly"))
    except BackupError as error:
        with_error = error
    assert run.acted
    wire.mend()
    if not back:
        assert with_error is not None
        assert "not yet known" in str(with_error)
        assert interrupted.read_all()[0].stage == "swapping"
        settling = Watched(at("", ""), nothing)
        with pytest.raises(BackupError, match="missing, or not a folder") if target == "uploads" else nullcontext():
            await effects.backup(settling, lab.request("files"))
        assert "lilfox backup settle" in "\n".join(settling.told("warning"))
        assert interrupted.read_all()[0].stage == "swapping", "nobody ordered a backup to settle it"
        config, _plan = effects.opened(read_request(lab.request("files")))
        async with BackupContext(config) as context:
            assert await settle_open(settling, context, config) == []
        assert any("the interrupted restore of" in text for text in settling.told("warning"))
    assert interrupted.read_all()[0].stage == ("swapped" if target == "uploads" else "undone")
    whole = target == "uploads"  # the databases' renames are one transaction, which was not committed
    assert lab.digest() == (digest if whole else now)
    assert (lab.uploads / "a.txt").read_text() == ("fox\n" if whole else "broken\n")
    assert (with_error is None) == (whole and back)
    await all_gone(lab)
