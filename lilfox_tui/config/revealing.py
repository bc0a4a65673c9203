"""Texts of the configuration that may stand for a secret, as they are used."""

from __future__ import annotations

from lilfox_tui.config.types import SecretRef


async def plain(text: str) -> str:
    """``text``, or the secret that it refers to. Raises LilFoxError, which never holds the secret."""
    if not isinstance(text, SecretRef):
        return text
    from lilfox_tui.config.secrets import resolve  # only when a secret is used

    return await resolve(text)
