"""Backup plans for other programs, and among what changed."""

from __future__ import annotations

import json
from datetime import timedelta

import jsonschema
from msgspec.structs import replace

from lilfox_tui.cli.commands.check import plan_rows
from lilfox_tui.cli.schemas import schema
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.changes import ChangeLog
from lilfox_tui.monitor.export import prometheus, report, worst
from lilfox_tui.monitor.export_sections import backups_level
from lilfox_tui.monitor.model import Backups, Overview
from tests.app.backups_made import NOW, broken, healthy, nights, plan


def over(backups: Backups | None) -> Overview:
    return Overview(NOW, {}, {}, backups=backups)


def test_the_worst_plan_is_the_level() -> None:
    assert worst(over(replace(healthy()))) is Level.GOOD
    assert worst(over(broken())) is Level.FAILING
    assert backups_level(None) is Level.GOOD
    alone = plan("/backup", nights(2), config=None, level=Level.FAILING)
    assert backups_level(Backups({alone.key: alone})) is Level.GOOD, "nobody planned it"


def test_the_document_fits_its_schema() -> None:
    whole = schema("check")
    for backups in (None, healthy(), broken()):
        document = json.loads(json.dumps(report(over(backups))))
        jsonschema.validate(document["backups"], {**whole["properties"]["backups"], "$defs": whole["$defs"]})
    first = report(over(broken()))["backups"][0]
    assert (first["plan"], first["level"], first["late"]) == ("lilfox", "failing", True)
    assert first["newest_status"] == "broken"
    assert first["newest_good_at"] < first["due"]


def test_gauges_tell_age_and_lateness() -> None:
    text = prometheus(over(healthy()), {})
    assert 'lilfox_backup_level{plan="lilfox",store="disk"} 0.0' in text
    assert 'lilfox_backup_late{plan="lilfox",store="disk"} 0.0' in text
    assert 'lilfox_backup_age_seconds{plan="lilfox",store="disk"} 4364.0' in text
    assert 'lilfox_backup_restore_seconds{plan="lilfox",store="disk"} 41.0' in text
    ill = prometheus(over(broken()), {})
    assert 'lilfox_backup_late{plan="lilfox",store="disk"} 1.0' in ill
    assert 'lilfox_backup_late{plan="copies",store="nas"}' not in ill, "a store that was never read says nothing"


def test_rows_of_check_say_why() -> None:
    rows = [cell.text for _level, lines in plan_rows(over(broken())) for line in lines for cell in line]
    text = "\n".join(rows)
    assert "late: due 25 h ago" in text
    assert "backup yet is missing" in text
    assert "its store cannot be read" in text
    assert [level for level, _lines in plan_rows(over(healthy()))] == [Level.GOOD] * 3


def test_a_plan_that_becomes_late_is_a_change() -> None:
    log = ChangeLog()
    well = plan("lilfox", nights(3))
    log.observe(over(Backups({well.key: well})))
    late = next(iter(broken().plans.values()))
    changes = log.observe(replace(over(Backups({late.key: late})), at=NOW + timedelta(minutes=1)))
    assert [(each.subject, each.level) for each in changes] == [("plan/lilfox", Level.FAILING)]
    assert "late" in str(changes[0].what)
