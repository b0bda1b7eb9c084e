import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from gateway.policy.errors import PolicyError
from gateway.policy.parsing.place import Place, flag, listed, mapping, names, number, seconds, text, whole, word

HERE = Place("ops.yaml", "x")


def test_a_place_names_members_and_positions() -> None:
    place = Place("ops.yaml", servers=("files",)).at("tools").at("send").at(3)
    assert (place.path, place.servers) == ("tools.send[3]", ("files",))
    assert len(place.at("y" * 500).path) < 100


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (mapping, None, {}),
        (mapping, {"a": 1}, {"a": 1}),
        (names, ["a", "b*"], ("a", "b*")),
        (text, "a", "a"),
        (flag, True, True),
        (flag, False, False),
        (flag, "on", True),
        (flag, "no", False),
        (number, -1.5, -1.5),
        (number, 10**299, 10**299),
        (lambda p, v: whole(p, v, 0, 5), 5, 5),
        (lambda p, v: word(p, v, ("off", "always")), "always", "always"),
        (lambda p, v: word(p, v, ("off", "always")), "off", "off"),
        (lambda p, v: word(p, v, ("off", "always")), False, "off"),
        (lambda p, v: seconds(p, v, 10**6), "90s", 90),
        (lambda p, v: seconds(p, v, 10**6), "15 m", 900),
        (lambda p, v: seconds(p, v, 10**6), "1h", 3600),
        (lambda p, v: seconds(p, v, 10**6), "2d", 172_800),
        (lambda p, v: seconds(p, v, 10**6), 1.5, 1.5),
        (lambda p, v: list(listed(p, v, "things")), ["a"], [(HERE.at(0), "a")]),
        (lambda p, v: list(listed(p, v, "things")), [], []),
    ],
)
def test_plain_members_are_read(read: Callable[[Place, Any], Any], value: object, found: object) -> None:
    assert read(HERE, value) == found


@pytest.mark.parametrize(
    ("read", "value", "says"),
    [
        (mapping, [], "x: is []; allowed: a mapping"),
        (mapping, {3: 1}, "x.3: is not a name"),
        (mapping, {"": 1}, "is not a name"),
        (mapping, {"y" * 201: 1}, "is not a name"),
        (mapping, dict.fromkeys(map(str, range(1001))), "x: has 1001 members; allowed: 1000"),
        (lambda p, v: mapping(p, v, ("agents", "teams")), {"agent": 1}, "x.agent: is not known; did you mean agents?"),
        (lambda p, v: mapping(p, v, ("agents", "teams")), {True: 1}, "x.True: is not known; allowed: agents, teams"),
        (names, [], "x: is []; allowed: a list of 1 to 1000 names"),
        (names, "a", "x: is 'a'; allowed: a list"),
        (names, ["a", 3], "x[1]: is 3; allowed: up to 200 characters"),
        (lambda p, v: listed(p, v, "things"), ["a"] * 1001, "a list of 0 to 1000 things"),
        (text, "", "x: is ''; allowed: up to 200"),
        (text, None, "x: is missing"),
        (flag, 1, "x: is 1; allowed: true or false"),
        (flag, "si", "x: is 'si'; allowed: true or false"),
        (number, "1", "x: is '1'; allowed: a number"),
        (number, True, "x: is True; allowed: a number"),
        (number, math.nan, "x: is nan; allowed: a number"),
        (number, 10**400, "allowed: a number from -1e+300 to 1e+300"),
        (number, -math.inf, "x: is -inf; allowed: a number"),
        (lambda p, v: number(p, v, 0, 5), 6, "x: is 6; allowed: a number from 0 to 5"),
        (lambda p, v: whole(p, v, 0, 5), 6, "x: is 6; allowed: a whole number from 0 to 5"),
        (lambda p, v: whole(p, v, 0, 5), True, "x: is True"),
        (lambda p, v: whole(p, v, 0, 5), 1.0, "x: is 1.0"),
        (lambda p, v: word(p, v, ("shadow", "enforce")), "enforced", "allowed: shadow, enforce; did you mean enforce?"),
        (lambda p, v: word(p, v, ("shadow", "enforce")), False, "x: is False; allowed: shadow, enforce"),
        (lambda p, v: word(p, v, ("on", "always")), True, "x: is True; allowed: on, always"),
        (lambda p, v: seconds(p, v, 86_400), "1 week", "x: is '1 week'; allowed: a span of time such as 90s"),
        (lambda p, v: seconds(p, v, 86_400), True, "x: is True; allowed: a span of time such as"),
        (lambda p, v: seconds(p, v, 86_400), 0, "x: is 0; allowed: a span of time up to 1d"),
        (lambda p, v: seconds(p, v, 86_400), math.nan, "x: is nan; allowed: a span of time up to 1d"),
        (lambda p, v: seconds(p, v, 86_400), "25h", "x: is '25h'; allowed: a span of time up to 1d"),
    ],
)
def test_what_is_no_such_member_is_refused(read: Callable[[Place, Any], Any], value: object, says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        read(HERE, value)
