"""Placeholders of a command: ``<attack-ip>``, anywhere outside its comments."""

from __future__ import annotations

from lilfox_tui.runbook.model import Placeholder
from lilfox_tui.runbook.shell_sites import sites


def placeholders_of(text: str) -> tuple[Placeholder, ...]:
    """The placeholders of a shell command, in order; one that stands there twice is given twice."""
    return tuple(site.placeholder for site in sites(text))


def environment_name(name: str) -> str:
    """What carries the value of a placeholder to the shell: ``LF_attack_ip`` of ``attack-ip``."""
    return "LF_" + name.replace("-", "_")
