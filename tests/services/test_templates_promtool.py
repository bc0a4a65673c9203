"""Texts of alerts give what the real promtool gives, errors included."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lilfox_tui.alerts.template import Scope, Template, TemplateError
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.services.promtool import check_rules, expansions

LABELS = {"__name__": "up", "instance": "a.example.org:80", "job": "web"}
AT_MS = 60_000

GOOD = [
    *r"""
plain
{{ $labels.instance }} is {{ $value }}
{{ .Labels.job }}|{{ .Value }}|{{ $.Value }}
{{ $externalLabels.dc }}|{{ .ExternalLabels.dc }}|{{ $externalURL }}|{{ .ExternalURL }}
{{ $labels }}|{{ . }}|{{ $ }}
[{{ $labels.nosuch }}]
{{ $value | humanize | printf "%s!" }}
{{ $x := 1 }}{{ $x = 2 }}{{ $x }}
{{ $x := $value }}{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}
{{ (printf "%v" $labels).x }}
{{ ($labels).job }}
{{ "a" | }}
{{ 1 }}{{ 2.0 }}{{ 0x1F }}{{ 0b11 }}{{ 017 }}{{ 1_000 }}
{{ 'a' }}{{ '\n' }}
{{ 1e6 }}|{{ 1e20 }}|{{ 123456.0 }}|{{ 0.00001 }}|{{ 1i }}|{{ 1+2i }}
{{ true }}{{ false }}{{ `raw\n` }}{{ "tab\t\u00e9" }}
{{ nil }}
{{ .Nosuch }}
{{ $labels.job.x }}
{{ . | len }}
é {{ template "nope" }}
{{ $x = 1 }}
{{ "a" "b" }}
{{ 18446744073709551615 }}
{{ if gt $value 2.0 }}big{{ else if eq $value 1.0 }}one{{ else }}small{{ end }}
{{ if 0 }}a{{ else if 0.0 }}b{{ else if "" }}c{{ else }}d{{ end }}
{{ with $labels.job }}{{ . }}{{ else }}none{{ end }}
{{ with $labels.nosuch }}{{ . }}{{ else }}none{{ end }}
{{ with 0 }}a{{ else with 1 }}{{ . }}{{ end }}
{{ range $name, $text := $labels }}{{ $name }}={{ $text }};{{ end }}
{{ range $labels }}{{ . }};{{ end }}
{{ range query "load" | sortByLabel "host" }}{{ .Labels.host }}={{ .Value }};{{ else }}none{{ end }}
{{ range query "nosuch" }}x{{ else }}none{{ end }}
{{ range $i, $s := query "load" | sortByLabel "host" }}{{ $i }}{{ $s.Labels.host }}{{ end }}
{{ range 3 }}{{ . }}{{ end }}|{{ range $i := 2 }}{{ $i }}{{ end }}
{{ range 4 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}
{{ range "abc" }}{{ end }}
{{ range $value }}{{ end }}
{{ range $i, $j := 3 }}{{ end }}
{{ define "x" }}<{{ .arg0 }},{{ .arg1 }}>{{ end }}{{ template "x" (args 1 "two") }}
{{ define "y" }}{{ . }}{{ end }}{{ template "y" }}
{{ block "b" $value }}{{ . }}{{ end }}
{{ template "x" 1 }}{{ define "x" }}{{ .Foo }}{{ end }}
a {{- 1 -}} b {{- /* c */ -}}  d
{{/* c */}}x
{{ and 1 0 2 }}|{{ and 1 2 }}|{{ or 0 "" 3 }}|{{ or 0 "" }}|{{ not 0 }}|{{ true | and 1 }}
{{ or true (index "" 5) }}
{{ eq 1 2 1 }}|{{ ne 1 2 }}|{{ lt 1 2 }}|{{ le 2 2 }}|{{ gt "b" "a" }}|{{ ge 1.5 1.5 }}
{{ eq $value 2 }}
{{ lt true false }}
{{ eq 1 }}
{{ eq $labels $labels }}
{{ lt 1 "a" }}
{{ gt nil 1 }}
{{ index $labels "job" }}|{{ index "abc" 1 }}|{{ index $labels "nosuch" }}|
{{ index "abc" 5 }}
{{ index $labels 1 }}
{{ index (query "load{host='b'}") 0 | value }}
{{ slice "abcdef" 1 3 }}|{{ slice "abc" 1 }}
{{ slice "abc" 2 1 }}
{{ slice 1 1 }}
{{ len $labels }}|{{ len "é" }}|{{ len (query "load") }}
{{ len 3 }}
{{ html "<a href='x'>&" }}|{{ urlquery "a b&c=é" }}
{{ js "it's <b> \"q\" =&" }}
{{ print 1 2 "a" "b" 3 }}|{{ print 1.5 true nil }}|{{ println 1 "a" 2 }}
{{ call 1 }}
{{ printf "%.2f" 2.0 }}|{{ printf "%5.1f%%" 12.34 }}|{{ printf "%d" 2.0 }}
{{ printf "%05d|%-5d|%+d|%x|%#x|%08.3f|%+.1e" 42 42 42 255 255 3.14159 1234.5 }}
{{ printf "%q %s %v %d" "a\"b" 5 nil 2.0 }}
{{ printf "%d %d" 1 }}|{{ printf "%d" 1 2 }}|{{ printf "%" }}|{{ printf "%!" }}
{{ printf "%[2]d %[1]d" 1 2 }}|{{ printf "%[3]d" 1 }}|{{ printf "%[x]d %[1" 1 }}
{{ printf "%*d|%-*d|%.*f" 5 1 4 2 2 3.14159 }}
{{ printf "%*d" "a" 1 }}
{{ printf "%z %t %c %U %O %b" 1 true 65 65 8 5 }}
{{ printf "%s|%d" $labels $labels }}
{{ printf "%+v" . }}
{{ printf "%T|%T|%T|%T|%T|%T" . $value 1 "a" $labels (query "load") }}
{{ printf "%#v %#v %#v %#v" "a" 1.0 $labels nil }}
{{ printf "%6.2f|%-8s|%8s|%.2s" 3.14159 "ab" "cd" "héllo" }}
{{ printf "%x % x %X %#x" "hi" "hey" "hi" "hi" }}
{{ printf "%#08x %05s %05t %010.3s" 10 "ab" true "abcdef" }}
{{ printf "%x %b %e %G %g %v" 1.5 1.5 123456.789 1e-10 1e6 1e6 }}
{{ printf "%.3v|%5v|%-5v|%05v|%+d|% d" 3.14159 1.5 1.5 -1.5 1 2 }}
{{ printf "%q %+q %#q %.2f %.0f %.d|" 65 "é" "a" "x" 2.5 0 }}
{{ printf "%v %s" (args 1 "b") (args) }}
{{ printf "%v %f %5.1f" (1e300) 1e3 -0.04 }}
{{ printf "%08b|%o|%#o" 5 8 8 }}
{{ printf "%v|%+v" (first (query "load{host='b'}")) (first (query "load{host='b'}")) }}
{{ printf }}
{{ printf 1 }}
{{ printf "%s" }}
{{ printf "%-010d|%+05d|% 05d" 3 3 3 }}
{{ printf "%#g %#.3x %6.3d" 1.5 7 7 }}
{{ humanize 1234567.0 }}|{{ humanize 0.00012 }}|{{ humanize 0 }}|{{ humanize -1500 }}|{{ humanize "1e3" }}
{{ humanize "abc" }}
{{ humanize true }}
{{ humanize }}
{{ humanize 1 2 }}
{{ humanize1024 1048576.0 }}|{{ humanize1024 1 }}|{{ humanize1024 1536 }}|{{ humanize1024 1e30 }}
{{ humanizeDuration 135.3563 }}
{{ humanizeDuration 0.00123 }}
{{ humanizeDuration 90061 }}
{{ humanizeDuration -3661 }}
{{ humanizeDuration 0 }}
{{ humanizeDuration 1.23456 }}
{{ humanizePercentage 0.9591234 }}|{{ humanizePercentage 0 }}
{{ humanizeTimestamp 1643114203 }}|{{ humanizeTimestamp 1643114203.5678 }}|{{ humanizeTimestamp -1.5 }}
{{ humanizeTimestamp 1e30 }}
{{ humanize "NaN" }}
{{ humanize "+Inf" }}
{{ humanizeDuration "-Inf" }}
{{ humanizePercentage "NaN" }}
{{ humanizeTimestamp "Inf" }}
{{ humanize "0x10" }}
{{ title "this part" }}|{{ title "a_b c-d é.x" }}|{{ toUpper "straße" }}|{{ toLower "ÄB" }}
{{ stripPort "[::1]:6006" }}|{{ stripPort "a:80" }}|{{ stripPort "a" }}|{{ stripPort "::1" }}|{{ stripPort "[::1]" }}
{{ stripDomain "a.b.c:80" }}|{{ stripDomain "a.b" }}|{{ stripDomain "10.0.0.1:80" }}|{{ stripDomain "[::1]:80" }}
{{ parseDuration "2h10m15s" }}|{{ parseDuration "0" }}|{{ parseDuration "1500ms" }}
{{ parseDuration "1.5h" }}
{{ parseDuration "" }}
{{ parseDuration "30m1h" }}
{{ query "load{host='b'}" | first }}
{{ query "load{host='b'}" | first | value }}|{{ query "load" | sortByLabel "host" | first | label "host" }}
{{ query "nosuch" | first | value }}
{{ with query "load > 100" }}{{ . | first | value | humanize }}{{ end }}
{{ query "sum(load)" | first | value }}
{{ strvalue (first (query "load{host='b'}")) }}
{{ range query "load" | sortByLabel "host" }}{{ .Value }};{{ end }}
{{ reReplaceAll "(.*):.*" "$1!" $labels.instance }}
{{ reReplaceAll "a(x*)b" "${1}W" "-ab-axxb-" }}
{{ reReplaceAll "a(x*)b" "$1W" "-ab-axxb-" }}
{{ reReplaceAll "(?P<n>b)" "[$n$$]" "abc" }}|{{ reReplaceAll "x*" "-" "abc" }}
{{ reReplaceAll "[" "" "x" }}
{{ match "a.*" "abc" }}|{{ match "^b" "abc" }}
{{ match "(" "x" }}
{{ match "*" "x" }}
{{ safeHtml "<b>" }}|{{ printf "%T" (safeHtml "a") }}
{{ toUpper (safeHtml "a") }}
{{ toUpper 1 }}
{{ toUpper nil }}
{{ first nil }}
{{ value nil }}
{{ value "a" }}
{{ first $labels }}
{{ args 1 "b" 2.5 }}|{{ (args 1).nosuch }}|{{ (args 1).arg0 }}
{{ graphLink "up{a=\"b c\"}" }}|{{ tableLink "up" }}
{{ externalURL }}
{{ pathPrefix }}
{{ label "host" (first (query "load{host='b'}")) | toUpper }}
{{ eq (safeHtml "a") "a" }}
{{ printf "%s" (safeHtml "a") | html }}
{{ $value.x }}
{{ $labels.job 1 }}
{{ .Value 1 }}
{{ 1 | $value }}
{{ (1).x }}
{{ query 1 }}
""".strip().splitlines(),
    "a\nb {{ .x.y }}",
    'a\n  {{- "x" }}\n\t{{ "y" -}}  \n z',
]
"""Texts that are read."""

BROKEN = [
    *r"""
{{ nosuch }}
{{ $x }}
{{ if }}a{{ end }}
{{ if 1 }}
{{ end }}
{{ else }}
{{ | 1 }}
{{ "a" }
{{ (1 }}
{{ 1) }}
{{
{{ 1 | 2 }}
{{ break }}
{{ if true }}a{{ else with 1 }}{{ end }}
{{ 089 }}
{{ 'ab' }}
{{ 99999999999999999999 }}
{{ 1.2.3 }}
{{ "x".y }}
{{ @ }}
{{ é }}
{{ "\q" }}
{{ define "x" }}1{{ end }}{{ define "x" }}2{{ end }}
{{ define x }}{{ end }}
{{ template 1 }}
{{/* c }}
{{ /* c */ }}
{{ $x+2 }}
{{ $a, $b := 1 }}
{{ range $a, 1 }}{{ end }}
{{ `a }}
{{ : }}
{{ . := 1 }}
{{ range 1 }}{{ else }}{{ else }}{{ end }}
{{ define "x" }}{{ $labels }}{{ end }}
{{ nil.x }}
{{ .x. }}
{{ ... }}
{{ break 1 }}
{{ 0x }}
{{ 1__0 }}
""".strip().splitlines(),
    '{{ "a\nb" }}',
    "{{ 1\n2",
    "a\n{{ if 1 }}\n{{ nosuch }}{{ end }}",
]
"""Texts that are refused."""
TIMES = (Path(__file__).parent / "template_times.txt").read_text().splitlines()
"""Texts with times and durations."""


def answered(text: str) -> Vector:
    """Asks what promtool's test gives as series."""
    store = SeriesStore(keep_s=600, limit_bytes=1_000_000)
    sets = [LabelSet.of({"__name__": "load", "host": host}) for host in ("b", "a")]
    store.target("x").append(AT_MS, LabelList((LabelSet.of(LABELS), *sets)), np.array((2.5, 3.0, 1234567.0)))
    value = parse(text).at(store, AT_MS)
    if not isinstance(value, Vector):
        raise QueryError("no vector")
    return value


@pytest.mark.fault("4.65")
def test_each_text_gives_what_promtool_gives(tmp_path: Path) -> None:
    scope = Scope(LABELS, 2.5, answered, {"dc": "north"})
    texts = [*GOOD, *TIMES]
    wanted = expansions(texts, tmp_path)
    got = [Template(text, "Probe").expand(scope) for text in texts]
    assert len(texts) > 150
    assert {text: pair for text, *pair in zip(texts, got, wanted, strict=True) if pair[0] != pair[1]} == {}


@pytest.mark.parametrize("text", BROKEN)
def test_what_promtool_refuses_is_refused_in_its_words(tmp_path: Path, text: str) -> None:
    rules = tmp_path / "rules.yaml"
    rule = f"  - {{alert: Probe, expr: up, annotations: {{summary: {json.dumps(text)}}}}}\n"
    rules.write_text(f"groups:\n- name: g\n  rules:\n{rule}")
    done = check_rules(rules)
    assert done.returncode == 1
    with pytest.raises(TemplateError) as raised:
        Template(text, "Probe")
    assert str(raised.value) in done.stderr
