"""What is wrong with a template."""

from __future__ import annotations

from lilfox_tui.errors import LilFoxError


class TemplateError(LilFoxError):
    """A template that cannot be read, worded as Go's text/template words it (that is what people search for)."""


class ExpansionFailed(Exception):
    """A template that failed while it was expanded; the text is Go's error. Never leaves this package."""
