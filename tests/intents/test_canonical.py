"""RFC 8785: its published examples, byte for byte, and what has no form."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intents.canonical import args_hash, canonical

# Of https://github.com/cyberphone/json-canonicalization/tree/master/testdata, which RFC 8785 section 3 quotes.
PUBLISHED = {
    "arrays": (
        r'[56, {"d": true, "10": null, "1": [ ]}]',
        '[56,{"1":[],"10":null,"d":true}]',
    ),
    "french": (
        '{"peach": "This sorting order", "péché": "is wrong according to French",'
        ' "pêche": "but canonicalization MUST", "sin": "ignore locale"}',
        '{"peach":"This sorting order","péché":"is wrong according to French",'
        '"pêche":"but canonicalization MUST","sin":"ignore locale"}',
    ),
    "structures": (
        r'{"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { }, "": "empty", "a": { },'
        r' "111": [ {"e": "yes","E": "no" } ], "A": { }}',
        r'{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}',
    ),
    "unicode": ('{"Unnormalized Unicode":"A\\u030a"}', '{"Unnormalized Unicode":"A\u030a"}'),
    "values": (
        r'{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        r' "string": "\u20ac$\u000F\u000aA' + "'" + r'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}',
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}',
    ),
    "weird": (
        r'{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\u000a": "Newline", "1": "One",'
        r' "\u0080": "Control\u007f", "\ud83d\ude02": "Smiley", "\u00f6": "Latin Small Letter O With Diaeresis",'
        r' "\ufb33": "Hebrew Letter Dalet With Dagesh", "</script>": "Browser Challenge"}',
        '{"\\n":"Newline","\\r":"Carriage Return","1":"One","</script>":"Browser Challenge",'
        '"\x80":"Control\x7f","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign",'
        '"\U0001f602":"Smiley","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    ),
}

# Appendix B: the bits of a double, and its form.
NUMBERS = (
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_examples_come_out_byte_for_byte(name: str) -> None:
    written, wanted = PUBLISHED[name]
    assert canonical(json.loads(written)) == wanted.encode()


@pytest.mark.parametrize(("bits", "wanted"), NUMBERS)
def test_numbers_are_written_as_in_appendix_b(bits: str, wanted: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == wanted.encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_numbers_that_are_not_finite_have_no_form(bits: str) -> None:
    with pytest.raises(ValueError):
        canonical(struct.unpack(">d", bytes.fromhex(bits)))


def _deep(levels: int) -> list[object]:
    found: list[object] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), {"a": [2**53 + 1]}, "\ud800", {"\ud800": 1}, {1: 2}, {1, 2}, b"raw", _deep(10_000)],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_say_exactly_has_no_form(value: object) -> None:
    with pytest.raises(ValueError):
        args_hash(value)


def test_integers_below_two_to_the_53_have_one() -> None:
    assert canonical([2**53 - 1, 1 - 2**53]) == b"[9007199254740991,-9007199254740991]"


def test_the_hash_is_base64url_without_padding() -> None:
    assert args_hash({}) == "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o"


@given(st.dictionaries(st.text(), st.floats(-9e15, 9e15) | st.text() | st.booleans()))
def test_the_form_means_the_value_and_does_not_depend_on_the_order(value: dict[str, object]) -> None:
    try:
        form = canonical(value)
    except ValueError:
        assert any(not _encodes(text) for pair in value.items() for text in pair if isinstance(text, str))
        return
    assert json.loads(form) == value
    assert canonical(dict(reversed(value.items()))) == form == canonical(json.loads(form))


def _encodes(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
