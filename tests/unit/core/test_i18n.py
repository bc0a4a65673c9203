from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lilfox_tui.core import i18n
from lilfox_tui.core.i18n import Message, _, clauses, language_from_locale, listed, ngettext, ntr, tr
from tools import locale


def test_english_is_the_code_itself() -> None:
    assert _("hosts") == "hosts"
    assert _("no host named {value}", value="{x}") == "no host named {x}"
    assert _("") == ""


def test_chinese_comes_from_the_compiled_file() -> None:
    i18n.set_language("zh_CN")
    assert i18n.language() == "zh_CN"
    assert _("hosts") == "主机"
    assert _("") == ""


def test_a_message_follows_the_language_of_the_moment() -> None:
    message = tr("no host named {value}", value="web")
    before = str(message)
    i18n.set_language("zh_CN")
    after = str(message)
    assert before == "no host named web"
    assert after != before
    assert "web" in after


def test_a_message_inside_a_message_follows_too() -> None:
    outer = tr("{ref}: {why}", ref="env:X", why=tr("hosts"))
    i18n.set_language("zh_CN")
    assert "主机" in str(outer)


def test_values_are_never_templates() -> None:
    assert str(Message("{a}", {"a": "{b.__class__}"})) == "{b.__class__}"


def test_an_unknown_language_is_refused_and_changes_nothing() -> None:
    with pytest.raises(KeyError):
        i18n.set_language("xx")
    assert i18n.language() == "en"


def test_what_is_written_for_somebody_else_is_in_their_language_and_in_this_thread_alone() -> None:
    seen: list[str] = []
    with i18n.in_language("zh_CN"):
        assert (i18n.language(), _("hosts"), str(tr("hosts"))) == ("zh_CN", "主机", "主机")
        other = threading.Thread(target=lambda: seen.append(_("hosts")))
        other.start()
        other.join()
    assert seen == ["hosts"]
    assert (i18n.language(), _("hosts")) == ("en", "hosts")
    with pytest.raises(KeyError), i18n.in_language("xx"):
        pass


def test_a_list_has_the_separator_of_the_language() -> None:
    assert listed(["web-1", "web-2"]) == "web-1, web-2"
    assert (listed([]), listed(["web-1"])) == ("", "web-1")
    i18n.set_language("zh_CN")
    assert listed(iter(["web-1", "web-2"])) == "web-1、web-2"


def test_clauses_have_the_separator_of_the_language() -> None:
    assert clauses(iter(["disk full", "load 9"])) == "disk full; load 9"
    i18n.set_language("zh_CN")
    assert clauses(["磁盘已满", "负载 9"]) == "磁盘已满；负载 9"


def test_forms_by_number() -> None:
    assert ngettext("{count} host of {all}", "{count} hosts of {all}", 1, all=3) == "1 host of 3"
    assert ngettext("{count} host of {all}", "{count} hosts of {all}", 2, all=3) == "2 hosts of 3"


def test_a_message_has_the_form_of_its_number_in_the_language_of_the_moment() -> None:
    texts = [ntr("{count} host", "{count} hosts", count) for count in (0, 1, 2)]
    assert [str(text) for text in texts] == ["0 hosts", "1 host", "2 hosts"]
    assert str(ntr("{count} of {all}", "{count} of {all}s", 2, all=texts[1])) == "2 of 1 hosts"
    i18n.set_language("zh_CN")
    assert [str(text) for text in texts] == ["0 台主机", "1 台主机", "2 台主机"]


def test_a_count_is_written_as_everywhere_with_commas_between_thousands() -> None:
    assert ngettext("{count} row", "{count} rows", 1204) == "1,204 rows"
    assert str(ntr("{count} row", "{count} rows", 88210)) == "88,210 rows"
    assert ngettext("{count} row", "{count} rows", 999) == "999 rows"


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh_CN"),
    ],
)
def test_the_locale_chooses_in_posix_order(environ: dict[str, str], language: str) -> None:
    assert language_from_locale(environ) == language


