"""Public holidays of a country, as local days."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import holidays

from tidecast.state.errors import SettingsError

__all__ = ["Holidays", "holidays_between", "known_codes"]

DAY = timedelta(days=1)


class Holidays:
    """The public holidays of a country, or of a part of it: ``"DE"``, ``"DE-BY"``, ``"AU-VIC"``.

    Codes are those of ISO 3166. The days are a function of the code and of the version of the
    package ``holidays``, which knows them: its newer versions mend days of the past and learn of
    new ones, so forecasts are repeated to the byte with the same version only.

    Raises
    ------
    SettingsError
        When the package knows no such country or part.

    Examples
    --------
    >>> bank_holidays = Holidays("GB-ENG")
    >>> date(2011, 4, 29) in bank_holidays, date(2011, 4, 30) in bank_holidays
    (True, False)
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self._days = _of_code(code)

    def __contains__(self, day: date) -> bool:
        """Tell whether ``day`` is a holiday."""
        return day in self._days

    def kind(self, day: date) -> str:
        """Return what ``day`` is: a "holiday", a "bridge", an "eve", a "day_after", or "" for none.

        A bridge is one of at most two days between holidays.
        """
        if day in self:
            return "holiday"
        before, after, far_before, far_after = (day + n * DAY in self for n in (-1, 1, -2, 2))
        if (before and (after or far_after)) or (far_before and after):
            return "bridge"
        return "eve" if after else "day_after" if before else ""


def known_codes() -> list[str]:
    """Return the codes of all countries whose holidays are known, and of their parts, in order."""
    countries = holidays.list_supported_countries(include_aliases=False)
    parts = [f"{country}-{part}" for country, of in countries.items() for part in of]
    return sorted([*countries, *parts])


def holidays_between(code: str, first: date, last: date) -> frozenset[date]:
    """Return the holidays of a code from ``first`` to ``last``."""
    days = _of_code(code)
    return frozenset(days[first : last + DAY])  # type: ignore[index]


@lru_cache
def _of_code(code: str) -> holidays.HolidayBase:
    """Return the days of a code; years are added as they are asked for."""
    country, _, part = code.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        raise SettingsError(
            f"holidays = {code!r}: {error}; write a country of ISO 3166, such as DE, or a part of "
            "one, such as DE-BY"
        ) from error
