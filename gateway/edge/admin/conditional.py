"""Entity tags, and changes that say which version they change (RFC 9110 section 13; 428: RFC 6585 section 3)."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header

from gateway.edge.admin.problems import Problem

IfMatch = Annotated[
    str | None,
    Header(max_length=500, description="the ETag of what is to be changed, or *; required where there is one"),
]
IfNoneMatch = Annotated[str | None, Header(max_length=500, description="*: only if there is none yet")]

CONFLICTS: Mapping[int | str, dict[str, Any]] = {412: {}, 428: {}}


def etag(epoch: int | str) -> str:
    """A strong tag."""
    return f'"{epoch}"'


def check(tag: str | None, if_match: str | None, if_none_match: str | None = None) -> None:
    """Whether the request is about what is there. `tag` is None where there is nothing.

    Raises Problem 412 if it is about something else, 428 if it does not say.
    """
    if if_none_match is not None and _names(tag, if_none_match):
        raise Problem(412, "There is one already, and If-None-Match says that there must be none.")
    if if_match is not None:
        if not _names(tag, if_match):
            raise changed() if tag is not None else Problem(412, "There is nothing that If-Match could be about.")
    elif tag is not None:
        raise Problem(428, f"Say which version to change: send If-Match with its ETag, now {tag}.")


def changed() -> Problem:
    """A 412."""
    return Problem(412, "It has changed meanwhile; look at it again.")


def _names(tag: str | None, header: str) -> bool:
    """Whether a list of tags, or `*`, names this one; weak tags never do."""
    if tag is None:
        return False
    return header.strip() == "*" or tag in (part.strip() for part in header.split(","))
