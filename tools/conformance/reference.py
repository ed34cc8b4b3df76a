"""Plays scenarios on CPython's asyncio: its traces are the ones that sheaf's must equal."""

import asyncio
import collections
import random
import sys
import warnings

if sys.version_info < (3, 13):
    sys.exit("asyncio of Python 3.13 or newer is the reference; this is " + sys.version.split()[0])

import language
import loop as virtual

NEVER_ENDS = ["stuck"]
UNUSABLE = ["unusable"]


def silence():
    """What scenarios that never end leave behind is of no interest."""
    sys.unraisablehook = lambda report: None
    warnings.simplefilter("ignore")


# ---------------------------------------------------------------- outcomes


class Raised(Exception):
    """An error of the scenario's."""


class Left(Exception):
    """`return`: on its way out of the body."""


class Unusable(BaseException):
    """What asyncio has no proper answer to: tasks that await each other, at which it hangs or runs
    out of stack."""


def error_word(error):
    if isinstance(error, Raised):
        return error.args[0]
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, BaseExceptionGroup):
        return "group(" + ",".join(sorted(map(error_word, error.exceptions))) + ")"
    if isinstance(error, RecursionError):
        raise Unusable
    if isinstance(error, (asyncio.InvalidStateError, RuntimeError)):
        return "state"
    raise error


def value_text(value):
    if isinstance(value, list):
        return "[" + ",".join(map(value_text, value)) + "]"
    if isinstance(value, asyncio.CancelledError):
        return "cancelled"
    if isinstance(value, BaseException):
        return "error:" + error_word(value)
    return f"ok:{value}"


def outcome(future):
    if not future.done():
        return "pending"
    try:
        return value_text(future.result())
    except BaseException as error:
        return value_text(error)


# ---------------------------------------------------------------- a queue in which nobody overtakes


class StrictQueue:
    """asyncio.Queue, but a put serves the oldest getter itself, and the other way round."""

    def __init__(self, bound):
        self.bound = bound
        self.items = collections.deque()
        self.takers = collections.deque()  # futures
        self.givers = collections.deque()  # (future, item)

    def serve(self):
        while True:
            self.takers = collections.deque(f for f in self.takers if not f.done())
            self.givers = collections.deque(g for g in self.givers if not g[0].done())
            if self.takers and self.items:
                self.takers.popleft().set_result(self.items.popleft())
            elif self.givers and (self.bound == 0 or len(self.items) < self.bound):
                future, item = self.givers.popleft()
                self.items.append(item)
                future.set_result(item)
            else:
                return

    async def turn(self, future, undo):
        """Waits for the future; when the wait is cancelled although it was served, undoes that."""
        self.serve()
        if future.done():
            return future.result()
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled():
                undo(future.result())
                self.serve()
            raise

    async def put(self, item):
        future = asyncio.get_running_loop().create_future()
        self.givers.append((future, item))

        def undo(item):
            if item in self.items:
                self.items.remove(item)

        await self.turn(future, undo)

    async def get(self):
        future = asyncio.get_running_loop().create_future()
        self.takers.append(future)
        return await self.turn(future, self.items.appendleft)


# ---------------------------------------------------------------- bodies

WHEN = {
    "all": asyncio.ALL_COMPLETED,
    "first": asyncio.FIRST_COMPLETED,
    "error": asyncio.FIRST_EXCEPTION,
}


def seconds(word):
    return None if word == "none" else int(word) / 1000


class Play:
    """One play of a scenario: what all its tasks share."""

    def __init__(self, scenario, strict, dice):
        self.tasks = scenario.tasks
        self.dice = dice
        self.over = False  # a body that is thrown away later does nothing more
        self.lines = []
        self.bound = []  # (path, future)
        self.promises = set()
        self.things = {}
        make = {
            "event": asyncio.Event,
            "lock": asyncio.Lock,
            "queue": StrictQueue if strict else asyncio.Queue,
            "semaphore": asyncio.Semaphore,
        }
        for kind, name, numbers in scenario.things:
            self.things[kind, name] = make[kind](*numbers)
            if kind in ("lock", "semaphore"):
                self.things["acquired", name] = self.things[kind, name]

    def trace(self):
        finals = [f"final {path} {outcome(future)}" for path, future in self.bound]
        return [f"{ms} {text}" for ms, text in sorted(self.lines)] + sorted(finals)


