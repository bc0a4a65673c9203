"""A set that does not record its content: nothing is said to match, and no drill makes it restore-tested."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.backup import effects
from lilfox_tui.backup.files.restore import FilesRestore
from lilfox_tui.backup.plan import BackupRequest, as_document
from lilfox_tui.backup.source import Comparison
from lilfox_tui.jobs.model import Outcome
from tests.unit.backup.noted_run import NotedRun

Do = Callable[..., Awaitable[tuple[NotedRun, Outcome]]]


@pytest.fixture
async def do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Do:
    """Runs an effect on a plan of one folder, which was backed up."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "app" / "uploads").mkdir(parents=True)
    source = {"kind": "files", "path": str(tmp_path / "app" / "uploads")}
    store = {"kind": "local", "path": str(tmp_path / "sets")}
    plans = {"shop": {"sources": {"uploads": source}, "store": "s"}}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"backup": {"stores": {"s": store}, "plans": plans}}))
    config.chmod(0o600)

    async def made(effect: Callable[[Any, dict[str, Any]], Awaitable[Outcome]]) -> tuple[NotedRun, Outcome]:
        run = NotedRun()
        return run, await effect(run, as_document(BackupRequest(config=str(config), plan="shop")))

    await made(effects.backup)
    return made


def _compares(monkeypatch: pytest.MonkeyPatch, compared: str) -> None:
    async def compare(_self: FilesRestore) -> Comparison:
        return Comparison((), compared, ("shop_archive",))

    monkeypatch.setattr(FilesRestore, "compare", compare)


async def test_what_was_compared_matches_and_is_restore_tested(do: Do) -> None:
    run, outcome = await do(effects.drill)
    assert [text for text in run.told("good") if text.startswith("uploads: matches the backup (")]
    assert (outcome.state, outcome.exit_code, outcome.result["status"]) == ("ok", 0, "restored")
    _run, outcome = await do(effects.restore)
    assert outcome.message.endswith("is restored, compared and in place")


@pytest.mark.parametrize("compared", ["", "tables: 3, rows"])
async def test_what_was_not_compared_is_named_and_matches_nothing(
    do: Do, monkeypatch: pytest.MonkeyPatch, compared: str
) -> None:
    _compares(monkeypatch, compared)
    run, outcome = await do(effects.restore)
    [told] = run.told("warning")
    assert told.startswith("uploads: restored without errors, but not compared, because the set does not record")
    assert told.endswith("shop_archive")
    matches = [text for text in run.told("good") if "matches" in text]
    assert matches == (["uploads: what was compared matches the backup (tables: 3, rows)"] if compared else [])
    assert outcome.message.endswith("is restored and in place, but not all of it could be compared")


async def test_a_drill_that_compared_nothing_is_no_restore_test(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    await do(effects.drill)
    _compares(monkeypatch, "")
    _run, outcome = await do(effects.drill)
    assert (outcome.state, outcome.exit_code, outcome.result["status"]) == ("partly", 3, "intact")
    assert "restored without errors, but not all of it could be compared; took " in outcome.message


async def test_a_verify_keeps_the_time_of_the_restore_test(do: Do, tmp_path: Path) -> None:
    await do(effects.drill)
    [file] = (tmp_path / "sets").glob("*.proof.json")
    drilled = json.loads(file.read_bytes())
    assert drilled["tested"] == drilled["at"]
    _run, outcome = await do(effects.verify)
    assert outcome.result["status"] == "restored"
    verified = json.loads(file.read_bytes())
    assert verified["at"] > drilled["at"]
    assert {**verified, "at": "", "checksum": ""} == {**drilled, "at": "", "checksum": ""}
