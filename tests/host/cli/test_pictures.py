"""What a program shows, in the terminal and on the disk of whoever ran it."""

import base64
import re
import struct
import unicodedata
import zlib
from pathlib import Path

import pytest

from host.cli.pictures import picture_text, protocol_of
from host.cli.saving import Saver
from host.cli.showing import LiveOutput, show_result
from host.displays import CHART, TABLE
from host.interface import DisplayEvent, OutputEvent
from host.models import Display, ExecutionResult, File
from host.settings import terminal_variables
from host.values import Image, Table

NO_TERMINAL = dict.fromkeys(terminal_variables(), "")


def png(width=2, height=1):
    """A PNG, as bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(height * (width + 1))))


def picture(content=None, **more):
    """A display of a picture."""
    data = base64.b64encode(png() if content is None else content).decode("ascii")
    return Display(data={"image/png": data, "text/plain": "<a figure>"}, **more)


def result_of(**fields):
    """A result that succeeded."""
    return ExecutionResult(id="x", status="succeeded", language="python", policy="strict", **fields)


@pytest.mark.parametrize(
    ("variables", "protocol"),
    [
        ({}, None),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"KONSOLE_VERSION": "220401"}, "kitty"),
        ({"KONSOLE_VERSION": "210800"}, None),
        ({"KONSOLE_VERSION": "²"}, None),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, None),
    ],
)
def test_the_environment_says_what_the_terminal_can(variables, protocol):
    """Terminals with a protocol for pictures are known by their variables; behind a multiplexer there is none."""
    assert protocol_of({**NO_TERMINAL, **variables}) == protocol


def test_kitty_gets_the_png_in_pieces():
    """Kitty's protocol carries the file whole, in pieces of 4096 characters, and asks for no answer."""
    content = png() + b"x" * 10_000
    text = picture_text(picture(content), "kitty", 80)
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{head};{body}\x1b\\" for head, body in pieces) == text
    assert base64.b64decode("".join(body for _, body in pieces)) == content
    assert [head for head, _ in pieces] == ["a=T,f=100,q=2,m=1", "m=1", "m=1", "m=0"]
    assert max(len(body) for _, body in pieces) == 4096


def test_iterm_gets_the_png_at_once():
    """ITerm2's protocol carries the file with its size."""
    text = picture_text(picture(), "iterm", 80)
    assert text == f"\x1b]1337;File=inline=1;size={len(png())};preserveAspectRatio=1:{picture().data['image/png']}\x07"


def test_wide_pictures_are_made_to_fit():
    """A picture that is wider than the terminal is scaled to its columns."""
    assert picture_text(picture(png(2000)), "kitty", 80).startswith("\x1b_Ga=T,f=100,q=2,c=80,m=")
    assert ";width=100%:" in picture_text(picture(png(2000)), "iterm", 80)


@pytest.mark.parametrize("protocol", ["kitty", "iterm"])
@pytest.mark.parametrize(
    "display",
    [
        Display(data={"text/html": "<b>"}),
        picture(b"\x1b[31mno picture"),
        picture(b""),
        picture(png()[:20]),
        picture(png(100_000)),
        picture(png(1, 100_000)),
        picture(png(0)),
        picture(png() + bytes(9 << 20)),
    ],
)
def test_what_is_no_decent_picture_is_not_handed_on(display, protocol):
    """Other forms, other bytes under the name of a picture, and pictures that would take much memory are not drawn."""
    assert picture_text(display, protocol, 80) is None


def test_displays_come_between_the_output(capsys):
    """A display stands where it came; without pictures its text is shown, without what steers a terminal."""
    live = LiveOutput(lambda: None, "never")
    live(OutputEvent("stdout", "before"))
    live(DisplayEvent(Display(data={"text/plain": "one\x1b]0;title\x07\x1b[31m two", "text/html": "<b>"})))
    live(OutputEvent("stdout", "after\n"))
    live(DisplayEvent(Display(data={"text/html": "<b>"})))
    live(DisplayEvent(picture()))
    live.finish(result_of(stdout="beforeafter\n"))
    assert capsys.readouterr().out == "before\none two\nafter\n<a figure>\n"


def test_a_picture_is_drawn_where_it_was_asked_for(capsys):
    """With a protocol named, the picture takes the place of its text, whatever stdout is."""
    LiveOutput(lambda: None, "kitty")(DisplayEvent(picture()))
    assert capsys.readouterr().out == picture_text(picture(), "kitty", 80) + "\n"
    LiveOutput(lambda: None, "auto")(DisplayEvent(picture()))
    assert capsys.readouterr().out == "<a figure>\n"


def test_displays_that_were_no_events_are_shown_at_the_end(capsys):
    """What came only with the result is shown too, once."""
    live = LiveOutput(lambda: None, "never")
    first, second = (Display(data={"text/plain": text}) for text in ("first", "second"))
    live(DisplayEvent(first))
    live.finish(result_of(displays=(first, second)))
    assert capsys.readouterr().out == "first\nsecond\n"


