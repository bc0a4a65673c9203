"""Pictures of a terminal: every cell in its place and colour, as SVG that a browser reads."""

from __future__ import annotations

from xml.etree import ElementTree

import pyte

from tools.pictures import PAPER, Run, picture, runs_of

SPACE = "{http://www.w3.org/2000/svg}"


def screen(text: str) -> list[list[Run]]:
    made = pyte.Screen(40, 3)
    pyte.Stream(made).feed(text)
    return [list(runs_of(made.buffer[row], made.columns)) for row in range(made.lines)]


def test_neighbours_of_one_look_are_one_run() -> None:
    first, second, _third = screen("plain \x1b[1;38;2;255;0;0mred\x1b[0m\r\n日志 \x1b[7mx")
    assert [(run.column, run.text.rstrip(), run.ink, run.bold) for run in first[:2]] == [
        (0, "plain", "#d9dde6", False),
        (6, "red", "#ff0000", True),
    ]
    assert second[0].text == "日志 "
    assert (second[1].text, second[1].column, second[1].ink) == ("x", 5, PAPER)


def test_a_picture_is_xml_with_the_text_in_its_place() -> None:
    root = ElementTree.fromstring(picture([screen('a <b> & "c"\r\n  日志 \x1b[48;2;0;0;255mblue')]))
    texts = {each.text: each for each in root.iter(f"{SPACE}text")}
    assert set(texts) == {'a <b> & "c"', "日志", "blue"}
    assert float(texts["日志"].attrib["x"]) == 10 + 2 * 8.4
    assert float(texts["日志"].attrib["textLength"]) == 33.6
    assert [each.attrib["fill"] for each in root.iter(f"{SPACE}rect")][1:] == ["#0000ff"]


def test_the_frames_of_an_animation_follow_each_other() -> None:
    root = ElementTree.fromstring(picture([screen("one"), screen("two")]))
    groups = list(root.iter(f"{SPACE}g"))
    assert [next(each.iter(f"{SPACE}text")).text for each in groups] == ["one", "two"]
    assert [each.attrib["style"] for each in groups] == ["animation-delay:-6s", "animation-delay:-3s"]