def test_every_text_is_translated_and_compiled() -> None:
    assert [problem for language in locale.translated_languages() for problem in locale.check(language)] == []


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (r"[一-鿿][,;?!()]|[,;?!()][一-鿿]", "a half-width sign in a Chinese sentence"),
        (r"[一-鿿][A-Za-z0-9]|[A-Za-z0-9][一-鿿]", "no blank between Chinese and Latin"),
        (r" [，。；：、！？（）]|[，。；：、！？（）] ", "a blank beside a full-width sign"),
        (r"\}:[a-z_]+ [一-鿿]", "a half-width colon before a sentence"),
        (
            r"(?<=[一-鿿])(?<!地址)(?<!主机)(?<!名称)(?<!文件)(?<!:行)(?<!键)(?<!服务)(?<!警告)(?<!用法):",
            "a half-width colon after Chinese, but in what is to be written so",
        ),
    ],
)
def test_chinese_is_set_as_chinese_is(wrong: str, what: str) -> None:
    texts = [text for message in locale.read("zh_CN") for text in locale._strings(message) if message.id]
    assert len(texts) > 3000
    assert [text for text in texts if re.search(wrong, text)] == [], what


@pytest.mark.parametrize(
    ("english", "chinese"),
    [(r"\bfir(ing|es|ed)\b", "触发"), (r"^alerts?$", "告警"), (r"\bcpu\b", "CPU"), (r"\bqps\b", "QPS")],
)
def test_a_term_has_one_word_in_chinese(english: str, chinese: str) -> None:
    """An alert is 告警, and what it does is 触发: the same word for both would say that every alert is firing."""
    found = [
        (each.id, text)
        for each in locale.read("zh_CN")
        if any(re.search(english, text) for text in locale._ids(each))
        for text in locale._strings(each)
    ]
    assert found
    assert [pair for pair in found if chinese not in pair[1]] == []


@pytest.fixture
def small_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "lilfox_tui"
    package.mkdir()
    (package / "a.py").write_text('_("one {x}", x=1)\ntr("two")\n')
    monkeypatch.setattr(locale, "PACKAGE", package)
    return package


def _translate(**texts: str) -> None:
    path = locale.po_path("zh_CN")
    po = path.read_text()
    for text, translation in texts.items():
        text = text.replace("_x", " {x}")
        assert f'msgid "{text}"\nmsgstr ""' in po
        po = po.replace(f'msgid "{text}"\nmsgstr ""', f'msgid "{text}"\nmsgstr "{translation}"')
    path.write_text(po)


def test_the_check_finds_what_is_open_and_what_is_stale(small_package: Path) -> None:
    locale.update("zh_CN")
    assert [line.partition("no translation of ")[2] for line in locale.check("zh_CN")] == ["'one {x}'", "'two'"]
    _translate(one_x="一 {x}", two="二")
    assert list(locale.check("zh_CN")) == ["lilfox.mo: not made from lilfox.po; run: make locale"]
    locale.update("zh_CN")
    assert list(locale.check("zh_CN")) == []


def test_the_check_finds_fields_that_differ(small_package: Path) -> None:
    locale.update("zh_CN")
    _translate(one_x="一 {y}", two="二")
    locale.update("zh_CN")
    (problem,) = locale.check("zh_CN")
    assert problem.endswith("the fields differ: x, y")


def test_texts_that_are_gone_go_and_nothing_else_changes(small_package: Path) -> None:
    locale.update("zh_CN")
    _translate(one_x="一 {x}", two="二")
    (small_package / "a.py").write_text('_("one {x}", x=1)\n')
    locale.update("zh_CN")
    first = locale.po_path("zh_CN").read_text()
    assert "two" not in first
    assert "一 {x}" in first
    locale.update("zh_CN")
    assert locale.po_path("zh_CN").read_text() == first


def test_wrong_usage_of_the_tool_is_told() -> None:
    argv, root = [sys.executable, "-m", "tools.locale", "x"], Path(__file__).parents[3]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "usage: python -m tools.locale update | check\n"
