"""What reaches a terminal: text, and nothing that steers it."""

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host.cli.terminal import EscapeStripper, print_json, printable

ESC = "\x1b"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (f"{ESC}[31mred{ESC}[0m", "red"),
        (f"{ESC}[2J{ESC}[1;1Htop", "top"),
        (f"{ESC}]0;title\x07after", "after"),
        (f"{ESC}]52;c;c3RvbGVu{ESC}\\after", "after"),
        (f"{ESC}Pq#0{ESC}\\after", "after"),
        ("\x9b31mred", "red"),
        ("\x9d0;title\x9cafter", "after"),
        (f"{ESC}cafter", "after"),
        (f"{ESC}(0after", "after"),
        ("real\rfake", "real\nfake"),
        ("dos\r\nline", "dos\nline"),
        ("back\x08\x08space\x07\x00", "backspace"),
        (f"{ESC}]0;title{ESC}[31mred", "red"),
        (f"open end {ESC}]0;never closed", "open end ]0;never closed"),
        ("tab\tand\nnewline, ünïcödé 🎭", "tab\tand\nnewline, ünïcödé 🎭"),
    ],
)
def test_escape_sequences_are_removed(raw, shown):
    """Colours, titles, clipboard writes, cursor moves and control characters go; text stays."""
    assert printable(raw) == shown


TEXT = st.text(
    alphabet=st.sampled_from([*"ab[]0;m\\\r\n\t\x07", *"P \x18", ESC, "\x9b", "\x9c", "\x9d", "\x90"]), max_size=60
)


@example(text="\x9b\x90\x07[", cuts=[3])
@example(text="\x9e\x9ba]\x9e \x07", cuts=[2, 6])
@example(text=f"{ESC}P1\x9c]", cuts=[3])
@given(text=TEXT, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_pieces_are_cleaned_like_the_whole(text, cuts):
    """However output is cut, no control character but newline and tab gets through, and the text is the same."""
    stripper = EscapeStripper()
    edges = [0, *sorted(cuts), len(text)]
    shown = "".join(stripper.feed(text[start:end]) for start, end in itertools.pairwise(edges))
    shown += stripper.flush()
    assert not any(
        (ord(character) < 32 and character not in "\n\t") or 127 <= ord(character) < 160 for character in shown
    )
    assert shown == printable(text)


def test_a_sequence_that_never_ends_hides_little():
    """What is held back as the beginning of an escape sequence is bounded, so that it cannot swallow the output."""
    stripper = EscapeStripper()
    shown = stripper.feed(f"{ESC}]0;" + "x" * 10_000)
    assert shown.count("x") == 10_000


def test_json_is_ascii(capsys):
    """JSON on stdout holds no raw control character, so that it cannot steer a terminal either."""
    data = {"text": f"{ESC}[31m\x9b é 🎭"}
    print_json(data)
    out = capsys.readouterr().out
    assert out.isascii()
    assert ESC not in out
    assert json.loads(out) == data
