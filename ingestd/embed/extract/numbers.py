"""Numbers of a workbook as people see them: dates, shares, and no noise of floats."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

GENERAL, DATE, TIME, ELAPSED, SHARE = "general", "date", "time", "elapsed", "share"
_BUILT_IN = (
    dict.fromkeys([14, 15, 16, 17, 22, *range(27, 37), *range(50, 59)], DATE)
    | dict.fromkeys([18, 19, 20, 21, 45, 47], TIME)
    | {46: ELAPSED}
    | dict.fromkeys([9, 10], SHARE)
)
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h|m|s)[^\]]*\]', re.IGNORECASE)
_LAST_SERIAL = 2_958_466  # the year 10000
_LEAP_BUG = 60  # the day of February 29, 1900, which there was not
_SECONDS = 86_400
_LARGEST_WHOLE = 1e21


def kind_of(number: int, code: str | None) -> str:
    """What a format makes of a number.

    Args:
        number: of the format.
        code: how it is written, where the workbook says.
    """
    if code is None:
        return _BUILT_IN.get(number, GENERAL)
    bare = _LITERAL.sub("", code).split(";")[0].lower()
    if "%" in bare:
        return SHARE
    bare = bare.replace("general", "")
    has_time = bool(re.search("[hs]", bare))
    if re.search("[yd]", bare) or ("m" in bare and not has_time):
        return DATE
    if not has_time:
        return GENERAL
    return ELAPSED if "[" in bare else TIME


def shown(value: str, kind: str, *, from_1904: bool = False) -> str:
    """A stored number as text; what is no number stays as it is."""
    try:
        number = float(value)
    except ValueError:
        return value
    if kind == SHARE:
        return f"{number * 100:.10g}%"
    if kind in (DATE, TIME, ELAPSED) and 0 <= number < _LAST_SERIAL:
        return _moment(number, kind, from_1904=from_1904)
    return plain(number)


def plain(number: float) -> str:
    """A number with the digits that a workbook has."""
    text = f"{number:.15g}"
    if "e" in text and 1 <= abs(number) < _LARGEST_WHOLE:
        return f"{Decimal(text):f}"
    return text


def _moment(number: float, kind: str, *, from_1904: bool) -> str:
    seconds = round(number * _SECONDS)
    if kind != DATE:
        minutes, second = divmod(seconds if kind == ELAPSED else seconds % _SECONDS, 60)
        hour, minute = divmod(minutes, 60)
        return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")
    start = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - no zone
    if not from_1904 and number < _LEAP_BUG:
        start += timedelta(days=1)
    try:
        return moment(start + timedelta(seconds=seconds))
    except OverflowError:
        return plain(number)


def moment(value: datetime) -> str:
    """A point in time, without the time of day where that is midnight."""
    text = value.isoformat(" ", "seconds" if value.second else "minutes")
    return text.removesuffix(" 00:00")
