"""What the syntax tree of Bash says.

The commands of Bash are its imports: builtins and the script's own functions are its core, every other command has to
be asked for by name.

The grammar does not know all of Bash, so where it finds an error Bash itself is asked, with ``bash -n``, which parses
and runs nothing. What Bash takes and the grammar does not is marked as unreadable.
"""

import re
from typing import TYPE_CHECKING

from policies import trees
from policies.facts import Facts, Mark, Weight, words
from policies.notes import Notes

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["read", "with_second_opinion"]

_BUILTINS = words("""
    . : [ alias bg bind break builtin caller cd command compgen complete compopt continue coproc declare dirs disown
    echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd
    printf pushd pwd read readarray readonly return set shift shopt source suspend test time times trap true type
    typeset ulimit umask unalias unset wait do done elif else esac fi in then }
""")
_STEADY_BUILTINS = words("""
    : [ break builtin continue declare echo exit export false getopts let local mapfile printf read readarray
    readonly return set shift shopt test true typeset unset
""")
_STEADY_PROGRAMS = words("basename bc cat comm cut dirname expr fold head join nl paste rev seq tac tail tr uniq wc")
"""Programs that give the same for the same input and arguments, whichever version is installed."""

_UNSTEADY_VARIABLES = words("""
    $ ! _ - BASH BASHOPTS BASHPID BASH_VERSINFO BASH_VERSION COLUMNS DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID GROUPS
    HOME HOSTNAME HOSTTYPE LINES LOGNAME MACHTYPE OLDPWD OSTYPE PATH PPID PWD RANDOM SECONDS SHELL SHELLOPTS SHLVL
    SRANDOM TMPDIR UID USER
""")
_PASSES_ON = words("builtin command exec nice nohup sudo env xargs timeout")
"""Commands that run the command in their arguments."""

_SAFE_PATHS = words("/dev/null /dev/stdin /dev/stdout /dev/stderr")
_NAME = re.compile(r"[A-Za-z_]\w*")
_BASH_SAYS = re.compile(r"line (\d+): (.+)")


def read(code: str) -> Facts:
    """The facts of Bash code; where the grammar finds an error, of what it could read, with the error."""
    source = code.encode()
    root = trees.parse(source, "bash")
    return _Reader(source, root).facts()._replace(error=trees.first_error(root, source))


def with_second_opinion(facts: Facts, code: str, *, accepted: bool, said: str) -> Facts:
    """The facts where the grammar found an error and Bash was asked, with ``bash -n``.

    Args:
        facts: what ``read`` found, its error included.
        code: the code.
        accepted: whether Bash takes it.
        said: what Bash wrote on stderr.
    """
    if accepted:
        message = "Bash takes this, but it cannot be checked: its grammar here does not know all of it."
        unreadable = Mark("unreadable", Weight.REACH, 1, 1, message, "Write it in plainer Bash.")
        doubt = facts.doubt or "it cannot be read"
        return facts._replace(error=None, marks=(*facts.marks, unreadable), doubt=doubt)
    found = _BASH_SAYS.search(said)
    if found is None or facts.error is None:
        return Facts(error=facts.error)
    line = min(int(found[1]), code.count("\n") + 1)  # where the end comes too soon Bash names the line after it
    column = facts.error.column if line == facts.error.line else 1
    return Facts(error=facts.error._replace(line=line, column=column, message=f"SyntaxError: {found[2]}"))


