"""Shapes that the nouns of the admin API share."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from gateway.edge.admin.problems import invalid

_NANODOLLARS = 1e9
_HUNDRED_YEARS = 100 * 366 * 86_400
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Body(BaseModel):
    """What a request carries: a member that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


# Controls, line separators, and what turns the direction of the text after it (https://www.unicode.org/reports/tr9).
_UNSHOWN = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_BLANK = r"\s\u115f\u1160\u180e\u200b-\u200d\u2060-\u2064\u2800\u3164\ufe0f\ufeff\uffa0"
_TEXT = rf"^[^{_UNSHOWN}]*[^{_UNSHOWN}{_BLANK}][^{_UNSHOWN}]*$"
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_TEXT)]
"""A name or a reason that people give: there is something to see, and it looks like what it is."""


def _as_written(value: object) -> object:
    """A date is written as one: numbers, which would be taken for seconds or milliseconds, are not."""
    if isinstance(value, str) and not _DATE.match(value):
        raise ValueError("is not a date such as 2026-11-20 or 2026-11-20T18:44:34Z")
    if isinstance(value, int | float):
        raise ValueError("is not a text with a date")
    return value


Written = BeforeValidator(_as_written)
"""For dates and times that requests carry (RFC 3339)."""


def _in_utc(given: datetime) -> datetime:
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


Time = Annotated[datetime, Written, AfterValidator(_in_utc)]
"""A time that is looked for: UTC where it has no offset, midnight where it is a date."""

Expiry = Annotated[AwareDatetime, Written] | None
"""When a new key ends; None: never."""


def expiry(given: AwareDatetime | None, now: float) -> float | None:
    """The same in seconds since the epoch. Raises Problem 422 for what is past, or further away than a century."""
    if given is None:
        return None
    at = given.timestamp()
    if not 0 < at - now <= _HUNDRED_YEARS:
        raise invalid("body.expires_at", "is not in the future, or not within a hundred years")
    return at


Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-20T18:44:34.875Z"])]
"""As `rfc3339` writes it."""


def rfc3339(seconds: float) -> str:
    """UTC with `Z`, milliseconds (RFC 3339)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def usd(nanodollars: int) -> float:
    """US dollars, as the API writes costs."""
    return nanodollars / _NANODOLLARS
