"""``lilfox export``: files for the systems around LilFox, made from its configuration."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from lilfox_tui.cli.output import print_text
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _, tr

_UNIT = """\
[Unit]
Description=LilFox monitor
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart={command}
StateDirectory=lilfox
WorkingDirectory=%S/lilfox
Environment=XDG_STATE_HOME=%S
Restart=always
RestartSec=5
TimeoutStopSec=10
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``export`` accepts."""
    parser.add_argument("kind", choices=["systemd-unit"], metavar="KIND", help=_("systemd-unit: for lilfox monitor"))


def run(args: argparse.Namespace) -> int:
    """Prints the file. Raises ConfigError, UsageError."""
    loaded = load_settings(args)
    print_text(systemd_unit(None if loaded.path is None else loaded.path.resolve()))
    return 0


def systemd_unit(config: Path | None) -> str:
    """The unit that runs ``lilfox monitor`` with ``config`` (an absolute path; none: the defaults), systemd.service(5).

    Raises UsageError for a path that a unit cannot hold.
    """
    argv = [sys.executable, "-m", "lilfox_tui"]
    argv += ["monitor", "--quiet"] if config is None else ["--config", str(config), "monitor", "--quiet"]
    return _UNIT.format(command=" ".join(_word(each) for each in argv))


def _word(text: str) -> str:
    """One word of a command line as systemd reads it: quoted, with its own specifiers and variables off."""
    if any(ord(char) < 0x20 or char == "\x7f" for char in text):
        raise UsageError(tr("{path}: a unit file cannot hold this path", path=text), tr("rename it"))
    plain = text.replace("%", "%%").replace("$", "$$")
    if shlex.quote(plain) == plain:
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
