"""Judging one command: read it, find its table, hold every argument against the table and the path jail."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from gateway.policy.commands.changers import CHANGERS
from gateway.policy.commands.expressions import hold_find, hold_test
from gateway.policy.commands.forbidden import FORBIDDEN
from gateway.policy.commands.kinds import Jail
from gateway.policy.commands.readers import READERS
from gateway.policy.commands.services import SERVICES
from gateway.policy.commands.shell import Refused, Word, read
from gateway.policy.commands.system import SYSTEM
from gateway.policy.commands.usage import hold

# Where systems keep their own binaries. Elsewhere a name may be anything, so elsewhere a rule names the whole path.
DIRECTORIES: Final = ("/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/")
TABLES: Final[Mapping[str, str]] = {**READERS, **CHANGERS, **SYSTEM, **SERVICES}
_EXPRESSIONS: Final[Mapping[str, Callable[[Sequence[Word], Jail], None]]] = {"find": hold_find, "test": hold_test}


def problem(command: str, allow: Collection[str], paths: Sequence[str] = ()) -> str | None:
    """Why this command is denied; None: it is allowed. The text never repeats what the command says.

    A listed binary without a table may run only without arguments: nobody here can tell what they would do.

    Args:
        allow: the binaries a rule lists, by name or by absolute path.
        paths: patterns of the path jail (`path_problem`); none: the rule says nothing of paths.
    """
    try:
        words = read(command)
        binary = _binary(words[0], allow)
        _hold(binary, words[1:], paths or None)
    except Refused as refused:
        return str(refused)
    return None


def _binary(word: Word, allow: Collection[str]) -> str:
    """The binary's own name where it is the system's, else the path that the rule lists."""
    directory = next((place for place in DIRECTORIES if word.text.startswith(place)), "")
    name = word.text.removeprefix(directory)
    # Written plainly: `c'a't` and `\\cat` have no other use than to be taken for something else.
    if word.plain and not word.glob and (word.text in allow or (name in allow and "/" not in name)):
        return name
    raise Refused(f"the binary is not one of {', '.join(sorted(allow)) or 'none'}")


def _hold(binary: str, arguments: Sequence[Word], jail: Jail) -> None:
    if binary in _EXPRESSIONS:
        _EXPRESSIONS[binary](arguments, jail)
    elif binary in TABLES:
        hold(binary, TABLES, arguments, jail)
    elif binary in FORBIDDEN:
        raise Refused(f"{binary} is never allowed: it {FORBIDDEN[binary]}")
    elif arguments:
        raise Refused(f"the options of {binary} are not known here, so it may only run without arguments")
