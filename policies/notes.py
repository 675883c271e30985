"""The notebook that a language's reader writes its facts into."""

from policies.facts import Facts, Mark, Use, Weight

__all__ = ["Notes"]

_MARKS_PER_RULE = 20


class Notes:
    """Collects facts. Places are 1-based lines and 0-based columns in bytes, as parsers give them."""

    __slots__ = ("_lines", "_marks", "_per_rule", "_source", "_uses", "doubt")

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._lines: list[bytes] | None = None
        self._uses: dict[tuple[str, tuple[str, ...]], Use] = {}
        self._marks: list[Mark] = []
        self._per_rule: dict[str, int] = {}
        self.doubt = ""

    def use(self, name: str, line: int, offset: int, members: tuple[str, ...] = ()) -> None:
        """The code asks for ``name`` here."""
        key = (name, members)
        if key not in self._uses:
            self._uses[key] = Use(name, line, self.column(line, offset), members)

    def mark(self, rule: str, weight: Weight, line: int, offset: int, message: str, remedy: str = "") -> None:
        """A rule applies here. Beyond some twenty of one rule more would tell nobody more."""
        count = self._per_rule[rule] = self._per_rule.get(rule, 0) + 1
        if count <= _MARKS_PER_RULE:
            self._marks.append(Mark(rule, weight, line, self.column(line, offset), message, remedy))

    def doubted(self, reason: str) -> None:
        """Outputs may differ from run to run; the first reason is kept."""
        self.doubt = self.doubt or reason

    def column(self, line: int, offset: int) -> int:
        """The column in characters, from 1, of a byte offset in a line."""
        if self._lines is None:
            self._lines = self._source.split(b"\n")
        if line > len(self._lines):
            return offset + 1
        return len(self._lines[line - 1][:offset].decode("utf-8", "replace")) + 1

    def facts(self) -> Facts:
        """All that was noted."""
        return Facts(tuple(self._uses.values()), tuple(self._marks), self.doubt)
