"""What a parser of Markdown sees of an export: our headings, and text."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec.structs import replace

from lilfox_tui.core.i18n import LANGUAGES
from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.export import export_markdown, handover_text
from lilfox_tui.incident.markdown import md_block, md_code, md_inline, md_lines
from lilfox_tui.incident.model import (
    Called,
    Changed,
    Closed,
    Decided,
    JobBegan,
    JobEnded,
    Marked,
    Noticed,
    Reopened,
    RoleAssigned,
    StepBegan,
    StepEnded,
    find,
)
from tests.unit.incident.made import AT, all_events
from tests.unit.incident.test_timeline import SECRETS

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HARMLESS = {"text", "code_inline", "text_special", "softbreak", "hardbreak"}
HEADINGS = [
    "Overview", "Impact times", "Responders", "Decisions", "Before the incident (UTC)", "Timeline (UTC)",
    "Changes still in force", "What went well", "What did not go well", "Action items",
]  # fmt: skip
MARKS = ["\n", "\n\n", "`", "```", "~~~", "#", "# ", "- ", "1. ", "> ", "|", "|---|", "<b>", "<!--", "&lt;", "&#60;",
         "[a](http://x.y)", "![a](x)", "[a]: x", "*", "**", "_", "~~", "\\", "$x$", "@ann", "a@b.cd", "http://a.b/",
         "www.a.b", "===", "---", "    ", "\t", "\r", "\x1b[31m", "\u202e", "\0", "\x85", "\u2028", "a"]  # fmt: skip
hostile = st.lists(st.sampled_from(MARKS), max_size=12).map("".join) | st.text(max_size=30)


def flat(markdown: str) -> list[Token]:
    return [inner for token in PARSER.parse(markdown) for inner in [token, *(token.children or [])]]


@pytest.mark.fault("S24")
@settings(max_examples=150, deadline=None)
@given(hostile)
def test_a_text_is_nothing_but_text(text: str) -> None:
    for shown in (f"- by: {md_inline(text)}", f"- {md_lines(text, 2)}", f"# {md_inline(text)}", f"- {md_code(text)}"):
        found = flat(shown + "\n")
        assert {token.type for token in found} <= HARMLESS | {
            "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close", "paragraph_open",
            "paragraph_close", "inline", "heading_open", "heading_close",
        }  # fmt: skip
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028]", shown)


@settings(max_examples=150, deadline=None)
@given(hostile)
@example("a\n```\nb\n")
@example("~~~\n````\n```")
def test_a_block_ends_where_it_ends(text: str) -> None:
    found = PARSER.parse(f"- before\n\n{md_block(text, 2)}\n\n# after\n")
    fences = [token for token in found if token.type == "fence"]
    assert len(fences) == 1
    assert [token.content for token in found if token.type == "inline"] == ["before", "after"]


def test_a_text_reads_as_it_was_written() -> None:
    text = r"100% of `web-1` <b> & *x* a_b [c](d) | \ ~ $1 http://h:1/p ann@bastion.example.net"
    (_open, content, _close) = PARSER.parse(md_inline(text))
    shown = "".join(child.content for child in content.children or [])
    assert shown == text


@pytest.mark.fault("S24")
@pytest.mark.parametrize("language", ["en", "zh_CN"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=hostile)
def test_an_export_has_our_headings_only_and_no_html(incidents: Path, language: str, text: str) -> None:
    made = book.open_incident(text, cause=text)
    for what in all_events(text)[1:]:
        book.append(made.id, what, by=text or "x")
    book.keep_evidence(made.id, text, text.encode("utf-8", "replace"), text)
    tokens = flat(export_markdown(made.id, language))
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert len(headings) == 1 + len(HEADINGS)
    assert headings[0].startswith("INC-")
    if language == "en":
        assert headings[1:] == HEADINGS
    assert not [token for token in tokens if token.type in ("html_inline", "html_block", "image", "hr")]
    links = {token.attrs["href"] for token in tokens if token.type == "link_open"}
    assert all(re.fullmatch(r"evidence/[A-Za-z0-9_][A-Za-z0-9._-]*", str(href)) for href in links)


@pytest.mark.fault("S21")
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_in_an_export_whoever_wrote_the_timeline(incidents: Path, secret: str) -> None:
    made = book.open_incident("x")
    timeline = incidents / made.id / "timeline.jsonl"
    for what in all_events("CANARY"):
        book.append(made.id, what, by="CANARY")
    written = timeline.read_text()
    quoted = secret.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\x1b", "\\u001b")
    timeline.write_text(written.replace("CANARY", quoted))
    for language in LANGUAGES:
        text = export_markdown(made.id, language)
        assert "S3CRET" not in text
        assert "\\*\\*\\*" in text


def test_an_export_tells_the_time_of_an_event_and_not_of_its_entry(incidents: Path) -> None:
    """The same as the screen tells."""
    made = book.open_incident("db down")
    what = Noticed(subject="service/web", kind="level", level="failing", text="failing: HTTP 502", since=AT)
    book.append(made.id, what, by="lilfox")
    assert f"- **{AT:%Y-%m-%d %H:%M:%S}** lilfox: web: failing: HTTP 502" in export_markdown(made.id, "en")


def test_a_handover_lists_events_in_the_order_of_time_and_an_export_says_what_was_listed(incidents: Path) -> None:
    made = book.open_incident("web is down")
    folder = find(made.id)
    before = made.opened - timedelta(minutes=2)
    what = Noticed(subject="service/web", kind="level", level="failing", text="failing: HTTP 502", since=before)
    book.append_in(folder, what, by="lilfox")
    lines = list(handover_text(book.read_incident(folder), book.entries(made.id), made.opened))
    last = lines[lines.index("last events:") + 1 :]
    assert [line.split(": ")[1] for line in last] == ["web", "opened"]
    text = export_markdown(made.id, "en")
    assert re.search(rf"\| detected \| {before:%Y-%m-%d %H:%M:%S} \| - \| web was degraded or failing \|", text)
    book.append_in(folder, replace(what, level="good", text="good again", since=made.opened))
    assert "| 2 min | web was good again |" in export_markdown(made.id, "en")


def test_an_export_says_whether_it_was_altered_and_what_is_in_force(incidents: Path) -> None:
    made = book.open_incident("db down", "SEV-1", "HighErrorRate")
    folder = find(made.id)
    for what in all_events("words"):
        book.append_in(folder, what)
    book.append_in(folder, StepEnded(run="r", state="unknown", message="the link went", output="a\n```\nb\n"))
    book.append_in(folder, JobEnded(job="j", kind="restart", state="unknown", message="nobody saw it"))
    text = export_markdown(made.id, "en")
    assert "verified at export" not in text  # evidence/kept is not there
    assert "evidence/kept: the file is missing" in text
    assert "- [ ] undo, or decide to keep: words" in text
    assert "job j unknown: nobody saw it\n" in text.partition("## What did not go well")[2]
    assert "````text\n  a\n  ```\n  b\n  ````" in text


def test_an_export_tells_who_did_what_and_when(incidents: Path) -> None:
    made = book.open_incident("db down", "SEV-1", "HighErrorRate", by="ann@a")
    folder = find(made.id)
    step = StepBegan(runbook="r", sha256="0", step=2, title="Look", command="uptime", host="web1", run="1")
    elsewhere = AT.astimezone(timezone(timedelta(hours=8)))
    for what in (
        RoleAssigned(role="lead", who="bob"),
        Called(contact="security", outcome="on their way"),
        Decided(text="restart it"),
        Marked(moment="detected", when=elsewhere),
        Marked(moment="mitigated", when=AT + timedelta(minutes=134)),
        step,
        StepEnded(run="1", state="failed", message="no answer", exit_status=7),
        replace(step, run="2", command="reboot"),
        StepEnded(run="2", state="unknown", message="the link went"),
        JobBegan(job="j", kind="backup", title="nightly"),
        JobEnded(job="j", kind="backup", state="failed", message="no room"),
        Changed(change="ban", text="banned 192.0.2.7", undo="unban it", ends=AT + timedelta(days=9999)),
        Changed(change="stop", text="stopped nginx"),
        Closed(summary="the first end"),
        Reopened(reason="not over"),
        Closed(summary="the last end"),
    ):
        book.append_in(folder, what, by="bob@b")
    text = export_markdown(made.id, "en")

    def section(title: str) -> str:
        return text.partition(f"## {title}\n\n")[2].partition("\n\n## ")[0]

    overview = section("Overview")
    assert "**Trigger**: HighErrorRate" in overview
    assert ("**Summary**: the last end" in overview, "the first end" in overview) == (True, False)
    assert section("Impact times").splitlines()[2:5] == [
        "| detected | 2023-12-30 02:00:00 | - | recorded by hand |",
        "| acknowledged | - | - | not recorded |",
        "| mitigated | 2023-12-30 04:14:00 | 2 h 14 min | recorded by hand |",
    ]
    assert section("Impact times").splitlines()[5].endswith(" | the incident was closed |")
    responders = section("Responders").splitlines()
    assert responders[0] == "- **lead**: bob"
    assert [PARSER.renderInline(line).removeprefix("- ") for line in responders[1:3]] == [
        "ann@a: 1 entry", "bob@b: 16 entries",
    ]  # fmt: skip
    assert responders[3].endswith(" called security: on their way")
    assert section("Decisions").endswith(": restart it")
    timeline = section("Timeline (UTC)")
    assert "2. Look, web1: failed (exit status 7): no answer" in timeline
    assert "2. Look, web1: unknown: the link went" in timeline
    in_force = section("Changes still in force").splitlines()
    assert in_force[0].endswith("UTC). To undo: `unban it`")
    assert in_force[1] == "- stopped nginx"
    not_well = section("What did not go well").splitlines()
    assert [line[len("- 2023-12-30 02:00:00 ") :] for line in not_well[:3]] == [
        "web1: `uptime`: failed: no answer", "web1: `reboot`: unknown: the link went", "job j failed: no room",
    ]  # fmt: skip
    assert "check what this command did; its outcome is unknown: `reboot`" in section("Action items")
    assert "`uptime`" not in section("Action items")
