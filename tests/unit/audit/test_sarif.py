"""The SARIF of an audit, read by a library that others keep."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from sarif_pydantic import Sarif
from sarif_pydantic.sarif import Notification, Suppression

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.documents import sarif_document
from lilfox_tui.audit.model import AuditFinding, AuditSeverity, Fix, Found, NotChecked, Passed, Report, Target
from lilfox_tui.audit.states import compared
from lilfox_tui.config.audit import AcceptConfig
from lilfox_tui.core.i18n import tr

CHECKS = chosen([])
HOST = Target("host", "web-1")
AT = datetime(2026, 12, 1, tzinfo=UTC)
MISSING = {"runs.results.suppressions": Suppression, "runs.invocations.toolExecutionNotifications": Notification}
"""What SARIF 2.1.0 has (3.27.23, 3.20.21) and the library's models lack."""


def document() -> dict[str, Any]:
    """Of findings of every severity, one of which is accepted, and of checks that could not be made."""
    findings = [
        AuditFinding(
            f"part-{severity.name}", tr("{key} is {value}", key="a\x1b[31m", value="<b>"), Fix(tr("mend")), severity
        )
        for severity in AuditSeverity
    ]
    found = tuple(Found(CHECKS[0], HOST, finding) for finding in findings)
    not_checked = (NotChecked(CHECKS[1], HOST, tr("no route")),)
    report = Report(AT, found, not_checked, tuple(Passed(check, HOST) for check in CHECKS[2:]))
    accept = [AcceptConfig(id=CHECKS[0].id, subject="part-LOW", why="an old one", until="2026-12-31")]
    return sarif_document(compared(report, (), accept), CHECKS)


def unknown(model: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """What a model does not know of what it was made from."""
    if isinstance(model, BaseModel):
        yield from ((path + key, value) for key, value in (model.model_extra or {}).items())
        for name in type(model).model_fields:
            yield from unknown(getattr(model, name), f"{path}{name}.")
    elif isinstance(model, list):
        for each in model:
            yield from unknown(each, path)


def test_the_models_of_sarif_take_it_and_know_every_key() -> None:
    made = Sarif.model_validate(document())
    left = list(unknown(made))
    assert {key for key, _value in left} == set(MISSING)
    for key, values in left:
        for value in values:
            assert list(unknown(MISSING[key].model_validate(value))) == []
    (run,) = made.runs
    assert [str(each.level.value) for each in run.results] == ["error", "error", "warning", "note"]
    rules = run.tool.driver.rules
    assert [each.id for each in rules] == [check.id for check in CHECKS]
    assert {rules[each.rule_index].id for each in run.results} == {CHECKS[0].id}
    assert len({each.partial_fingerprints["lilfox/v1"] for each in run.results}) == len(AuditSeverity)
    assert "\x1b" not in made.model_dump_json()


def test_the_models_refuse_what_is_wrong() -> None:
    wrong = document()
    wrong["runs"][0]["results"][0]["level"] = "dreadful"
    with pytest.raises(ValidationError):
        Sarif.model_validate(wrong)
    wrong = document()
    wrong["runs"][0]["results"][0]["mesage"] = {}
    assert "runs.results.mesage" in dict(unknown(Sarif.model_validate(wrong)))