class Body:
    """A running task: what its statements do.  A block's method gets the halves of the block."""

    def __init__(self, play, path, maker=None):
        self.play = play
        self.path = path
        self.maker = maker
        self.names = {}
        self.groups = []  # the open ones, the innermost last

    # names

    def lineage(self):
        body = self
        while body:
            yield body
            body = body.maker

    def find(self, name):
        for body in self.lineage():
            if name in body.names:
                return body.names[name]
        return None

    def find_all(self, names):
        found = [self.find(name) for name in names]
        return [future for future in found if future is not None]

    def called(self, future):
        for body in self.lineage():
            for name, known in body.names.items():
                if known is future:
                    return name
        return "?"

    def bind(self, name, future):
        self.names[name] = future
        self.play.bound.append((f"{self.path}.{name}", future))

    def log(self, text):
        ms = asyncio.get_running_loop().ms()
        self.play.lines.append((ms, f"{self.path} {text}"))

    # running

    async def run(self, statements):
        self.log("start")
        try:
            value = 0
            try:
                await self.run_block(statements)
            except Left as left:
                value = left.args[0]
        except (Exception, asyncio.CancelledError) as error:
            self.log("end " + value_text(error))
            raise
        self.log(f"end ok:{value}")
        return value

    async def run_block(self, statements):
        for statement in statements:
            if self.play.over:
                return
            if self.play.dice:
                await virtual.interruption(self.play.dice)
            do = getattr(self, "do_" + statement.verb)
            if statement.verb in language.BLOCKS:
                halves = [statement.first, statement.second]
                await do(*statement.words, *halves[: 1 + (statement.verb in language.MIDDLE)])
            else:
                await do(*statement.words)

    # about the task itself

    async def do_sleep(self, ms):
        await asyncio.sleep(int(ms) / 1000)

    async def do_yield(self):
        await asyncio.sleep(0)

    async def do_log(self, word):
        self.log("log " + word)

    async def do_return(self, number):
        raise Left(int(number))

    async def do_raise(self, word):
        raise Raised(word)

    async def do_cancel_me(self):
        asyncio.current_task().cancel()

    async def do_uncancel(self):
        self.log(f"uncancel {asyncio.current_task().uncancel()}")

    async def do_cancelling(self):
        self.log(f"cancelling {asyncio.current_task().cancelling()}")

    # making futures

    def start(self, maker, name, task):
        body = Body(self.play, f"{self.path}.{name}", self)
        coroutine = body.run(self.play.tasks[task])
        try:
            self.bind(name, maker.create_task(coroutine))
        except RuntimeError:
            coroutine.close()
            self.log("refused " + name)

    async def do_spawn(self, name, task):
        self.start(asyncio, name, task)

    async def do_gspawn(self, name, task):
        self.start(self.groups[-1], name, task)

    async def do_promise(self, name):
        promise = asyncio.get_running_loop().create_future()
        self.play.promises.add(promise)
        self.bind(name, promise)

    async def do_gather(self, name, how, *names):
        collect = how == "collect"
        self.bind(name, asyncio.gather(*self.find_all(names), return_exceptions=collect))

    async def do_shield(self, name, inner):
        for future in self.find_all([inner]):
            self.bind(name, asyncio.shield(future))

    # using them

    async def do_await(self, name):
        for future in self.find_all([name]):
            self.log(f"got {name} {value_text(await future)}")

    async def do_wait_for(self, limit, name):
        for future in self.find_all([name]):
            value = await asyncio.wait_for(future, seconds(limit))
            self.log(f"got {name} {value_text(value)}")

    async def do_cancel(self, name):
        for future in self.find_all([name]):
            self.log(f"cancel {name} {'yes' if future.cancel() else 'no'}")

    def promise(self, future):
        if future not in self.play.promises:
            raise asyncio.InvalidStateError
        return future

    async def do_resolve(self, name, number):
        for future in self.find_all([name]):
            self.promise(future).set_result(int(number))

    async def do_reject(self, name, word):
        for future in self.find_all([name]):
            self.promise(future).set_exception(Raised(word))

    async def do_wait(self, when, limit, *names):
        futures = self.find_all(names)
        if futures:
            halves = await asyncio.wait(futures, timeout=seconds(limit), return_when=WHEN[when])
            done, pending = (",".join(sorted(map(self.called, half))) or "-" for half in halves)
            self.log(f"done {done} pending {pending}")

    async def do_each(self, limit, *names):
        async for future in asyncio.as_completed(self.find_all(names), timeout=seconds(limit)):
            self.log(f"next {self.called(future)} {outcome(future)}")

    # what is declared

    async def do_acquire(self, name):
        await self.play.things["acquired", name].acquire()
        self.log("acquired " + name)

    async def do_release(self, name):
        self.play.things["acquired", name].release()

    async def do_set(self, name):
        self.play.things["event", name].set()

    async def do_await_event(self, name):
        await self.play.things["event", name].wait()
        self.log("saw " + name)

    async def do_put(self, name, number):
        await self.play.things["queue", name].put(int(number))
        self.log(f"put {name} {number}")

    async def do_get(self, name):
        self.log(f"take {name} {await self.play.things['queue', name].get()}")

    # blocks

    async def do_repeat(self, times, block):
        for _ in range(int(times)):
            await self.run_block(block)

    async def do_absorb(self, block):
        try:
            await self.run_block(block)
        except asyncio.CancelledError:
            self.log("absorbed")

    async def do_try(self, block, handler):
        try:
            await self.run_block(block)
        except Left:
            raise
        except Exception as error:
            self.log("caught " + value_text(error))
            await self.run_block(handler)

    async def do_guard(self, block, cleanup):
        try:
            await self.run_block(block)
        finally:
            await self.run_block(cleanup)

    async def do_timeout(self, ms, block):
        async with asyncio.timeout(int(ms) / 1000):
            await self.run_block(block)

    async def do_group(self, block):
        left = None
        async with asyncio.TaskGroup() as group:
            self.groups.append(group)
            try:
                await self.run_block(block)
            except Left as early:  # no error of the block
                left = early
            finally:
                self.groups.pop()
        if left:
            raise left


