"""Makes up scenarios of all statement kinds."""

import random

THEMES = ["cancel", "gather", "group", "mixed", "sync", "timeout", "wait"]

# How often a statement is chosen; what a theme is about comes up more often.
WEIGHTS = {
    "await": 10,
    "cancel": 8,
    "cancel_me": 2,
    "cancelling": 3,
    "each": 3,
    "gather": 6,
    "log": 6,
    "promise": 2,
    "raise": 3,
    "reject": 1,
    "resolve": 2,
    "return": 2,
    "shield": 4,
    "sleep": 16,
    "spawn": 8,
    "uncancel": 1,
    "wait": 5,
    "wait_for": 6,
    "yield": 1,
    "absorb": 3,
    "group": 5,
    "guard": 4,
    "repeat": 1,
    "timeout": 5,
    "try": 6,
}
ABOUT = {
    "cancel": {"cancel": 16, "cancel_me": 6, "cancelling": 6, "uncancel": 4, "absorb": 8},
    "gather": {"gather": 20, "await": 14, "shield": 6, "cancel": 10},
    "group": {"group": 16, "raise": 6, "cancel": 8},
    "mixed": {},
    "sync": {"acquire": 12, "await_event": 5, "set": 5, "put": 9, "get": 9, "cancel": 8},
    "timeout": {"timeout": 16, "wait_for": 12, "absorb": 5, "shield": 6},
    "wait": {"wait": 18, "each": 12, "promise": 4, "resolve": 4},
}
DEPTH_MAX = 4

# Short passages at which implementations go wrong, chosen as often as one statement in eight.
# x, y: names bound before; p, n: new ones; way: a wait for the name after it; ms: a length.
PASSAGES = [
    "cancel {x}; cancel {x}; await {x}",
    "cancel {x}; try;  {way} {x}; catch; end",
    "cancel_me; absorb;  {way} {x}; end; cancelling",
    "cancel_me; cancel_me; uncancel; absorb;  yield; end; uncancel; uncancel",
    "shield {n} {x}; absorb;  timeout {ms};   await {n};  end; end; cancel {n}",
    "gather {n} raise {x} {y} {x}; cancel {n}; {way} {n}",
    "promise {p}; gather {n} raise {p}; resolve {p} 5; cancel_me; absorb;  {way} {n}; end",
    "promise {p}; shield {n} {p}; reject {p} e; cancel {n}; try;  {way} {n}; catch; end",
    "promise {p}; gather {n} collect {p} {x}; cancel {p}; cancel {n}; yield; {way} {n}",
    "timeout {ms};  timeout {ms};   {way} {x};  end;  {way} {y}; end",
    "try;  timeout 0;   {way} {x};  end; catch; end; cancelling",
    "absorb;  guard;   sleep {ms};  cleanup;   {way} {x};  end; end",
    "repeat 3;  {way} {x}; end",
    "wait first {ms} {x} {x} {y}",
    "absorb;  group;   guard;    {way} {x};   cleanup;    {way} {y};   end;  end; end; uncancel",
]
WAYS = [
    "await",
    "wait_for 0",
    "wait_for 2000",
    "wait all none",
    "wait first 0",
    "wait error none",
    "each 0",
    "each none",
]


def make(seed, theme=None):
    """The text of a scenario, without the line that tells its kind; the same for the same seed."""
    return _Maker(random.Random(seed), theme).scenario()