class _Reader:
    """One walk over one tree."""

    def __init__(self, source: bytes, root: "Node") -> None:
        self._root = root
        self._source = source
        self._notes = Notes(source)
        self._functions: set[str] = set()
        self._commands: list[tuple[str, Node]] = []

    def facts(self) -> Facts:
        visits = {
            "function_definition": self._function,
            "command": self._command,
            "declaration_command": self._declaration,
            "simple_expansion": self._expansion,
            "expansion": self._expansion,
            "variable_name": self._variable,
            "file_redirect": self._redirect,
            "process_substitution": self._process,
            "word": self._word,
            "string_content": self._word,
            "raw_string": self._word,
        }
        for node in trees.walk(self._root):
            visit = visits.get(node.type)
            if visit is not None:
                visit(node)
            if not node.is_named:
                continue
            after = node.next_sibling
            if after is not None and after.type == "&":
                self._notes.doubted("it runs something in the background")
        for name, node in self._commands:
            self._settle(name, node)
        return self._notes.facts()

    def _settle(self, name: str, node: "Node") -> None:
        """Judge a command once all functions are known."""
        if name in self._functions:
            return
        if name not in _BUILTINS:
            self._notes.use(name, *trees.place(node))
        if name not in _STEADY_BUILTINS and name not in _STEADY_PROGRAMS:
            self._notes.doubted(f"it runs {name}")
        if name in ("eval", "source", "."):
            message = f"`{name}` runs text that is not checked."
            self._notes.mark("runs-text", Weight.TRICK, *trees.place(node), message, "Write the code out.")
        if name == "enable":
            message = "`enable` can load native code into the shell."
            self._notes.mark("runs-text", Weight.TRICK, *trees.place(node), message, "Do without it.")

    def _function(self, node: "Node") -> None:
        self._functions.add(trees.text(node.child_by_field_name("name")))

    def _command(self, node: "Node") -> None:
        name_node = node.child_by_field_name("name")
        if name_node is None:  # assignments alone
            return
        words_ = [_constant(name_node), *map(_constant, node.children_by_field_name("argument"))]
        name = words_[0]
        if name is None:
            self._computed(node)
            return
        self._commands.append((name, node))
        if name == "printf" and any(word is None or "(" in word for word in words_[1:2]):
            self._notes.doubted("it may print the time")
        if name == "let" and _UNSTEADY_VARIABLES & set(_NAME.findall(trees.text(node))):
            self._notes.doubted("it uses a variable that is never the same")
        if name in ("set", "readonly") and len(words_) == 1:
            self._notes.doubted(f"it lists variables with {name}")
        if name == "read" and any(word is None or word.startswith(("-t", "-u")) for word in words_[1:]):
            self._notes.doubted("it reads with a time limit")
        if name in _PASSES_ON:
            self._passed_on(name, words_[1:], node)

    def _passed_on(self, name: str, arguments: list[str | None], node: "Node") -> None:
        """The command that another command runs: the first argument that is neither option nor assignment."""
        for word in arguments:
            if word is None:
                self._computed(node)
                return
            if word.startswith("-") or "=" in word or word[:1].isdigit():
                continue
            self._commands.append((word, node))
            return

    def _computed(self, node: "Node") -> None:
        self._notes.doubted("it runs a command by a computed name")
        message = "The name of a command is computed, so it cannot be checked."
        self._notes.mark("import-not-constant", Weight.TRICK, *trees.place(node), message, "Name the command.")

    def _declaration(self, node: "Node") -> None:
        options = [trees.text(child) for child in node.named_children if child.type == "word"]
        if any(option.startswith("-") and set(option) & set("Apf") for option in options):
            self._notes.doubted("it uses a table of names, or lists what is declared")
        if not node.named_child_count:
            self._notes.doubted("it lists what is declared")

    def _expansion(self, node: "Node") -> None:
        first = node.named_children[0] if node.named_child_count else None
        if first is not None and first.type == "special_variable_name":
            self._variable(first)
        if node.type == "expansion" and trees.text(node).startswith("${!"):
            self._notes.doubted("it uses a variable by a computed name")

    def _variable(self, node: "Node") -> None:
        name = trees.text(node)
        if name in _UNSTEADY_VARIABLES:
            self._notes.doubted(f"it uses ${name}")

    def _redirect(self, node: "Node") -> None:
        path = _constant(node.child_by_field_name("destination"))
        if path is None:
            self._notes.doubted("it reads or writes a file by a computed name")
        if path is not None and path.startswith(("/dev/tcp/", "/dev/udp/")):
            message = f"`{path}` is a network connection; the wall bounds what it can do."
            self._notes.mark(
                "reaches-outside", Weight.REACH, *trees.place(node), message, "Send the data along instead."
            )

    def _word(self, node: "Node") -> None:
        word = trees.text(node).lstrip("'\"")
        if (word.startswith("/") and word.rstrip("'") not in _SAFE_PATHS) or "../" in word:
            self._notes.doubted("it names a path outside its work folder")

    def _process(self, node: "Node") -> None:
        self._notes.doubted("it runs something in the background")


def _constant(node: "Node | None") -> str | None:
    """The text of a word where it is one, quoted or not; None where something in it is computed."""
    if node is None:
        return None
    if node.type == "command_name":
        return _constant(node.named_children[0]) if node.named_child_count else None
    if node.type in ("word", "number", "test_operator"):
        return trees.text(node).replace("\\", "")
    if node.type == "raw_string":
        return trees.text(node)[1:-1]
    if node.type in ("string", "concatenation"):
        parts = [_constant(child) for child in node.named_children]
        return None if None in parts else "".join(part for part in parts if part is not None)
    return trees.text(node) if node.type == "string_content" else None
