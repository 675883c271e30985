"""Whether what was typed is a whole command, or goes on in the next line. Nothing is run, and doubt means whole.

A terminal and a pipe differ in one thing: at a terminal an empty line ends a Python block or an SQL statement; in a
pipe, where nobody waits for an answer, the next line says whether the block goes on.
"""

import codeop
import re
import warnings

__all__ = ["goes_on"]

_CLAUSES = re.compile(r"(?:[ \t]|#|\)|\]|\}|(?:else|elif|except|finally)\b|$)")
"""How a line begins that belongs to the Python statement before it."""
_OPENING, _CLOSING = "([{", ")]}"
_LINKS = re.compile(r"\s*(?:[.?:,)\]}&|+*/%=<>]|-(?!-)|(?:else|catch|finally|instanceof|in)\b)")
"""How a line begins that belongs to the JavaScript before it."""
_HANGING = re.compile(r"(?:[=+\-*/%&|^<>?:,.]|=>|\b(?:in|of|instanceof|typeof|new|extends|return await|await))\Z")
_FINISHED = re.compile(r"(?:\+\+|--|:)\Z")
_BEFORE_REGEX = re.compile(r"(?:\A|[(,=:\[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|delete|void|throw|new))\Z")
_SQL_PARTS = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.DOTALL
)  # texts, names, comments, dollar quotes: what may hold a semicolon that ends nothing
_SQL_OPEN = re.compile(r"'|\"|/\*|\$\w*\$")


def goes_on(text: str, language: str, following: str | None = None, *, typed: bool) -> bool:
    """Whether ``text`` wants another line.

    Args:
        text: what there is, without the last line end.
        language: its proper name.
        following: the next line, where it is known already; None at the end of a pipe, and at a terminal.
        typed: at a terminal, where an empty line ends what could go on.
    """
    if not text.strip():
        return False
    if language == "python":
        return _python_typed(text) if typed else _python_piped(text, following)
    if language in ("javascript", "typescript"):
        linked = following is not None and bool(_LINKS.match(following))
        return (linked or _javascript(text)) and not (typed and text.endswith("\n\n"))
    if language == "sql":
        return not (typed and text.endswith("\n")) and _sql(text)
    return text.endswith("\\")


def _python_typed(text: str) -> bool:
    return _compiles_only_with_more(text, "single")


def _python_piped(text: str, following: str | None) -> bool:
    if following is not None and _CLAUSES.match(following):
        return True
    return following is not None and _compiles_only_with_more(text + "\n", "exec")


def _compiles_only_with_more(text: str, symbol: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return codeop.compile_command(text, symbol=symbol) is None
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):  # the guest will say why
        return False


def _sql(text: str) -> bool:
    """No semicolon ends it, outside of texts and comments."""
    bare = _SQL_PARTS.sub(" ", text)
    return bool(_SQL_OPEN.search(bare)) or not bare.rstrip().endswith(";")


def _javascript(text: str) -> bool:
    """Something is open: a bracket, a template, a comment; or the last token cannot be the last."""
    seen, position, depth = "", 0, [""]  # what was read but for texts and comments; the brackets that are open
    while position < len(text):
        here = text[position]
        if depth[-1] == "`":
            position, ended = _template(text, position)
            if ended == "`":
                depth.pop()
                seen += "`"
            elif ended == "${":
                depth.append("{")
                seen += "{"
            else:
                return True
            continue
        skipped = _skip(text, position, seen)
        if skipped is None:
            return True
        if skipped > position:
            seen += " " if text.startswith(("//", "/*"), position) else "0"
            position = skipped
            continue
        if here == "`" or here in _OPENING:
            depth.append(here)
        elif here in _CLOSING:
            if len(depth) == 1 or _OPENING.index(depth[-1]) != _CLOSING.index(here):
                return False  # the guest says what is wrong with it
            depth.pop()
        seen += here
        position += 1
    seen = seen.rstrip()
    return len(depth) > 1 or bool(_HANGING.search(seen) and not _FINISHED.search(seen))


def _template(text: str, position: int) -> tuple[int, str]:
    """The place after the text of a template, and what ended it: the template, an expression, or nothing."""
    while position < len(text):
        if text[position] == "\\":
            position += 2
        elif text[position] == "`":
            return position + 1, "`"
        elif text.startswith("${", position):
            return position + 2, "${"
        else:
            position += 1
    return position, ""


def _skip(text: str, position: int, seen: str) -> int | None:
    """The place after the text, comment or pattern that begins here; None where it wants another line.

    Where none begins it is ``position`` itself.
    """
    here = text[position]
    if here in "'\"":
        end = _closed(text, position, here)
        return len(text) if end is None else end  # a text without an end is an error, not a beginning
    if text.startswith("//", position):
        end_of_line = text.find("\n", position)
        return len(text) if end_of_line < 0 else end_of_line
    if text.startswith("/*", position):
        end_of_comment = text.find("*/", position + 2)
        return None if end_of_comment < 0 else end_of_comment + 2
    if here == "/" and _BEFORE_REGEX.search(seen.rstrip()[-16:]):
        return _closed(text, position, "/") or position + 1
    return position


def _closed(text: str, position: int, quote: str) -> int | None:
    """The place after the next ``quote`` of this line; for a pattern, one that is not in a class."""
    position, in_class = position + 1, False
    while position < len(text) and text[position] != "\n":
        here = text[position]
        if here == quote and not in_class:
            return position + 1
        if quote == "/" and here in "[]":
            in_class = here == "["
        position += 2 if here == "\\" else 1
    return None
