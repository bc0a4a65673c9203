"""The runbooks that LilFox brings: the same commands in both languages, without a problem, each found for its alert."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.core import i18n
from lilfox_tui.runbook import library
from lilfox_tui.runbook.classify import verdict_of_text
from lilfox_tui.runbook.lint import lint
from lilfox_tui.runbook.model import BUNDLED, Document
from lilfox_tui.runbook.parse.fences import SyntaxProbe, split

FOLDER = Path(library.__file__).parent / "library"
NAMES = sorted(path.name for path in (FOLDER / "en").glob("*.md"))


def documents(language: str) -> dict[str, Document]:
    i18n.set_language(language)
    return {document.path: document for document in library.bundled()}


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_lint_has_nothing_to_say(language: str) -> None:
    found = documents(language)
    assert sorted(found) == [BUNDLED + name for name in NAMES]
    for path, document in found.items():
        assert [*document.problems, *lint(document)] == [], path
        assert len(document.runbooks) == 1


def test_both_languages_run_the_same_and_read_differently() -> None:
    english, chinese = documents("en"), documents("zh_CN")
    for path, document in english.items():
        one, other = document.runbooks[0], chinese[path].runbooks[0]
        assert [[(each.text, each.attributes) for each in step.commands] for step in one.steps] == [
            [(each.text, each.attributes) for each in step.commands] for step in other.steps
        ]
        assert (one.id, one.on_alert, one.severity, one.hosts) == (
            other.id,
            other.on_alert,
            other.severity,
            other.hosts,
        )
        assert (one.language, other.language) == ("en", "zh")
        assert not {step.title for step in one.steps} & {step.title for step in other.steps}
        plain = [[replace(each, title="") for each in runbook.variables] for runbook in (one, other)]
        assert plain[0] == plain[1]
        assert all(variable.title for variable in (*one.variables, *other.variables))


@pytest.mark.parametrize(
    ("alert", "first"),
    [("HighErrorRate", "service-crash"), ("HighMemoryUsage", "service-crash"), ("HighLatency", "network-attack"),
     ("HighRequestRate", "network-attack"), ("DiskFull", "disk-full"), ("PostgresqlDown", "database-failure")],
)  # fmt: skip
def test_an_alert_has_its_runbook_first(alert: str, first: str) -> None:
    every = [runbook for document in documents("en").values() for runbook in document.runbooks]
    assert library.ordered(every, [alert])[0].id == first


def test_a_busy_processor_is_not_said_to_be_an_attack() -> None:
    every = [runbook for document in documents("en").values() for runbook in document.runbooks]
    assert not [runbook.id for runbook in every if "HighCPUUsage" in runbook.on_alert]


def test_what_offers_values_is_known_to_only_read() -> None:
    """Else it is not run, and nothing is offered."""
    for document in documents("en").values():
        for variable in document.runbooks[0].variables:
            assert {verdict_of_text(part.text) for part in split(variable.from_, SyntaxProbe())} <= {"read"}, variable


def test_every_change_is_looked_after_or_undone() -> None:
    for document in documents("en").values():
        for step in document.runbooks[0].steps:
            undone = {command.attributes.rollback_of for command in step.commands}
            for command in step.commands:
                if command.kind == "change" and command.attributes.rollback_of is None:
                    checked = any(each.attributes.check for each in step.commands)
                    assert checked or command.attributes.name in undone, (document.path, command.text)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_checks_of_the_audit_that_runbooks_name_exist(language: str) -> None:
    every = [runbook for document in documents(language).values() for runbook in document.runbooks]
    named = {name for runbook in every for name in runbook.on_alert if name.islower()}
    assert named == {"filesystem-full", "unit-failed"}
    assert {each.id for each in chosen(sorted(named))} == named
