"""sheaf's tasks in gdb, of a live process or a core.

    gdb -p PID -x tools/gdb/sheaf.py            gdb -x tools/gdb/sheaf.py PROGRAM CORE

    sheaf tasks         every task: where it is, where it was spawned, what it waits for
    sheaf bt TASK       the backtrace of one, suspended or running; TASK is a name or an address
    sheaf chains        who waits for whom, from each task that nobody waits for

What the script has to know of the library's structs it reads from tables in the program
(lib/offsets.h): the library needs no debug information, but its symbols (no strip).  Tasks in frames
are seen where they run or suspend.
"""

import re

import gdb
import gdb.unwinder


# ------------------------------------------------------------------------------- memory

class Missing(gdb.GdbError):
    pass


def symbol(name):
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
    except gdb.error:
        return None


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def number(address, size):
    return int.from_bytes(read(address, size), "little")


def pointer(address):
    return number(address, 8)


def text(address, most=200):
    """The string there; None for a null pointer."""
    if not address:
        return None
    data = b""
    while len(data) < most:
        try:
            byte = read(address + len(data), 1)
        except gdb.MemoryError:
            break
        if byte == b"\0":
            break
        data += byte
    return data.decode("utf-8", "replace")


ENTRY = 32


class Offsets(dict):
    """The tables of the program, by name."""

    def __init__(self):
        super().__init__()
        for name in ("core", "tally", "group", "gather", "shield"):
            at = symbol(f"sheaf__offsets_{name}")
            while at and number(at, 1):
                entry = read(at, ENTRY)
                self[entry[:28].split(b"\0")[0].decode()] = int.from_bytes(entry[28:], "little")
                at += ENTRY
        if "pool.registered" not in self:
            raise Missing("there is no sheaf in this program, or its symbols were stripped")


# ------------------------------------------------------------------------------- tasks

class Task:
    """A task, promise or other future.  Alive as long as the program does not go on."""

    def __init__(self, snapshot, address):
        self.snapshot, self.o, self.address = snapshot, snapshot.o, address
        self.job = address + self.o["future.job"]
        self.flags = number(self.job + self.o["job.flags"], 1)
        self.word = number(self.job + self.o["job.word"], 4)
        self.raw_state = number(self.job + self.o["job.state"], 1)
        self.fiber = None  # on whose stack it is
        self.worker = None  # that runs that stack

    def extra(self):
        has = self.word & self.o["WORD_EXTRA"]
        return pointer(self.address + self.o["future.extra"]) if has else 0

    def is_task(self):
        return not self.flags & (self.o["JOB_BARE"] | self.o["JOB_STATIC"])

    def composed(self):
        bare = self.flags & self.o["JOB_BARE"]
        return pointer(self.address + self.o["future.in"]) if bare else 0

    def kind(self):
        composed = self.composed()
        if composed:
            ops = pointer(composed + self.o["composed.ops"])
            return text(pointer(ops + self.o["composed_ops.what"]))
        return "task" if self.is_task() else "promise"

    def name(self):
        extra = self.extra()
        name = text(pointer(extra + self.o["extra.name"])) if extra else None
        count = number(extra + self.o["extra.number"], 8) if extra else 0
        return name or (f"task-{count}" if count else self.kind())

    def function(self):
        said = gdb.execute(f"info symbol {pointer(self.address + self.o['future.fn'])}",
                           to_string=True)
        return said.split(" in section")[0].strip()

    def is_hidden(self):
        """Whether it is the library's own."""
        return self.function() in ("supervise", "drain_main", "turn_main")

    def place(self):
        extra = self.extra()
        if extra:
            return text(pointer(extra + self.o["extra.place"]))
        if self.is_task() and not self.flags & self.o["JOB_FRAME"]:
            return text(pointer(self.address + self.o["future.extra"]))
        return None

    def checkpoint(self):
        extra = self.extra()
        return text(pointer(extra + self.o["extra.checkpoint"])) if extra else None

    def done(self):
        return bool(self.word & self.o["WORD_DONE"]) or self.raw_state > self.o["RUNNING"] + 2

    def enclosing(self):
        started = self.is_task() and self.raw_state >= self.o["RUNNING"]
        return pointer(self.address + self.o["future.in"]) if started else 0

    def awaiting(self):
        """The address of what it waits for, and the tag; 0 for nothing."""
        if not self.is_task() or self.raw_state != self.o["RUNNING"]:
            return 0, 0
        value = pointer(self.job + self.o["job.up"])
        tag = self.o["AWAITING_TAG"]
        return value & ~tag, value & tag

    def waits_for(self):
        """What it waits for as text, and the tasks behind that."""
        address, tag = self.awaiting()
        if not address:
            return None, []
        if tag == self.o["AWAITING_WAIT"]:
            what = text(pointer(address + self.o["wait.what"]))
            return what, self.snapshot.wanted(pointer(address + self.o["wait.wanted"]))
        other = self.snapshot.future(address)
        return f"{other.kind()} '{other.name()}'", self.snapshot.behind(other)

    def state(self):
        if self.raw_state == self.o["QUEUED"]:
            return "not started"
        if self.raw_state != self.o["RUNNING"]:
            return "ending"
        if self.awaiting()[0]:
            return "suspended"
        if self.worker is not None:
            return f"running on worker {self.worker}"
        return "suspended" if self.fiber else "running"

    def line(self):
        what, _ = self.waits_for()
        parts = [f"0x{self.address:x} {self.name()}: {self.state()}"]
        if what:
            parts.append(f"waits for {what}")
        if self.place():
            parts.append(f"spawned at {self.place()}")
        parts.append(self.function())
        if self.word & self.o["WORD_CANCEL"]:
            parts.append("asked to cancel")
        if self.checkpoint():
            parts.append(f"last checkpoint at {self.checkpoint()}")
        return ", ".join(parts)