class _Maker:
    def __init__(self, dice, theme):
        self.dice = dice
        self.theme = theme or dice.choice(THEMES)
        # Some statements are left out of a scenario, and some fill it.
        self.weights = {
            verb: weight * dice.choices([0, 1, 4], [15, 70, 15])[0]
            for verb, weight in {**WEIGHTS, **ABOUT[self.theme]}.items()
        }
        self.weights["sleep"] = WEIGHTS["sleep"]
        self.lines = []
        self.count = 0
        self.mains = 0  # tasks that main has spawned: m1, m2, ...
        self.tasks = []
        self.things = []
        self.seen = []  # names that the statement may mean: bound before it, as the text goes
        self.in_main = False

    def scenario(self):
        if self.theme == "sync" or self.dice.random() < 0.15:
            self.declare()
        for _ in range(self.dice.randint(2, 5)):
            self.task()
        self.main()
        return "\n".join(self.lines) + "\n"

    def say(self, depth, text):
        self.lines.append("  " * depth + text)

    def fresh(self, letter):
        self.count += 1
        return f"{letter}{self.count}"

    def ms(self):
        """Mostly lengths that do not meet by chance; now and then none at all."""
        return 0 if self.dice.random() < 0.03 else self.dice.randint(1, 2400)

    def declare(self):
        for kind, letter, most in [
            ("semaphore", "s", 3),
            ("event", "ev", None),
            ("lock", "lk", None),
            ("queue", "q", 2),
        ]:
            name = self.fresh(letter)
            words = [kind, name]
            if most is not None:
                words.append(str(self.dice.randint(0 if kind == "queue" else 1, most)))
            self.say(0, " ".join(words))
            self.things.append((kind, name))

    def task(self):
        name = self.fresh("T")
        self.seen = []
        self.say(0, f"task {name}")
        self.block(1, self.dice.randint(1, 5), False)
        if self.dice.random() < 0.5:
            self.say(1, self.ending())
        self.say(0, "end")
        self.tasks.append(name)

    def main(self):
        self.in_main = True
        self.seen = []
        self.say(0, "main")
        for _ in range(self.dice.randint(2, 4)):
            self.spawn(1, "spawn")
        self.block(1, self.dice.randint(3, 9), False)
        if self.dice.random() < 0.5:
            self.say(1, "sleep 9000")
        self.say(0, "end")

    def ending(self):
        if self.dice.random() < 0.6:
            return f"return {self.dice.randint(0, 99)}"
        return f"raise {self.fresh('e')}"

    def block(self, depth, length, in_group):
        for _ in range(length):
            self.statement(depth, in_group)

    def passage(self, depth):
        names = self.some() or ["m1"]
        new = {"p": self.fresh("p"), "n": self.fresh("h")}
        for text in self.dice.choice(PASSAGES).split("; "):
            words = {"ms": self.ms(), "way": self.dice.choice(WAYS), "x": names[0], "y": names[-1]}
            self.say(depth, text.format(**words, **new))
        self.seen.append(new["n"])

    def statement(self, depth, in_group):
        if self.dice.random() < 0.12:
            return self.passage(depth)
        verbs = list(self.weights)
        while True:
            verb = self.dice.choices(verbs, [self.weights[v] for v in verbs])[0]
            if verb in ("absorb", "group", "guard", "repeat", "timeout", "try"):
                if depth <= DEPTH_MAX:
                    return self.compound(depth, verb, in_group)
            elif self.simple(depth, verb, in_group):
                return None

    # statements with a block

    def compound(self, depth, verb, in_group):
        number = {"repeat": self.dice.randint(0, 3), "timeout": self.ms()}.get(verb)
        self.say(depth, verb if number is None else f"{verb} {number}")
        inside = in_group or verb == "group"
        if verb == "group":
            for _ in range(self.dice.randint(0, 3)):
                self.spawn(depth + 1, "gspawn")
        self.block(depth + 1, self.dice.randint(0, 4), inside)
        middle = {"guard": "cleanup", "try": "catch"}.get(verb)
        if middle:
            self.say(depth, middle)
            self.block(depth + 1, self.dice.randint(0, 2), in_group)
        self.say(depth, "end")

    # statements without

    def spawn(self, depth, verb):
        if not self.tasks:
            return False
        name = self.fresh("c")
        if self.in_main:
            self.mains += 1
            name = f"m{self.mains}"
        if self.seen and self.dice.random() < 0.05:
            name = self.dice.choice(self.seen)  # bound again
        self.say(depth, f"{verb} {name} {self.dice.choice(self.tasks)}")
        self.seen.append(name)
        return True

    def some(self, least=1):
        """Some of the names; in a task also one of main's, which may or may not be bound."""
        names = self.seen + ([] if self.in_main else [f"m{self.dice.randint(1, 6)}"])
        if not names:
            return []
        many = [self.dice.choice(names) for _ in range(self.dice.randint(least, 4))]
        return many if self.dice.random() < 0.1 else list(dict.fromkeys(many))

    def thing(self, *kinds):
        names = [name for kind, name in self.things if kind in kinds]
        return self.dice.choice(names) if names else None

    def limit(self):
        return "none" if self.dice.random() < 0.5 else self.ms()

    def simple(self, depth, verb, in_group):
        if verb == "spawn":
            grouped = in_group and self.dice.random() < 0.6
            return self.spawn(depth, "gspawn" if grouped else "spawn")
        if verb == "acquire":
            return self.acquire(depth, in_group)
        words = getattr(self, "words_" + verb, lambda: [])()
        if words is None:
            return False
        self.say(depth, " ".join([verb, *map(str, words)]))
        if verb in ("gather", "promise", "shield"):
            self.seen.append(words[0])
        return True

    def acquire(self, depth, in_group):
        """With its release in a cleanup, as programs have it; now and then without."""
        name = self.thing("semaphore", "lock")
        if name is None:
            return False
        if self.dice.random() < 0.1:
            self.say(depth, f"{self.dice.choice(['acquire', 'release'])} {name}")
            return True
        self.say(depth, f"acquire {name}")
        self.say(depth, "guard")
        self.block(depth + 1, self.dice.randint(0, 2), in_group)
        self.say(depth, "cleanup")
        self.say(depth + 1, f"release {name}")
        self.say(depth, "end")
        return True

    def words_sleep(self):
        return [self.ms()]

    def words_log(self):
        return [self.fresh("l")]

    def words_return(self):
        return [self.dice.randint(0, 99)]

    def words_raise(self):
        return [self.fresh("e")]

    def words_promise(self):
        return [self.fresh("p")]

    def words_await(self):
        return self.some()[:1] or None

    words_cancel = words_await

    def words_resolve(self):
        names = self.promises()
        return names and [self.dice.choice(names), self.dice.randint(0, 99)]

    def words_reject(self):
        names = self.promises()
        return names and [self.dice.choice(names), self.fresh("e")]

    def promises(self):
        names = [name for name in self.seen if name.startswith("p")]
        return (names if self.dice.random() < 0.9 else self.seen) or None

    def words_gather(self):
        names = self.some(0)
        return [self.fresh("g"), self.dice.choice(["raise", "collect"]), *names]

    def words_shield(self):
        names = self.some()
        return names and [self.fresh("h"), names[0]] or None

    def words_wait(self):
        names = self.some()
        when = self.dice.choice(["all", "first", "error"])
        return names and [when, self.limit(), *names] or None

    def words_wait_for(self):
        names = self.some()
        return names and [self.limit(), names[0]] or None

    def words_each(self):
        names = self.some()
        return names and [self.limit(), *names] or None

    def words_await_event(self):
        name = self.thing("event")
        return name and [name]

    words_set = words_await_event

    def words_get(self):
        name = self.thing("queue")
        return name and [name]

    def words_put(self):
        name = self.thing("queue")
        return name and [name, self.dice.randint(0, 99)]
