"""Rule files as the configuration names them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lilfox_tui.alerts.rules import read_rule_files, stamp_of

GOOD = "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]\n"


def test_patterns_and_paths_give_each_file_once_and_a_broken_one_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, text in {"rules/a.yml": GOOD, "rules/b.yml": "groups: [\n", "home/c.yml": GOOD}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    read = read_rule_files(["rules/*.yml", "rules/a.yml", "~/c.yml", "gone/*.yml", "no.yml", "["], tmp_path)
    assert [Path(file.name).name for file in read.files] == ["a.yml", "c.yml"]
    assert [Path(name).name for name in read.broken] == ["b.yml"]
    assert read.missing == ("gone/*.yml", "no.yml", "[")
    said = [str(one) for one in read.troubles]
    assert said[:3] == [f"rules: no file matches {pattern}" for pattern in read.missing]
    assert "b.yml:" in said[3]


def test_a_file_that_was_written_has_another_stamp(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text(GOOD)
    before = stamp_of(["*.yml"], tmp_path)
    assert stamp_of(["*.yml"], tmp_path) == before
    os.utime(file, ns=(1, 1))
    assert stamp_of(["*.yml"], tmp_path) != before
    (tmp_path / "b.yml").write_text(GOOD)
    assert len(stamp_of(["*.yml"], tmp_path)) == 2


def test_a_file_that_nobody_may_read_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.yml").mkdir()
    read = read_rule_files(["a.yml"], tmp_path)
    assert "not a regular file" in str(read.troubles[0])
