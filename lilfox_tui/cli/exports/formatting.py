"""Text of exported files: commented YAML, names of secret files, words of a systemd unit."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.core.text import clean

# YAML for other programs with comments for people, and what stands where LilFox has a reference to a secret.


_WIDTH = 110


class SecretFile(NamedTuple):
    """The file from which the other program reads a secret; ``note`` says what to put into it if it does not exist."""

    path: str
    note: str = ""


def secret_file(ref: SecretRef, folder: str, name: str) -> SecretFile:
    """The file of a ``file:PATH`` reference; for a secret stored elsewhere, ``folder``/``name``, into which it must be
    copied."""
    kind, _colon, rest = ref.partition(":")
    if kind == "file":
        return SecretFile(str(Path(rest).expanduser()))
    path = f"{folder}/{name}"
    given = str(ref) if kind == "env" else _("the command in LilFox's configuration")
    return SecretFile(path, _("write the secret from {given} to {path}", path=path, given=given))


def comment(text: str, indent: int = 0) -> str:
    """``text`` as YAML comment lines."""
    lines = textwrap.wrap(clean(text), _WIDTH - indent, break_long_words=False, break_on_hyphens=False) or [""]
    return "".join(f"{' ' * indent}# {line}\n" for line in lines)


def yaml_block(document: Mapping[str, Any], indent: int = 0) -> str:
    """A mapping as YAML, indented by ``indent`` cells."""
    return textwrap.indent(_dumped(document), " " * indent)


def yaml_item(document: Mapping[str, Any], notes: Iterable[str] = (), indent: int = 2) -> str:
    """One item of a YAML list, with its comments above it."""
    text = textwrap.indent(_dumped(document), " " * (indent + 2))
    return "".join(comment(note, indent) for note in notes) + " " * indent + "- " + text[indent + 2 :]


def _dumped(document: Mapping[str, Any]) -> str:
    return str(yaml.dump(dict(document), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=10_000))


class _PlainDumper(yaml.SafeDumper):
    """Writes what occurs twice twice: the name of an anchor would be taken by the next item of the file."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  yaml's signature
        """See yaml."""
        return True


# Words of a command line in a systemd unit (systemd.service(5), "Command lines").


def unit_word(text: str) -> str:
    """One word of a command line in systemd's syntax: quoted, with specifiers and variables escaped. Raises UsageError
    for a word that a unit cannot hold."""
    if any(ord(char) < 0x20 or char == "\x7f" for char in text):
        raise UsageError(tr("{path}: a unit file cannot contain this path", path=text), tr("rename it"))
    plain = text.replace("%", "%%").replace("$", "$$")
    if shlex.quote(plain) == plain:
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
