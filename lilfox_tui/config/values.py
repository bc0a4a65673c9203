"""What the values of the configuration are made of: durations, names, references to secrets."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from lilfox_tui.core.i18n import tr


class Seconds(float):
    """A duration in seconds; written ``500ms``, ``2s``, ``5m``, ``1h``, ``1d`` in the file."""


class Wait(Seconds):
    """A duration that may be zero: ``0s``."""


class SecretRef(str):
    """A reference to a secret: ``env:NAME``, ``file:PATH`` or ``cmd:ARGV`` (split as a shell splits words, run without
    a shell). Never the secret itself. ``secrets.resolve`` reads it at the moment of use."""

    __slots__ = ()


class TemplateText(str):
    """A template, of one or several lines."""

    __slots__ = ()


Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
AbsolutePath = Annotated[str, Meta(pattern="^/[^\0]*$", description=tr("an absolute path").text)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Recipient = Annotated[str, Meta(pattern="^age1[0-9a-z]+$", description=tr("an age public key (age1…)").text)]
TextOrSecret = Annotated[str, Meta(extra={"may_be_secret": True})]
LanguageName = Literal["auto", "en", "zh_CN"]
