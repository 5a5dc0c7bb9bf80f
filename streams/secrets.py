"""Passwords on their way into client libraries, which log how they were configured."""

from __future__ import annotations

from pydantic import SecretStr

__all__ = ["HiddenStr", "revealed"]


class HiddenStr(str):
    """A text that shows stars wherever it is shown as part of something else.

    kafka-python logs the dictionary of its options; a debugger or a traceback may show locals.

    Examples
    --------
    >>> {"password": HiddenStr("secret")}
    {'password': '**********'}
    >>> HiddenStr("secret") == "secret"
    True
    """

    def __repr__(self) -> str:
        """Show that there is something, not what."""
        return "'**********'" if self else "''"


def revealed(secret: SecretStr) -> HiddenStr:
    """Return the text of ``secret`` for a library that must have it."""
    return HiddenStr(secret.get_secret_value())
