"""What reaches the terminal of the command line."""

from __future__ import annotations

import io
import json
import sys

import pytest

from lilfox_tui.cli import output
from lilfox_tui.cli.output import Cell, print_error, print_json, print_line, print_table, row_text, shape
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level

HOSTILE = "a\x1b]52;c;eA==\x07b\x9b31m\u202ec\r\nd"


class Terminal(io.StringIO):
    """A terminal that says which encoding it has."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


@pytest.mark.fault("S1")
def test_data_is_never_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(HOSTILE)
    print_table([[Cell(HOSTILE), Cell(HOSTILE, Level.FAILING)]])
    print_error(LilFoxError(tr("{what}", what=HOSTILE), HOSTILE))
    print_json({HOSTILE: HOSTILE + "\x7f"})
    printed = "".join(capsys.readouterr())
    assert not [char for char in printed if char != "\n" and (ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0)]
    assert "\u202e" not in printed


def test_json_is_one_document_that_says_what_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": HOSTILE + "\x7f中"})
    assert json.loads(capsys.readouterr().out) == {"name": HOSTILE + "\x7f中"}


def test_columns_are_in_line_by_cells(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([[Cell("主机"), Cell("x")], [Cell("abcdef"), Cell("y")], [Cell("1", right=True), Cell("z")]])
    assert capsys.readouterr().out == "主机    x\nabcdef  y\n     1  z\n"


def test_colour_is_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured, plain = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", coloured)
    print_table([[shape(Level.FAILING)]])
    monkeypatch.setattr(sys, "stdout", plain)
    monkeypatch.setenv("NO_COLOR", "1")
    print_table([[shape(Level.FAILING)]])
    assert (coloured.getvalue(), plain.getvalue()) == ("\x1b[31m✖\x1b[m\n", "✖\n")


def test_rows_may_be_shorter_than_others_and_colours_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(output, "_colour_wanted", True)
    print_table([[Cell("ab", Level.FAILING), Cell("x")], [Cell("c", Level.GOOD)], [Cell("d", right=True), Cell("yz")]])
    assert terminal.getvalue() == "\x1b[31mab\x1b[m  x\n\x1b[32mc\x1b[m\n d  yz\n"


def test_the_flag_takes_colours_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(output, "_colour_wanted", True)
    output.no_colour()
    print_table([[shape(Level.FAILING)]])
    assert terminal.getvalue() == "✖\n"


def test_shapes_and_text_that_the_terminal_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    print_table([[shape(level) for level in Level]])
    print_line("盘")
    assert terminal.getvalue() == "*  o  ~  x\n?\n"


def test_errors_say_what_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(LilFoxError(tr("no"), tr("do")))
    print_error(ConfigError(tr("bad"), ("c.yaml:1: a: x", "c.yaml:2: b: y")))
    assert capsys.readouterr().err == "lilfox: no\n  hint: do\nc.yaml:1: a: x\nc.yaml:2: b: y\n"


def test_a_sentence_is_broken_between_words_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    sentence = "3 rows are newer than the backup and would not be restored"
    rows = [[Cell("public.users"), Cell(sentence, folds=True)], [Cell("b"), Cell("x" * 40)]]
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    print_table(rows)
    assert terminal.getvalue().splitlines() == [
        "public.users  3 rows are newer than the",
        "              backup and would not be",
        "              restored",
        "b             " + "x" * 40,
    ]
    monkeypatch.setattr(sys, "stdout", written := io.StringIO())
    print_table(rows)
    assert written.getvalue().splitlines()[0] == f"public.users  {sentence}"


@pytest.mark.parametrize("coloured", [False, True])
def test_a_row_by_itself_is_as_in_a_table_of_one(coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(output, "_colour_wanted", coloured)
    for cells in (
        [Cell("plain"), Cell("ERROR   ", Level.FAILING), Cell("用户 logged in")],
        [Cell(HOSTILE, Level.DEGRADED), Cell(HOSTILE), Cell("")],
        [Cell("     "), Cell("blanks at the end  ")],
    ):
        print_table([cells], stream := Terminal())
        assert row_text(cells, coloured=coloured) == stream.getvalue()
