"""Themes: one YAML file each with only colours, checked when read.

Roles name what a thing means (``failing``), never how it looks. They are searched in the folders of ``theme_dirs``,
then where the package was installed, then in the source tree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import _, listed, tr

GROUNDS = ("background", "bar", "selection")
INKS = ("text", "muted", "accent", "good", "degraded", "failing", "unknown", "chart", "rule")
SERIES = {
    "series1": "chart",
    "series2": "accent",
    "series3": "good",
    "series4": "degraded",
    "series5": "failing",
    "series6": "text",
}
"""The colours of the series of a chart, each with the role whose colour a theme that lacks it uses instead."""
SYNTAX = {
    "string": "good",
    "number": "chart",
    "keyword": "accent",
    "comment": "muted",
    "name": "text",
    "link": "chart",
}
"""The colours of what texts hold (logs, SQL, JSON, bash), with the role instead."""
_HEX = re.compile(r"^#[0-9a-f]{6}$")
_ANSI = ("default", *(f"{bright}{hue}" for bright in ("", "bright_") for hue in (
    "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")))  # fmt: skip
DEFAULT = "fox-dark"


class RoleStyle(Struct, frozen=True):
    """The style of a role: a colour of the theme, optionally bold."""

    colour: str
    bold: bool = False


_LOOKS = {
    "strong": RoleStyle("text", bold=True),
    "title": RoleStyle("accent", bold=True),
    "failing": RoleStyle("failing", bold=True),
    "key": RoleStyle("accent", bold=True),
}


class Theme(Struct, frozen=True):
    """A checked theme. ``colours`` maps backgrounds and text colours to ``#rrggbb`` or, if ``ansi``, the terminal's
    names."""

    name: str
    title: str
    dark: bool
    ansi: bool
    selection_reversed: bool
    colours: Mapping[str, str]

    @property
    def tells_series_apart(self) -> bool:
        """Whether the series of a chart differ by their colours."""
        return len({self.colours[role] for role in SERIES}) == len(SERIES)

    def look(self, role: str) -> RoleStyle:
        """The style of ``role``; raises KeyError for an unknown one."""
        look = _LOOKS.get(role)
        if look is None:
            if role not in self.colours:
                raise KeyError(role)
            look = RoleStyle(role)
        return look


TITLES = (
    tr("Colour-blind safe, dark"),
    tr("Colour-blind safe, light"),
    tr("High contrast, dark"),
    tr("High contrast, light"),
    tr("Fox dark"),
    tr("Fox light"),
    tr("No colours at all"),
    tr("16 colours on black"),
    tr("The terminal's own colours"),
)
"""What the themes that come with us are called: they are files, and this is where their names are translated from."""

FOX_DARK = Theme(
    name=DEFAULT,
    title="Fox dark",
    dark=True,
    ansi=False,
    selection_reversed=False,
    colours={
        "background": "#15171c",
        "bar": "#1e2128",
        "selection": "#2b303b",
        "text": "#d9dde6",
        "muted": "#9aa2b1",
        "accent": "#ff9a52",
        "good": "#85e0a0",
        "degraded": "#f4c75d",
        "failing": "#ff7171",
        "unknown": "#9aa2b1",
        "chart": "#6cb6ff",
        "rule": "#3a404c",
        "series1": "#90fffe",
        "series2": "#f6a211",
        "series3": "#dd91ff",
        "series4": "#26ae9d",
        "series5": "#f4ff8a",
        "series6": "#ff4d7a",
        "string": "#9fd8a0",
        "number": "#8accff",
        "keyword": "#e2b1ff",
        "comment": "#9aa2b1",
        "name": "#ffd08a",
        "link": "#86dada",
    },
)
"""The default, the same as its file (a test holds it): YAML is 17 ms of the way to the first frame without a config."""


def theme_folders(extra: Sequence[str] = ()) -> tuple[Path, ...]:
    """The folders of themes; the first match wins."""
    here = Path(__file__).parent.parent
    return (*(Path(folder).expanduser() for folder in extra), here / "themes", here.parent / "themes")


def theme_names(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of all themes, sorted."""
    return tuple(
        sorted({file.stem for folder in theme_folders(extra) if folder.is_dir() for file in folder.glob("*.yaml")})
    )


def load_theme(name: str, extra: Sequence[str] = ()) -> Theme:
    """The theme of that name; raises ConfigError saying which file, key and value is wrong."""
    if name == DEFAULT and not extra:
        return FOX_DARK
    for folder in theme_folders(extra):
        file = folder / f"{name}.yaml"
        if re.fullmatch(r"[A-Za-z0-9_-]+", name) and file.is_file():
            return read_theme(file)
    raise ConfigError(
        tr("theme {name}: no such theme", name=name),
        hint=tr("one of: {names}", names=listed(theme_names(extra))),
    )


def read_theme(file: Path) -> Theme:
    """Reads and checks one theme file; raises ConfigError with every problem."""
    import yaml

    try:
        raw = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(tr("theme {file}: cannot be read: {why}", file=file.name, why=str(error))) from error
    problems = _problems(raw)
    if problems:
        lines = tuple(f"{file.name}: {problem}" for problem in problems)
        raise ConfigError(tr("theme {file}: invalid", file=file.name), lines)
    return Theme(
        name=file.stem,
        title=str(raw["title"]),
        dark=bool(raw["dark"]),
        ansi=bool(raw.get("ansi", False)),
        selection_reversed=bool(raw.get("selection_reversed", False)),
        colours=_complete(raw["colours"]),
    )


def _complete(colours: Mapping[str, str]) -> dict[str, str]:
    """The colours with those that the file may leave out."""
    return {role: colours[instead] for role, instead in (SERIES | SYNTAX).items()} | dict(colours)


def _problems(raw: object) -> list[str]:
    if not isinstance(raw, dict):
        return [_("a theme must be a mapping with title, dark and colours")]
    found = [
        _("{key}: unknown key", key=key)
        for key in raw
        if key not in ("title", "dark", "ansi", "selection_reversed", "colours")
    ]
    found += [_("{key}: missing", key=key) for key in ("title", "dark", "colours") if key not in raw]
    colours = raw.get("colours")
    if not isinstance(colours, dict):
        return [*found, _("colours: must map roles to colours")]
    found += [
        _("{key}: unknown role", key=f"colours.{key}")
        for key in colours
        if key not in (*GROUNDS, *INKS, *SERIES, *SYNTAX)
    ]
    found += [_("{key}: missing", key=f"colours.{key}") for key in (*GROUNDS, *INKS) if key not in colours]
    for key, value in colours.items():
        good = value in _ANSI if raw.get("ansi") else isinstance(value, str) and _HEX.match(value)
        if not good:
            wanted = _("a terminal colour name") if raw.get("ansi") else "#rrggbb"
            found.append(
                _("{key}: {value!r} is not a colour; use {wanted}", key=f"colours.{key}", value=value, wanted=wanted)
            )
    return found