class Pool:
    def __init__(self, snapshot, address):
        self.snapshot, self.o, self.address = snapshot, snapshot.o, address
        self.name = text(address + self.o["pool.name"], 12)
        self.tasks = {}
        self.threads = {}  # of the workers
        self.find()

    def add(self, address, fiber=None, worker=None):
        """A task and those on whose stack it was called."""
        while address and address not in self.tasks:
            task = self.snapshot.future(address)
            if task.is_task() and not task.is_hidden():
                task.fiber, task.worker = fiber, worker
                self.tasks[address] = task
            address = task.enclosing()

    def add_job(self, job):
        o = self.o
        flags = number(job + o["job.flags"], 1)
        if flags & o["JOB_FIBER"]:
            fiber = job - o["fiber.job"]
            self.add(pointer(fiber + o["fiber.current"]), fiber)
        elif not flags & o["JOB_BARE"]:
            self.add(job - o["future.job"])

    def add_runq(self, queue):
        job = pointer(queue + self.o["runq.head"])
        while job:
            self.add_job(job)
            job = pointer(job + self.o["job.up"])

    def add_deque(self, deque):
        o = self.o
        bottom, top = (number(deque + o[f"deque.{end}"], 4) for end in ("bottom", "top"))
        mask, slots = number(deque + o["deque.mask"], 4), pointer(deque + o["deque.slots"])
        size = (bottom - top) & 0xffffffff
        for i in range(size if size <= mask + 1 else 0):
            job = pointer(slots + 8 * ((top + i) & mask))
            if job:
                self.add_job(job)

    def add_worker(self, index):
        o = self.o
        worker = pointer(self.address + o["pool.workers"]) + index * o["worker"]
        self.threads[index] = number(worker + o["worker.thread_number"], 4)
        self.add(pointer(worker + o["worker.current"]), worker=index)
        self.add_deque(worker + o["worker.deque"])
        for name in ("ready", "late", "pinned", "pinned_late"):
            self.add_runq(worker + o[f"worker.{name}"])

    def find(self):
        o = self.o
        for index in range(number(self.address + o["pool.seated"], 4)):
            self.add_worker(index)
        self.add_runq(self.address + o["pool.inject"])
        self.add_runq(self.address + o["pool.woken"])
        for link in self.snapshot.links(self.address + o["pool.fibers"]):
            fiber = link - o["fiber.all"]
            if number(fiber + o["fiber.wait_word"], 4) & o["WAIT_PARKED"]:
                self.add(pointer(fiber + o["fiber.current"]), fiber)


