"""What a program shows: the forms of an object, by MIME type, and their way to the host. Loaded on first use."""

import sys

from . import channels, values
from .lazily import json_dumps

__all__ = ["is_rich", "rich_forms", "send", "show", "show_last"]

_METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_pdf_": "application/pdf",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
}
"""The methods by which objects show themselves in notebooks."""

_TITLE_CHARACTERS = 200


def show(objects, mime, title, raw):
    """What the builtin ``display`` does; see there.

    Raises:
        TypeError: an object is not what the options say.
        TooLargeError: no form fits into what the policy lets out, or too much was shown.
    """
    for thing in objects:
        if raw:
            if not isinstance(thing, dict):
                raise TypeError(f"display(raw=True) takes a dict of MIME types, not {type(thing).__name__}")
            forms, sides = dict(thing), {}
        elif mime is not None:
            forms, sides = {mime: thing}, {}
        else:
            forms, sides = rich_forms(thing)
            own = sides.pop("title", "")
            if not title and own:
                send(forms, own, **sides)
                continue
        send(forms, title, **sides)


def show_last(value):
    """Show the value of a last expression, as a notebook does, where it is something to look at. Never raises."""
    if not is_rich(value):
        return
    try:
        show((value,), None, "", raw=False)
    except Exception as error:  # the value itself still goes out
        channels.complain(f"{type(value).__name__} cannot be shown: {channels.text_of(error)}")


def is_rich(value):
    """Whether there is more to it than its text."""
    kind = type(value)
    return any(hasattr(kind, name) for name in ("_repr_mimebundle_", *_METHODS))


def rich_forms(value):
    """The forms of an object, and what else is known of it: ``title``, ``width_px``, ``height_px``."""
    if isinstance(value, str):
        return {"text/plain": value}, {}
    if isinstance(value, values.Image):
        return {value.mime: value.data}, {}
    figure = getattr(sys.modules.get("matplotlib.figure"), "Figure", ())
    if isinstance(value, figure):
        from .figures import forms_of

        return forms_of(value)
    package = type(value).__module__.partition(".")[0]
    if package == "pandas" and hasattr(value, "iloc"):
        from .dataframes import forms_of

        return forms_of(value), {}
    if package == "PIL" and hasattr(value, "size"):
        return _picture(value)
    return {**_by_methods(value), "text/plain": channels.repr_of(value)}, {}


def send(forms, title="", width_px=None, height_px=None):
    """Send one thing in as many of its forms as fit, the largest left out first.

    Raises:
        TooLargeError: not even one fits.
        ValueError: there is none.
        RuntimeError: this process was forked off by the program.
        OSError: the program closed the channel.
    """
    report = channels.current()
    parts = {}
    for mime, content in forms.items():
        part = _part(str(mime), content)
        if part is not None:
            parts[mime] = part
    if not parts:
        raise ValueError("there is nothing to show: no form has content")
    room = report.room_for_display()
    largest_first = sorted(parts.values(), key=len, reverse=True)
    while len(largest_first) > 1 and sum(map(len, largest_first)) > room:
        left_out = largest_first.pop(0)
        parts = {mime: part for mime, part in parts.items() if part is not left_out}
    rest = {"title": str(title)[:_TITLE_CHARACTERS], "width_px": width_px, "height_px": height_px}
    told = "".join(f',"{name}":{json_dumps(value)}' for name, value in rest.items() if value)
    report.display(b'{"kind":"display","data":{' + b",".join(parts.values()) + b"}" + told.encode("ascii") + b"}")


def _part(mime, content):
    """One form as a member of the frame's JSON object; None where there is nothing."""
    if content is None:
        return None
    if isinstance(content, (bytes, bytearray, memoryview)):
        wire = values.dumps(bytes(content))
    elif isinstance(content, str):
        wire = json_dumps(str.__str__(content)).encode("ascii")
    elif mime.endswith("json"):
        import json

        try:
            text = json.dumps(content, default=str, allow_nan=False)
        except ValueError as error:
            channels.complain(f"{mime}: {error}")
            return None
        wire = json_dumps(text).encode("ascii")
    else:
        raise TypeError(f"a display of {mime} is text or bytes, not {type(content).__name__}")
    return json_dumps(mime).encode("ascii") + b":" + wire


def _by_methods(value):
    """What an object's own methods give. One that fails is left out, and stderr says so."""
    bundle = _called(value, "_repr_mimebundle_")
    forms = dict(bundle) if isinstance(bundle, dict) else {}
    for name, mime in _METHODS.items():
        if mime not in forms:
            content = _called(value, name)
            if content is not None:
                forms[mime] = content
    return forms


def _called(value, name):
    method = getattr(type(value), name, None)
    if method is None:
        return None
    try:
        given = method(value)
    except NotImplementedError:
        return None
    except Exception as error:
        channels.complain(f"{type(value).__name__}.{name}: {type(error).__name__}: {channels.text_of(error)}")
        return None
    return given[0] if isinstance(given, tuple) and given else given  # some add metadata


def _picture(image):
    """A picture of Pillow's as PNG; as JPEG where that would not fit."""
    width, height = image.size
    forms = {"image/png": _called(image, "_repr_png_")}
    if len(forms["image/png"] or b"") * 4 // 3 > channels.current().room_for_display() - 1024:
        forms = {"image/jpeg": _called(image, "_repr_jpeg_")}
    return {**forms, "text/plain": channels.repr_of(image)}, {"width_px": width, "height_px": height}