def test_every_form_of_a_display_is_saved(tmp_path):
    """Each form is a file named after the display, its number and its type; the sentence names the picture first."""
    chart = Display(
        data={**picture().data, "image/svg+xml": "<svg/>", CHART: "{}"}, title="Gro\x1bwth", width_px=2, height_px=1
    )
    rows = Display(data={TABLE: "{}", "text/html": "<b>", "application/a+json": "1", "application/b+json": "2"})
    told = Saver(tmp_path).save(result_of(displays=(chart, rows)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "display-1.png": png(),
        "display-1.svg": b"<svg/>",
        "display-1.chart.json": b"{}",
        "display-1.txt": b"<a figure>",
        "display-2.html": b"<b>",
        "display-2.table.json": b"{}",
        "display-2.json": b"1",
        "display-2.3.json": b"2",
    }
    also = "(also .svg, .chart.json, .txt)"
    assert told[0] == f'display  chart "Gro\x1bwth" (2 x 1): {tmp_path / "display-1.png"} {also}'
    assert told[1].startswith(f"display  table: {tmp_path / 'display-2.html'} ")


def test_without_a_folder_pictures_go_into_one_of_their_own(tmp_path, monkeypatch):
    """A picture is saved in a temporary folder, and the sentence says where; files and mere text are not."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    saver = Saver(None)
    told = saver.save(result_of(files=(File(path="a", content=b"x"),), displays=(Display(data={"text/plain": "x"}),)))
    assert told == ["file  a: 1 bytes, not saved; --out DIR saves it."]
    assert list(tmp_path.iterdir()) == []
    told = [saver.save(result_of(displays=(picture(),)))[0] for _ in range(2)]
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [str(folder / f"display-{n}.png") in each for n, each in enumerate(told, 1)] == [True, True]


def test_a_value_that_is_a_picture_is_saved(tmp_path):
    """A picture that a program returns is worth a look as well; one of a type that is none is left."""
    assert len(Saver(tmp_path).save(result_of(value=Image("image/png", png())))) == 1
    assert (tmp_path / "display-1.png").read_bytes() == png()
    assert Saver(tmp_path).save(result_of(value=Image("../png", png()))) == []


def test_a_display_takes_no_files_name(tmp_path):
    """A file of the program's own that is called like a display stays."""
    result = result_of(files=(File(path="display-1.png", content=b"own"),), displays=(picture(),))
    assert "display-1-shown.png" in Saver(tmp_path).save(result)[1]
    assert (tmp_path / "display-1.png").read_bytes() == b"own"


def test_saving_goes_on_where_one_file_cannot_be(tmp_path):
    """A name that is too long, a folder in the way and a link out are each told, and the others are saved."""
    (tmp_path / "in the way").mkdir()
    (tmp_path / "up").symlink_to(tmp_path.parent)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere" / "x")
    names = ("x" * 250 + "yyyyyyyyyyy", "in the way", "up/x", "broken", "good", "good/x")
    told = Saver(tmp_path).save(result_of(files=tuple(File(path=name, content=b"x") for name in names)))
    assert [re.sub(r".*: not saved; ", "", each) for each in told] == [
        "file name too long.",
        "is a directory.",
        f"a link leads out of {tmp_path}.",
        f"file  {tmp_path / 'broken'}: 1 bytes.",
        f"file  {tmp_path / 'good'}: 1 bytes.",
        "file exists.",
    ]
    assert not (tmp_path / "broken").is_symlink()
    assert not (tmp_path.parent / "x").exists()


def test_names_that_are_one_to_the_file_system_are_not_lost(tmp_path, monkeypatch):
    """Where two names mean one place, the second is told and the first stays."""
    monkeypatch.setattr(
        Path, "joinpath", lambda self, *parts: Path(self, *(unicodedata.normalize("NFC", part) for part in parts))
    )  # a file system that composes characters, as that of macOS
    twins = tuple(File(path=unicodedata.normalize(form, "é"), content=form.encode()) for form in ("NFC", "NFD"))
    told = Saver(tmp_path).save(result_of(files=twins))
    assert "to this file system it has the name of" in told[1]
    assert (tmp_path / "é").read_bytes() == b"NFC"


def test_a_table_is_not_shown_twice(capsys):
    """A value that was shown as a table last is named and not repeated."""
    table = Table(["n"], [[1], [2]])
    show_result(result_of(value=table, displays=(Display(data={TABLE: "{}", "text/plain": "n"}),)), None)
    assert capsys.readouterr().out.startswith("value  table  2 rows, shown above\n")


def test_the_command_saves_and_draws_what_a_program_shows(understudy, sandbox, tmp_path):
    """What a program shows behind the real wall is drawn, saved beside its files, and can be had again later."""
    code = f"display({png()!r}, mime='image/png', title='Dot')\nopen('notes.txt', 'w').write('n')\ndisplay('seen')"
    call = understudy(
        "run", "-c", code, "--policy", "standard", "--pictures", "kitty", "--out", "out", "--id", "dot", **sandbox
    )
    assert call.code == 0, call.err
    assert call.out.startswith(picture_text(picture(), "kitty", 80) + "\nseen\n")
    assert "spoken   I have made two things for you to look at.\n" in call.out
    assert 'display  picture "Dot": out/display-1.png\n' in call.out
    saved = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert saved == {"display-1.png": png(), "display-2.txt": b"seen", "notes.txt": b"n"}
    again = understudy("show", "dot", "--out", "again")
    assert "--- display\nseen\n" in again.out
    assert (tmp_path / "again" / "display-1.png").read_bytes() == png()
    assert "Setting terminal.pictures = 'sixel'" in understudy("show", "dot", "--pictures", "sixel").err
