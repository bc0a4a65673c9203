"""Templates of titles and messages: what is not supported is found at once, and what is sent is plain text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.alerts.alertmanager_file import check_notifications
from lilfox_tui.alerts.delivery import ReceiverDelivery
from lilfox_tui.alerts.message_template import SAMPLES, compiled_message, template_problems, with_texts
from lilfox_tui.alerts.notifier import Notification, body, subject
from lilfox_tui.alerts.notifiers.gotify import Options
from lilfox_tui.alerts.storage import AlertDatabase, AlertStorage
from lilfox_tui.alerts.template import TemplateError
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.values import SecretRef
from tests.unit.alerts.made import alert, notice
from tests.unit.alerts.running import Run

HOOK = Options(url="http://127.0.0.1:1", token=SecretRef("env:X"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ .Nosuch }}", ".Nosuch: there is no field Nosuch here"),
        # in branches that no sample takes
        ('{{ if eq .CommonLabels.a "b" }}{{ .Oops }}{{ end }}', ".Oops: there is no field Oops here"),
        ('{{ if eq .CommonLabels.a "b" }}{{ range .Alerts }}{{ .Label.x }}{{ end }}{{ end }}', ".Label.x: there is no"),
        ('{{ if eq .CommonLabels.a "b" }}{{ with .Alerts.Firing }}{{ .Labels }}{{ end }}{{ end }}', "no field Labels"),
        ('{{ if eq .CommonLabels.a "b" }}{{ (index .Alerts 0).Labels.x.y }}{{ end }}', "no field y here"),
        ("{{ $x := .Alerts }}{{ range $x }}{{ $.Nosuch }}{{ end }}", "$.Nosuch: there is no field"),
        ("{{ range $k, $v := .CommonLabels }}{{ $v.Name }}{{ end }}", "$v.Name: there is no field Name here"),
        ("{{ .CommonLabels.severity.Name }}", "there is no field Name here"),
        ("{{ .Alerts }}", "this value cannot be printed; name one of its fields"),
        ('{{ template "slack.default.title" . }}', "LilFox does not have this template; define it in the text"),
        ('{{ define "a" }}{{ .Oops }}{{ end }}{{ range .Alerts }}{{ template "a" . }}{{ end }}', ".Oops: there is no"),
        ('{{ tz "Europe/Paris" .Alerts }}', 'function "tz" not defined'),
        ("{{ toJson .Alerts }}", 'function "toJson" not defined'),
        ("{{ query `up` }}", 'function "query" not defined'),
        ("{{ if }}", "missing value for if"),
        ("{{ range .Alerts }}", "unexpected EOF"),
        ("{{ index .CommonLabels 1 2 3 }}", "value has type int"),  # found by the samples
        ("{{ .CommonLabels.alertname | nosuch }}", 'function "nosuch" not defined'),
        ("{{ .CommonLabels.alertname", "unclosed action"),
    ],
)
def test_what_is_not_supported_is_named_before_anything_fires(text: str, why: str) -> None:
    problems = [str(each) for each in template_problems(replace(HOOK, message=text))]
    assert bool(problems) == bool(why)
    assert all(each.startswith("message: ") and why in each for each in problems)


def test_the_texts_are_those_of_the_templates() -> None:
    options = replace(HOOK, title="{{ .Status | toUpper }}\n{{ .CommonLabels.job }}", message=(
        "{{ range .Alerts }}- {{ .Labels.job }}: {{ .Annotations.summary }}\n{{ end }}"
    ))  # fmt: skip
    told = with_texts(SAMPLES[0], options)
    assert subject(told) == "FIRING"
    assert body(told) == "- shop: requests fail\n- api: requests fail\n"
    assert subject(with_texts(SAMPLES[0], HOOK)) == subject(SAMPLES[0])
    assert body(with_texts(notice(), replace(HOOK, message="  {{ .Nosuch }}"))) == body(notice())


def test_a_value_is_never_markup_or_an_escape_or_another_template() -> None:
    odd = alert("A", summary="{{ .Status }}\x1b[31m\x07 <b>@all</b>")
    made = replace(notice(firing=(odd,)), group=(("alertname", "A"),))
    told = with_texts(made, replace(HOOK, title="{{ .CommonLabels.summary }}", message="{{ .CommonLabels.summary }}"))
    assert subject(told).startswith("{{ .Status }}")
    assert "\x1b" not in subject(told) + body(told)
    assert "\x07" not in subject(told) + body(told)


def test_one_that_does_too_much_is_ended() -> None:
    text = "{{ range .Alerts }}{{ range $.Alerts }}{{ range $.Alerts }}x{{ end }}{{ end }}{{ end }}"
    many = notice(firing=tuple(alert(f"A{number}") for number in range(500)))
    with pytest.raises(TemplateError, match="stopped after"):
        compiled_message(text).expand(many)
    assert body(with_texts(many, replace(HOOK, message=text))) == body(many)


@pytest.mark.parametrize("kind", ["webhook", "command", "bell"])
def test_kinds_without_a_text_of_ours_refuse_them(kind: str) -> None:
    (problem,) = template_problems(replace(HOOK, kind=kind, title="x"))
    assert str(problem) == "title: this kind sends no text; remove it"


def test_the_check_of_the_configuration_names_them() -> None:
    text = "notifiers: {chat: {kind: gotify, url: 'http://h', token: 'env:X', title: '{{ .Oops }}'}}"
    notes = check_notifications(from_text(text, "c.yaml"))
    assert notes == ["notifier chat sends its usual texts: title: .Oops: there is no field Oops here"]


async def test_the_engine_shows_them_and_goes_on(tmp_path: Path) -> None:
    run = Run(tmp_path, notifiers={"chat": replace(HOOK, title="{{ .Oops }}")})
    await run.start()
    await run.engine.step()
    assert run.troubles() == ["notifier chat sends its usual texts: title: .Oops: there is no field Oops here"]
    assert not run.engine.feed.value.blind  # type: ignore[union-attr]


async def test_what_is_delivered_has_the_texts(tmp_path: Path) -> None:
    class Receiver:
        tells_all = False
        told: Notification

        async def tell(self, told: Notification) -> None:
            self.told = told

        async def close(self) -> None: ...

    receiver = Receiver()
    saved = AlertStorage(AlertDatabase(tmp_path / "alerts.db"))
    options = replace(HOOK, title="{{ .CommonLabels.alertname }}!")
    try:
        assert await ReceiverDelivery("chat", receiver, 5.0, saved, options=options).tell(notice()) is None
    finally:
        saved.database.close()
    assert subject(receiver.told) == "Slow!"


ACTION = st.sampled_from([
    ".Status", ".Alerts", ".CommonLabels.x", ".Labels.x", "$", ".", ".StartsAt", ".Alerts.Firing", "len .Alerts",
    "index .Alerts 0", "range .Alerts", "range .CommonLabels.SortedPairs", "with .Labels", "if .Name", "end", "else",
    '.Value | toUpper', 'join "," .CommonLabels.Names', "$x := .Alerts", "$x", "break", "(index .Alerts 0).Labels",
])  # fmt: skip


@given(st.lists(ACTION, max_size=8))
def test_any_template_is_refused_or_gives_a_text(actions: list[str]) -> None:
    text = "".join(f"{{{{ {each} }}}}" for each in actions)
    try:
        made = compiled_message(text)
    except TemplateError:
        return
    for sample in SAMPLES:
        try:
            assert isinstance(made.expand(sample), str)
        except TemplateError:
            continue
