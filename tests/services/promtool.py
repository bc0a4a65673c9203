"""The real ``promtool``: what it says to rule files, and what the texts of its alerts are."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

_PAIR = re.compile(r'(text_\d+)=("(?:[^"\\]|\\.)*")')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_TEST = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
- interval: 1m
  external_labels: {dc: north}
  input_series:
  - {series: 'up{job="web",instance="a.example.org:80"}', values: '2.5 2.5 2.5'}
  - {series: 'load{host="b"}', values: '3 3 3'}
  - {series: 'load{host="a"}', values: '1234567 1234567 1234567'}
  alert_rule_test:
  - {eval_time: 1m, alertname: Probe, exp_alerts: []}
"""


def check_rules(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """``promtool check rules``."""
    return subprocess.run(
        ["promtool", "check", "rules", *options, str(path)], capture_output=True, text=True, timeout=60, check=False
    )


def expansions(texts: Sequence[str], folder: Path) -> list[str]:
    """What ``promtool test rules`` makes of each text, as an annotation of the alert ``Probe`` (``up > 1.5``, which is
    2.5, under the external label ``dc="north"``). An empty one it does not show."""
    annotations = "\n".join(f"      text_{number}: {json.dumps(text)}" for number, text in enumerate(texts))
    rule = f"  - alert: Probe\n    expr: up > 1.5\n    annotations:\n{annotations}\n"
    (folder / "rules.yaml").write_text(f"groups:\n- name: g\n  rules:\n{rule}")
    (folder / "test.yaml").write_text(_TEST)
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    _before, found, shown = said.partition("Annotations:{")
    assert found, said
    got = {name: _unquoted(quoted) for name, quoted in _PAIR.findall(shown)}
    return [got.get(f"text_{number}", "") for number in range(len(texts))]


def _unquoted(quoted: str) -> str:
    def meant(match: re.Match[str]) -> str:
        code = match[1]
        return _LETTERS.get(code, code) if len(code) == 1 else chr(int(code[1:], 16))

    return _ESCAPE.sub(meant, quoted[1:-1])
