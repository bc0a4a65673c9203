"""Templates of messages: the real amtool makes the same of the same data."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lilfox_tui.alerts.message_template import SAMPLES, compiled_message
from lilfox_tui.alerts.notifier import webhook_payload
from lilfox_tui.alerts.template import TemplateError

FAILED = "failed"
TEXTS = [
    "{{ .CommonLabels.alertname }} {{ .Status | toUpper }}",
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] {{ .CommonLabels.job }}',
    '{{ .GroupLabels.SortedPairs.Values | join " " }}',
    '({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join " " }}{{ end }})',
    "{{ range .Alerts }}{{ .Labels.instance }}: {{ .Annotations.summary }}\n{{ end }}",
    "{{ range .Alerts.Resolved }}{{ .Labels.alertname }} {{ .EndsAt.Unix }}{{ else }}none{{ end }}",
    '{{ range .Alerts.Firing }}*{{ .Annotations.summary | title }}* `{{ .Labels.severity }}`{{ "\\n" }}{{ end }}',
    "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }}; {{ end }}",
    "{{ range $name, $value := .CommonLabels }}{{ $name }}:{{ $value }} {{ end }}",
    "{{ range $i, $alert := .Alerts }}{{ if $i }}, {{ end }}{{ $alert.Labels.job }}{{ end }}",
    "{{ (index .Alerts 0).Labels.alertname }}",
    '{{ (index .Alerts 0).StartsAt.Format "2006-01-02 15:04:05" }}',
    '{{ with index .Alerts 0 }}{{ date "15:04:05 MST" .StartsAt }} {{ .Status }}{{ end }}',
    "{{- /* a comment */ -}} {{ .ExternalURL }}/#/alerts?receiver={{ .Receiver | urlquery }}",
    '{{ define "line" }}<{{ .Labels.job }}>{{ end }}{{ range .Alerts }}{{ template "line" . }}{{ end }}',
    '{{ reReplaceAll "(a|o)" "<$1>" .CommonLabels.alertname }} {{ match "^High" .CommonLabels.alertname }}',
    '{{ if or (eq .CommonLabels.severity "critical") (eq .CommonLabels.severity "page") }}!{{ else }}.{{ end }}',
    "{{ if and .CommonAnnotations.summary (not .CommonLabels.nosuch) }}{{ .CommonAnnotations.summary }}{{ end }}",
    "{{ .CommonLabels.nosuch }}|{{ .CommonAnnotations.description }}",
    '{{ printf "%-10s|%d|%q" .Status (len .Alerts) .CommonLabels.severity }}',
    "{{ .CommonLabels.Names }} {{ .GroupLabels.Values }}",
    "{{ $s := .Status }}{{ range .Alerts }}{{ if eq .Status $s }}{{ $.Receiver }}{{ end }}{{ end }}",
    '{{ join ", " (stringSlice "a" "b") }} {{ "  x " | trimSpace }}',
    '{{ .CommonLabels.SortedPairs.Names | join "+" }}',
    '{{ (.CommonLabels.Remove (stringSlice "alertname" "job")).SortedPairs.Values | join "," }}',
    "{{ if eq (len .Alerts.Firing) 2 }}two{{ else if eq (len .Alerts.Firing) 0 }}none{{ end }}",
    "{{ range .Alerts }}{{ range .Labels.SortedPairs }} • {{ .Name }}: {{ .Value }}\n{{ end }}{{ end }}",
    "{{ range .Alerts }}{{ .Labels }}{{ end }}",
    '{{ "a<b" | safeHtml }} {{ "x" | toLower }} {{ .Alerts | len }}',
    '{{ .CommonLabels.SortedPairs }} {{ printf "%v|%s" .CommonLabels .GroupLabels.SortedPairs }}',
    "{{ slice .CommonLabels.alertname 0 3 }}",
    "{{ len (index .Alerts 0).Fingerprint }} {{ (index .Alerts 0).GeneratorURL }}",
]


def render(text: str, folder: Path) -> list[str]:
    """What amtool makes of each sample."""
    (folder / "empty.tmpl").touch()
    found = []
    for number, notice in enumerate(SAMPLES):
        data = folder / f"{number}.json"
        data.write_text(json.dumps(webhook_payload(notice)))
        done = subprocess.run(
            ["amtool", "template", "render", f"--template.glob={folder}/empty.tmpl", f"--template.text={text}",
             f"--template.data={data}", "--template.type=text"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        found.append(done.stdout if done.returncode == 0 else FAILED)
    return found


def expanded(text: str) -> list[str]:
    found = []
    for notice in SAMPLES:
        try:
            found.append(compiled_message(text).expand(notice))
        except TemplateError:
            found.append(FAILED)
    return found


def test_amtool_makes_the_same(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(len(TEXTS))]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(render, TEXTS, folders))
    ours = [expanded(text) for text in TEXTS]
    assert sum(one.count(FAILED) for one in theirs) <= 1
    different = [(text, one, other) for text, one, other in zip(TEXTS, ours, theirs, strict=True) if one != other]
    assert not different


@pytest.mark.parametrize("text", ["{{ .Nosuch }}", "{{ range .Alerts }}{{ .Nosuch }}{{ end }}", "{{ nosuch }}"])
def test_amtool_refuses_them_too(tmp_path: Path, text: str) -> None:
    assert render(text, tmp_path) == [FAILED] * 3
    with pytest.raises(TemplateError):
        compiled_message(text)
