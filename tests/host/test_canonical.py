"""The canonical form: RFC 8785's own examples, and one form for every equal value."""

import hashlib
import json
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.canonical import canonical, canonical_wire, sha256

# RFC 8785, appendix B: the bits of a double and its text.
NUMBERS = [
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
]
_wire = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_numbers_of_the_rfc(bits, text):
    """A float is written as ECMAScript writes it."""
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_wire(number).decode() == text


def test_example_of_the_rfc():
    """Section 3.2.2's example has the text of section 3.2.3."""
    data = json.loads(
        r'{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        r' "string": "\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}'
    )
    assert canonical_wire(data).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_sorted_as_utf_16():
    """Section 3.2.3's keys come in the order of their UTF-16 code units."""
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    assert list(json.loads(canonical_wire(dict.fromkeys(keys, 0)))) == [
        "\r",
        "1",
        "\u0080",
        "\u00f6",
        "\u20ac",
        "\U0001f600",
        "\ufb33",
    ]


@given(_wire)
def test_canonical_json_reads_back(wire):
    """The canonical form is JSON of the same tree."""
    assert json.loads(canonical_wire(wire), parse_int=float) == wire


@given(st.dictionaries(st.text(max_size=6), _wire, max_size=6), st.randoms())
def test_order_does_not_matter(mapping, random):
    """Two maps that are equal have the same bytes."""
    items = list(mapping.items())
    random.shuffle(items)
    assert canonical_wire(dict(items)) == canonical_wire(mapping)


def test_values_are_hashed_over_their_wire_form():
    """Types that JSON does not have are told apart; what JSON cannot hold is tagged."""
    assert canonical(Decimal("1.10")) == b'{"$type":"decimal","value":"1.10"}'
    assert canonical(2**53) == b'{"$type":"int","value":"9007199254740992"}'
    assert canonical(float("nan")) == b'{"$type":"float","value":"nan"}'
    assert canonical("\ud800").isascii()
    assert canonical(2) == canonical(2.0)
    assert canonical({3, 1, 2}) == b'{"$type":"set","value":[1,2,3]}'


def test_sha256_is_hexadecimal():
    """The hash is the usual one, in lower case."""
    assert sha256(b"abc") == hashlib.sha256(b"abc").hexdigest()