# ---------------------------------------------------------------- a whole play


async def run_main(play):
    """asyncio.run()'s first half; then time passes only when nothing can run at this instant."""
    body = Body(play, "main")
    await asyncio.wait([asyncio.ensure_future(body.run(play.tasks["main"]))])
    await asyncio.sleep(1e-6)


async def end_left_over(rounds):
    """asyncio.run()'s second half, `rounds` times: as long as anything is left."""
    for _ in range(rounds):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        for task in left:
            task.cancel()
        await asyncio.wait(left)
        await asyncio.sleep(1e-6)


def waits_in_a_circle(task):
    seen = []
    while isinstance(task, (asyncio.Task, asyncio.tasks._PyTask)):
        if task in seen:
            return True
        seen.append(task)
        task = task._fut_waiter
    return False


def trace(scenario, seed=None, interrupted=False, strict=False):
    """The settled trace as lines; NEVER_ENDS or UNUSABLE where there is none.

    seed: what is ready runs in an order drawn from it.  interrupted: tasks also let others in
    between two statements, and may start at once.  strict: what sheaf does more strictly: nobody
    overtakes in a queue, and what is left over after main is cancelled until nothing is left.
    """
    dice = None if seed is None else random.Random(seed)
    loop = virtual.VirtualLoop(dice)
    asyncio.set_event_loop(loop)
    if interrupted:
        loop.set_task_factory(virtual.interruptible(dice))
    play = Play(scenario, strict, dice if interrupted else None)
    try:
        loop.run_until_complete(run_main(play))
        loop.run_until_complete(end_left_over(1000 if strict else 1))
        return play.trace()
    except (Unusable, RecursionError):
        return UNUSABLE
    except virtual.NeverEnds:
        circle = any(map(waits_in_a_circle, asyncio.all_tasks(loop)))
        return UNUSABLE if circle or loop.overflowed else NEVER_ENDS
    finally:
        play.over = True
        asyncio.set_event_loop(None)
        loop.close()


def kind(scenario, plays):
    """On what the trace depends, and the trace.

    parallel: on no order at all.  ordered: on tasks not being interrupted between two suspensions
    and not starting before their makers wait.  Others are no use for comparisons: racy ones depend
    on the order of simultaneous events, strict ones show what sheaf does more strictly.
    """
    lines = trace(scenario)
    if lines == UNUSABLE or trace(scenario, strict=True) != lines:
        return "strict", lines
    if any(trace(scenario, seed) != lines for seed in range(plays)):
        return "racy", lines
    if any(trace(scenario, seed, interrupted=True) != lines for seed in range(plays)):
        return "ordered", lines
    return "parallel", lines
