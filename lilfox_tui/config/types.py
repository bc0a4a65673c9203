"""What the keys of the configuration are made of: durations, names, references to secrets."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lilfox_tui.i18n import tr


class Seconds(float):
    """A duration in seconds; written ``500ms``, ``2s``, ``5m``, ``1h``, ``1d`` in the file."""


class Wait(Seconds):
    """A duration that may be none at all: ``0s``."""


class SecretRef(str):
    """Where a secret is kept: ``env:NAME``, ``file:PATH`` or ``cmd:ARGV`` (split as a shell splits words, run without a
    shell). Never the secret itself. ``secrets.resolve`` reads it at the moment of use."""

    __slots__ = ()


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every section."""


Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Recipient = Annotated[str, Meta(pattern="^age1[0-9a-z]+$", description=tr("a key of age (age1…)").text)]
TextOrSecret = Annotated[str, Meta(extra={"may_be_secret": True})]
LanguageName = Literal["auto", "en", "zh_CN"]
