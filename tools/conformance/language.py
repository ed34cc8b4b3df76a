"""The scenario language: what statements there are, and the parser."""

import dataclasses
import sys

MS_MAX = 10_000_000
DEPTH_MAX = 500

# What follows each verb.  number, limit (a number or `none`), word, name (of a future), names (any
# number of them), new (a name to bind), task, a|b (a choice), @a|b (something declared as a or b).
SHAPES = {
    "acquire": "@semaphore|lock",
    "await": "name",
    "await_event": "@event",
    "cancel": "name",
    "cancel_me": "",
    "cancelling": "",
    "each": "limit names",
    "gather": "new raise|collect names",
    "get": "@queue",
    "gspawn": "new task",
    "log": "word",
    "promise": "new",
    "put": "@queue number",
    "raise": "word",
    "reject": "name word",
    "release": "@semaphore|lock",
    "resolve": "name number",
    "return": "number",
    "set": "@event",
    "shield": "new name",
    "sleep": "number",
    "spawn": "new task",
    "uncancel": "",
    "wait": "all|first|error limit names",
    "wait_for": "limit name",
    "yield": "",
    # blocks
    "absorb": "",
    "group": "",
    "guard": "",
    "repeat": "number",
    "timeout": "number",
    "try": "",
}
BLOCKS = {"absorb", "group", "guard", "repeat", "timeout", "try"}
MIDDLE = {"guard": "cleanup", "try": "catch"}
DECLARATIONS = {"event": 0, "lock": 0, "queue": 1, "semaphore": 1}  # with so many numbers


sys.setrecursionlimit(5000)  # for the parser's two calls a block


class Malformed(Exception):
    """str() is `line N: why`."""

    def __init__(self, line, why):
        super().__init__(f"line {line}: {why}")


@dataclasses.dataclass
class Statement:
    line: int
    verb: str
    words: list
    first: list = None
    second: list = None


@dataclasses.dataclass
class Scenario:
    tasks: dict  # name: statements
    things: list  # (kind, name, numbers)


def parse(text):
    return _Parser(text).scenario()


def _rows(text):
    """Words and lines end where Python ends them: at Unicode's blanks and ends of lines, too."""
    text = text.replace("\r\n", "\n")
    for line, row in enumerate(text.splitlines(), 1):
        row = row.split("#", 1)[0]
        if "\0" in row:
            raise Malformed(line, "a zero byte")
        words = row.split()
        if words:
            yield line, words


class _Parser:
    def __init__(self, text):
        self.rows = list(_rows(text))
        self.at = 0
        self.depth = 0
        self.things = []
        self.spawns = []

    def last_line(self):
        return self.rows[-1][0] if self.rows else 1

    def scenario(self):
        tasks = {}
        while self.at < len(self.rows):
            line, words = self.rows[self.at]
            self.at += 1
            if words == ["main"] or len(words) == 2 and words[0] == "task" and words[1] != "main":
                if words[-1] in tasks:
                    raise Malformed(line, f"'{words[-1]}' twice")
                tasks[words[-1]] = []  # known, so that a body cannot hide a second one
                tasks[words[-1]] = self.body("end", False)
            else:
                self.things.append(self.declaration(line, words))
        if "main" not in tasks:
            raise Malformed(self.last_line(), "no main")
        for line, name in sorted(self.spawns, key=lambda spawn: spawn[0]):
            if name == "main" or name not in tasks:
                raise Malformed(line, f"no task '{name}'")
        return Scenario(tasks, self.things)

    def declaration(self, line, words):
        kind, *rest = words
        if kind not in DECLARATIONS or len(rest) != 1 + DECLARATIONS[kind]:
            raise Malformed(line, f"'{' '.join(words)}' is no task, main or declaration")
        return kind, rest[0], [self.number(line, word) for word in rest[1:]]

    def body(self, stop, in_group):
        statements = []
        while self.at < len(self.rows):
            line, words = self.rows[self.at]
            self.at += 1
            if words == [stop]:
                return statements
            statements.append(self.statement(line, words, in_group))
        raise Malformed(self.last_line(), "the scenario ends inside a block")

    def statement(self, line, words, in_group):
        verb, *rest = words
        if verb not in SHAPES:
            raise Malformed(line, f"no statement '{verb}'")
        self.check(line, verb, rest)
        if verb == "gspawn" and not in_group:
            raise Malformed(line, "'gspawn' outside of a group")
        made = Statement(line, verb, rest)
        if verb in BLOCKS:
            self.depth += 1
            if self.depth > DEPTH_MAX:
                raise Malformed(line, f"more than {DEPTH_MAX} blocks in each other")
            made.first = self.body(MIDDLE.get(verb, "end"), in_group or verb == "group")
            if verb in MIDDLE:
                made.second = self.body("end", in_group)
            self.depth -= 1
        return made

    def check(self, line, verb, words):
        shape = SHAPES[verb].split()
        if shape[-1:] == ["names"]:
            fits = len(words) >= len(shape) - 1
        else:
            fits = len(words) == len(shape)
        if not fits:
            raise Malformed(line, f"'{verb}' with {len(words)} words")
        pairs = list(zip(shape, words))
        for what, word in pairs:
            if what == "number" or what == "limit" and word != "none":
                self.number(line, word)
            if what == "task":
                self.spawns.append((line, word))
        for what, word in pairs:
            if what.startswith("@"):
                self.declared(line, what[1:].split("|"), word)
            elif "|" in what and word not in what.split("|"):
                raise Malformed(line, f"'{word}' is none of {', '.join(what.split('|'))}")

    @staticmethod
    def number(line, word):
        if not (word.isascii() and word.isdigit()) or int(word) > MS_MAX:
            raise Malformed(line, f"'{word}' is no whole number from 0 to {MS_MAX}")
        return int(word)

    def declared(self, line, kinds, name):
        if not any(kind in kinds and known == name for kind, known, _ in self.things):
            raise Malformed(line, f"'{name}' is not declared as {' or '.join(kinds)}")
