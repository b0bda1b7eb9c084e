import shlex
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.policy.commands import problem
from gateway.policy.commands.shell import Refused, read

_SHELLS = [shell for shell in ("bash", "dash", "zsh") if shutil.which(shell)]
# Everything a shell treats differently from text, and some text.
_PIECES = st.sampled_from(list("ab1 '\"\\$`!#~{}()<>|&;*?[]=:,.-_/@%^+") + ["é", "  ", "''", '""', "\\ ", "a=", "--"])
_COMMANDS = st.lists(_PIECES, max_size=14).map("".join)


def _texts(command: str) -> list[str]:
    return [word.text for word in read(command)]


@pytest.mark.parametrize(
    ("command", "texts"),
    [
        ("a b", ["a", "b"]),
        ("  a   b  ", ["a", "b"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("a b'c'\"d\"e\\ f", ["a", "bcde f"]),
        ("a ''", ["a", ""]),
        ('a "\\"\\\\\\n"', ["a", '"\\\\n']),
        ("a ! b", ["a", "!", "b"]),
        ("a !", ["a", "!"]),
        ('a "b!" "c! d"', ["a", "b!", "c! d"]),
        ("a HEAD~1 b~", ["a", "HEAD~1", "b~"]),
        ("a = == x=y", ["a", "=", "==", "x=y"]),
    ],
)
def test_words_are_those_of_the_shell(command: str, texts: list[str]) -> None:
    assert _texts(command) == texts


@given(st.text(max_size=60) | _COMMANDS)
@settings(max_examples=600, deadline=None)
def test_judging_never_raises_and_what_is_read_is_what_python_splits(command: str) -> None:
    assert isinstance(problem(command, ["a", "ls", "cat"], ["/sim/**"]), str | None)
    try:
        texts = _texts(command)
    except Refused:
        return
    assert texts == shlex.split(command)


@pytest.mark.parametrize("shell", _SHELLS)
@given(command=_COMMANDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_a_shell_reads_the_same_words(shell: str, command: str) -> None:
    try:
        words = read(f"show {command}")
    except Refused:
        return
    if any(word.glob for word in words):
        return
    script = f'show() {{ printf "%s\\0" "$@"; }}\nshow {command}'
    said = subprocess.run([shell, "-c", script], capture_output=True, timeout=10, check=True, cwd="/").stdout
    expected = [word.text for word in words[1:]] or [""]
    assert said.decode() == "".join(f"{text}\0" for text in expected)


def test_a_command_of_64_kibibytes_is_refused_before_it_is_read() -> None:
    with pytest.raises(Refused, match="longer than"):
        read("a " * 32 * 1024)


@pytest.mark.parametrize("command", ["[ -f a ]", "if a", "declare a", "a [", "export A=b", "[[ a ]]", "A+=1 b"])
def test_both_readers_have_to_agree(command: str) -> None:
    assert problem(command, ["a", "b", "-"], ()) is not None
