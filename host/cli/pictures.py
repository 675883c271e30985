"""Pictures in the terminal, where it has a protocol for them that takes PNG files as they are.

Nothing is asked of the terminal, whose answer might never come: its environment says what it is. A picture comes from
the program and is decoded by the terminal, so only what looks like a picture of a decent size is handed on.
"""

import base64
from collections.abc import Mapping
from typing import Literal

from host.displays import Display

__all__ = ["Protocol", "picture_text", "protocol_of"]

Protocol = Literal["kitty", "iterm"]

_MOST_BYTES = 8 << 20
_MOST_SIDE_PX = 8192
_PIECE = 4096  # characters of one escape sequence of kitty's
_PX_PER_COLUMN = 8
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"
_ITERM = frozenset({"iTerm.app", "WezTerm", "mintty", "rio"})


def protocol_of(variables: Mapping[str, str]) -> Protocol | None:
    """How the terminal with these environment variables shows pictures, or None.

    Args:
        variables: those of ``host.settings.terminal_variables``; one that is not set is "".
    """
    if variables["TMUX"] or variables["STY"]:  # a multiplexer keeps such sequences to itself
        return None
    if variables["TERM_PROGRAM"] in _ITERM or variables["LC_TERMINAL"] == "iTerm2":
        return "iterm"
    kitty = variables["TERM"] in ("xterm-kitty", "xterm-ghostty") or variables["KITTY_WINDOW_ID"]
    konsole = variables["KONSOLE_VERSION"]
    new_konsole = konsole.isdecimal() and len(konsole) < 10 and int(konsole) >= 220_400
    return "kitty" if kitty or variables["TERM_PROGRAM"] == "ghostty" or new_konsole else None


def picture_text(display: Display, protocol: Protocol, columns: int) -> str | None:
    """What to write so that the terminal shows the picture, or None where there is none that it may be given.

    Args:
        display: what was shown.
        protocol: the terminal's.
        columns: how wide the terminal is; a picture that looks wider is made to fit.
    """
    data = display.data.get("image/png", "")
    width = _width(data)
    if width is None:
        return None
    wide = width > columns * _PX_PER_COLUMN
    return _kitty(data, columns if wide else 0) if protocol == "kitty" else _iterm(data, wide=wide)


def _width(data: str) -> int | None:
    """The width of a PNG in base64, in pixels; None where it is none, or too large."""
    if not data or len(data) * 3 // 4 > _MOST_BYTES:
        return None
    head = base64.b64decode(data[:32])
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    sound = head.startswith(_PNG) and 0 < width <= _MOST_SIDE_PX and 0 < height <= _MOST_SIDE_PX
    return width if sound else None


def _kitty(data: str, columns: int) -> str:
    """Kitty's graphics protocol: transmit and show a PNG, in pieces, and answer nothing."""
    pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
    fit = f",c={columns}" if columns else ""
    heads = [f"a=T,f=100,q=2{fit},"] + [""] * (len(pieces) - 1)
    return "".join(
        f"\x1b_G{head}m={int(number < len(pieces) - 1)};{piece}\x1b\\"
        for number, (head, piece) in enumerate(zip(heads, pieces, strict=True))
    )


def _iterm(data: str, *, wide: bool) -> str:
    """The inline images of iTerm2."""
    size = len(data) * 3 // 4 - data[-2:].count("=")
    fit = ";width=100%" if wide else ""
    return f"\x1b]1337;File=inline=1;size={size};preserveAspectRatio=1{fit}:{data}\x07"
