"""`host_in`: the host of a URL or of an e-mail address is one of those allowed.

Text that two programs could read as two hosts has none: users before an `@` in URLs, backslashes, white space, control
characters anywhere, numbers that are no address, letters beyond ASCII (a name in another script has to be written in
its `xn--` form).
"""

import ipaddress
import re
from typing import Any

from gateway.policy.constraints.scope import Holds, Scope, Where

_LONGEST = 8192
_ODD = re.compile(r"[\x00-\x20\x7f-\uffff\U00010000-\U0010ffff\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}://", re.IGNORECASE)
_MAILBOX = re.compile(r"[\w.+='~-]{1,64}", re.ASCII)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,254})(?::[0-9]{1,5})?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def host_of(text: str) -> str | None:
    """The host in lower case, an address in its shortest form; None where there is none that all would agree on."""
    if not 0 < len(text) <= _LONGEST or _CONTROL.search(text) or _ODD.search(_authority(text)):
        return None
    if "://" not in text and "@" in text and not text.startswith("//"):
        mailbox, _, authority = text.removeprefix("mailto:").partition("@")
        if _MAILBOX.fullmatch(mailbox) is None or ":" in authority or "/" in authority:
            return None
    else:
        authority = _authority(text)
    found = _AUTHORITY.fullmatch(authority)
    return _canonical(found[1].lower()) if found is not None else None


def _authority(text: str) -> str:
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme is not None else text.removeprefix("//")
    return re.split(r"[/?#]", rest, maxsplit=1)[0]


def _canonical(host: str) -> str | None:
    if host.startswith("[") or _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None:
        try:
            return ipaddress.ip_address(host.strip("[]")).compressed
        except ValueError:
            return None
    name = host.removesuffix(".")
    return name if name and ".." not in name and not name.startswith(".") else None


def make(wanted: list[str], where: Where) -> Holds:
    """A list of hosts, all of which must fit, is as good as one."""
    names, under = _exact(wanted), _under(wanted)
    phrase = f"names a host other than {', '.join(wanted[:10])}"

    def fits(value: Any) -> bool:
        host = host_of(value) if isinstance(value, str) else None
        return host is not None and (host in names or host.endswith(under))

    def holds(value: Any, scope: Scope) -> str | None:
        return None if all(map(fits, value if isinstance(value, list) else (value,))) else phrase

    return holds


def covers(wanted: list[str], narrower: list[str]) -> bool:
    """Whether every host that fits one of `narrower` fits one of `wanted`."""
    names, under = _exact(wanted), _under(wanted)
    return all(host in names or host.endswith(under) for host in _exact(narrower)) and all(
        suffix.endswith(under) for suffix in _under(narrower)
    )


def _exact(wanted: list[str]) -> frozenset[str]:
    return frozenset(_pattern(one) for one in wanted if not one.startswith("*."))


def _under(wanted: list[str]) -> tuple[str, ...]:
    """What the names that `*.` stands for end with."""
    return tuple(one[1:].lower() for one in wanted if one.startswith("*."))


def _pattern(written: str) -> str:
    try:
        return ipaddress.ip_address(written).compressed
    except ValueError:
        return written.lower()