class Snapshot:
    """All pools, as they are now."""

    def __init__(self):
        self.o = Offsets()
        self.futures = {}
        self.pools = [Pool(self, link - self.o["pool.registered"])
                      for link in self.links(symbol("sheaf__registry"))]

    def future(self, address):
        if address not in self.futures:
            self.futures[address] = Task(self, address)
        return self.futures[address]

    def links(self, head):
        link = pointer(head)
        while link and link != head:
            yield link
            link = pointer(link)

    def of_tally(self, tally):
        o = self.o
        for i in range(number(tally + o["tally.count"], 8)):
            yield pointer(tally + o["tally.members"] + i * o["member"] + o["member.future"])

    def of_group(self, group):
        o = self.o
        for name in ("calm", "asked"):
            for link in self.links(group + o[f"group.{name}"]):
                yield pointer(link - o["group_member.link"] + o["group_member.future"])

    def wanted(self, wanted):
        """The tasks that a wait for several is for."""
        if not wanted:
            return []
        visit = gdb.execute(f"info symbol {pointer(wanted)}", to_string=True).split(" ")[0]
        if visit == "visit_tally":
            members = self.of_tally(wanted - self.o["tally.wanted"])
        elif visit == "visit_group":
            members = self.of_group(wanted - self.o["group.wanted"])
        else:
            members = []
        return [task for address in members for task in self.behind(self.future(address))]

    def behind(self, future):
        """The tasks that a future stands for."""
        if future.done():
            return []
        if future.is_task():
            return [future]
        composed, kind = future.composed(), future.kind()
        if kind == "gather":
            gather = composed - self.o["gather.composed"]
            members = self.of_tally(pointer(gather + self.o["gather.tally"]))
        elif kind == "shield":
            members = [pointer(composed - self.o["shield.composed"] + self.o["shield.inner"])]
        else:
            members = []
        return [task for address in members for task in self.behind(self.future(address))]

    def find(self, wanted):
        """Tasks of that name, or the one at that address."""
        try:
            address = int(wanted, 0)
        except ValueError:
            address = None
        return [(pool, task) for pool in self.pools for task in pool.tasks.values()
                if task.address == address or task.name() == wanted]


# ------------------------------------------------------------------------------- backtraces

