import re

import pytest

from gateway.store.scripts import load_scripts

SCRIPTS = load_scripts()


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_says_what_it_takes_and_gives(name: str) -> None:
    head = []
    for line in SCRIPTS[name].source.splitlines():
        if not line.startswith("--"):
            break
        head.append(line)
    text = "\n".join(head)
    assert "KEYS[1]" in text
    assert "reply" in text
    assert ("ARGV" in SCRIPTS[name].source.replace(text, "")) == ("ARGV" in text)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_names_no_key_of_its_own(name: str) -> None:
    for call in re.findall(r"redis\.call\(([^\n]*)", SCRIPTS[name].source):
        assert re.match(r"'(?:[A-Z]+',(?: 'OR',)? (?:KEYS\[|key\b)|TIME'\))", call), call


def test_what_scripts_have_in_common_stands_in_each() -> None:
    for name in ("reserve", "count_acts", "recall_acts"):
        assert "local function month_of(days)" in SCRIPTS[name].source
    assert not [name for name, script in SCRIPTS.items() if "-- part:" in script.source]
