"""Judging one command: read it, find its table, hold every argument against the table and the path jail."""

from collections.abc import Collection, Sequence

from gateway.policy.commands.shell import Refused, Word, read

# Where systems keep their own binaries. Elsewhere a name may be anything, so elsewhere a rule has to name the whole path.
DIRECTORIES = ("/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/")


def problem(command: str, allow: Collection[str], paths: Sequence[str] = ()) -> str | None:
    """Why this command is denied; None: it is allowed.

    Args:
        allow: the binaries a rule lists, by name or by absolute path.
        paths: patterns of the path jail; none: the rule says nothing of paths.
    """
    try:
        words = read(command)
        binary = _binary(words[0], allow)
    except Refused as refused:
        return str(refused)
    if len(words) > 1:
        return f"{binary} is not known here, so it may only run without arguments"
    return None


def _binary(word: Word, allow: Collection[str]) -> str:
    name = word.text
    for directory in DIRECTORIES:
        name = name.removeprefix(directory) if word.text.startswith(directory) else name
    if not word.plain or word.glob or not (word.text in allow or name in allow):
        raise Refused(f"the binary is not one of {', '.join(sorted(allow)) or 'none'}")
    return name