# Where the switch leaves the registers: lib/platform/context_*.S.
SAVED = {
    "i386:x86-64": ({"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56},
                    "rsp", 64),
    "aarch64": ({**{f"x{19 + i}": 64 + 8 * i for i in range(11)}, "x30": 152, "pc": 152},
                "sp", 176),
}


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Suspended(gdb.unwinder.Unwinder):
    """While it has a context: that has called the newest frame, whoever runs really."""

    def __init__(self):
        super().__init__("sheaf")
        self.sp = None

    def __call__(self, pending):
        if self.sp is None or int(pending.read_register(self.sp_name)) != self.newest_sp:
            return None
        word = gdb.lookup_type("unsigned long")
        info = pending.create_unwind_info(
            FrameId(gdb.Value(self.sp).cast(word), pending.read_register(self.pc_name)))
        for name, offset in self.saved.items():
            kind = pending.read_register(name).type
            info.add_saved_register(name, gdb.Value(pointer(self.sp + offset)).cast(word).cast(kind))
        kind = pending.read_register(self.sp_name).type
        info.add_saved_register(self.sp_name, gdb.Value(self.sp + self.size).cast(word).cast(kind))
        return info

    def backtrace(self, sp, how):
        newest = gdb.newest_frame()
        machine = newest.architecture().name()
        # Where the switch is ucontext's, the registers lie where the C library puts them.
        if machine not in SAVED or symbol("sheaf__context_trampoline") is None:
            raise gdb.GdbError(f"sheaf does not know the registers of {machine}")
        self.saved, self.sp_name, self.size = SAVED[machine]
        self.pc_name = "rip" if "rip" in self.saved else "pc"
        self.newest_sp = int(newest.read_register(self.sp_name))
        self.sp = sp
        gdb.invalidate_cached_frames()
        try:
            skip = self.frames_of_newest()
            lines = gdb.execute(f"backtrace {how}", to_string=True).splitlines()
        finally:
            self.sp = None
            gdb.invalidate_cached_frames()
        self.tell(lines, skip)

    def frames_of_newest(self):
        """How many stand for the frame of whoever runs really: inlined calls have some of their own."""
        frame, count = gdb.newest_frame(), 1
        while frame.type() == gdb.INLINE_FRAME:
            frame, count = frame.older(), count + 1
        return count

    def tell(self, lines, skip):
        shown = False
        for line in lines:
            level = re.match(r"#(\d+)", line)
            shown = shown or (level and int(level[1]) >= skip)
            if shown:
                print(re.sub(r"^#(\d+) +", lambda m: f"#{int(m[1]) - skip:<3}", line))


suspended = Suspended()
gdb.unwinder.register_unwinder(None, suspended, replace=True)


def backtrace_running(number_of_thread, how):
    before = gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        if number_of_thread in (thread.ptid[1], thread.ptid[2]):
            thread.switch()
            print(gdb.execute(f"backtrace {how}", to_string=True), end="")
            before.switch()
            return
    print("the thread that runs it is not here")


# ------------------------------------------------------------------------------- commands

class Sheaf(gdb.Command):
    """The tasks of sheaf: sheaf tasks, sheaf bt TASK, sheaf chains."""

    def __init__(self):
        super().__init__("sheaf", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Tasks(gdb.Command):
    """List every task: where it is, where it was spawned, what it waits for."""

    def __init__(self):
        super().__init__("sheaf tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for pool in Snapshot().pools:
            print(f"pool '{pool.name}': {len(pool.tasks)} tasks")
            for task in pool.tasks.values():
                print(f"  {task.line()}")


class Backtrace(gdb.Command):
    """The backtrace of a task: sheaf bt NAME or ADDRESS, then options of backtrace."""

    def __init__(self):
        super().__init__("sheaf bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if not words:
            raise gdb.GdbError("sheaf bt TASK: the name or the address of a task")
        snapshot = Snapshot()
        found = snapshot.find(words[0])
        if not found:
            raise gdb.GdbError(f"there is no task {words[0]}")
        for pool, task in found:
            print(task.line())
            if task.worker is not None:
                backtrace_running(pool.threads[task.worker], " ".join(words[1:]))
            elif task.fiber:
                sp = pointer(task.fiber + snapshot.o["fiber.context"])
                suspended.backtrace(sp, " ".join(words[1:]))
            else:
                print("it has no stack: it has not started")


class Chains(gdb.Command):
    """Who waits for whom, from each task that nobody waits for."""

    def __init__(self):
        super().__init__("sheaf chains", gdb.COMMAND_STACK)

    def tell(self, task, seen):
        """The task and what it waits for, with a stack of our own: chains are long."""
        rest = [(task, 1)]
        while rest:
            task, depth = rest.pop()
            what, behind = task.waits_for()
            said = f"waits for {what}" if what else task.state()
            again = task.address in seen
            print(f"{'  ' * min(depth, 32)}{task.name()} (0x{task.address:x}): {said}"
                  + (", see above" if again and behind else ""))
            if not again:
                seen.add(task.address)
                rest += [(other, depth + 1) for other in reversed(behind)]

    def invoke(self, argument, from_tty):
        for pool in Snapshot().pools:
            print(f"pool '{pool.name}':")
            tasks = pool.tasks.values()
            awaited = {other.address for task in tasks for other in task.waits_for()[1]}
            seen = set()
            for task in tasks:
                if task.address not in awaited:
                    self.tell(task, seen)
            for task in tasks:  # in circles
                if task.address not in seen:
                    self.tell(task, seen)


Sheaf()
Tasks()
Backtrace()
Chains()
