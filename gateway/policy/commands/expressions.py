"""`find` and `test`, whose arguments are expressions: only the primaries here, each with the kind of its value."""

from collections.abc import Sequence

from gateway.policy.commands.kinds import Jail, argument_problem
from gateway.policy.commands.shell import Refused, Word
from gateway.policy.commands.usage import refuse_here


def _names(line: str) -> frozenset[str]:
    return frozenset(line.split())


# Left out: what runs (-exec, -ok and their like), deletes, writes (-fprint, -fls), reads names from a file
# (-files0-from) or follows links (-L, -H, -follow).
_FIND_ALONE = _names(
    "-a -and -o -or -not ! ( ) , -daystart -depth -empty -executable -false -ls -mount -nogroup -noleaf -nouser -print "
    "-print0 -prune -quit -readable -true -writable -xdev"
)
_FIND_VALUES = {
    **dict.fromkeys(
        _names("-amin -atime -cmin -ctime -gid -inum -links -maxdepth -mindepth -mmin -mtime -size -uid -used"), "COUNT"
    ),
    **dict.fromkeys(
        _names("-iname -ilname -ipath -iregex -iwholename -lname -name -newermt -path -printf -regex -wholename"),
        "TEXT",
    ),
    **dict.fromkeys(_names("-fstype -group -regextype -type -user -xtype"), "WORD"),
    **dict.fromkeys(_names("-anewer -cnewer -newer -samefile"), "PATH"),
    "-perm": "PERM",
}

_TEST_FILE = _names("-e -f -d -r -w -x -s -L -h -b -c -p -S -g -u -k -O -G -N")
_TEST_COMPARE = _names("= == != -eq -ne -lt -le -gt -ge")


def hold_find(words: Sequence[Word], jail: Jail) -> None:
    """Refuses a search that does more than print. Raises Refused."""
    left = list(words)
    if left and left[0].text == "-P":
        left.pop(0)
    starts = 0
    while starts < len(left) and not left[starts].text.startswith(("-", "(", ")", "!", ",")):
        _argument("PATH", left[starts], jail)
        starts += 1
    if not starts:
        refuse_here("find", jail)
    primaries = iter(left[starts:])
    for primary in primaries:
        if primary.text in _FIND_ALONE and not primary.glob:
            continue
        kind = _FIND_VALUES.get(primary.text)
        value = next(primaries, None) if kind else None
        if kind is None or value is None:
            raise Refused("find has an expression that is not allowed, or not known, here")
        if value.glob:
            raise Refused("a pattern of files stands in an expression; quote it")
        _argument(kind, value, jail)


def hold_test(words: Sequence[Word], jail: Jail) -> None:
    """Refuses what is not one plain test: `-f PATH`, `-n TEXT`, `TEXT = TEXT`, each with `!` before it or not.

    Raises Refused.
    """
    texts = [word.text for word in words]
    match texts[1:] if texts[:1] == ["!"] else texts:
        case [operator, _] if operator in _TEST_FILE:
            _argument("PATH", words[-1], jail)
        case ["-n" | "-z", _]:
            _argument("PLAIN", words[-1], jail)
        case [_, operator, _] if operator in _TEST_COMPARE:
            _argument("PLAIN", words[-3], jail)
            _argument("PLAIN", words[-1], jail)
        case _:
            raise Refused("test has an expression that is not allowed, or not known, here")
    if words[-1].glob:
        raise Refused("a pattern of files stands in an expression; quote it")


def _argument(kind: str, word: Word, jail: Jail) -> None:
    problem = argument_problem(kind, word, jail)
    if problem is not None:
        raise Refused(problem)
