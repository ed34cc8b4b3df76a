"""asyncio's event loop on virtual time, and the ways to disturb its order."""

import asyncio
import types

MS_MAX = 10_000_000
TURNS_MAX = 300_000


class NeverEnds(BaseException):
    """Nothing can run and no timer is left; or time, or patience, has run out."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Time stands still while anything is ready, then jumps to the next timer.

    Without dice it runs handles as asyncio does.  With dice it runs one at a time, drawn from all
    that are ready.
    """

    def __init__(self, dice=None):
        super().__init__()
        self._selector = self
        self._dice = dice
        self._us = 0
        self._turns = 0
        self.overflowed = False
        self.set_exception_handler(self._note)

    def _note(self, loop, context):
        """A step that failed outside of its task's body: asyncio's own recursion went too deep."""
        self.overflowed |= isinstance(context.get("exception"), RecursionError)

    def time(self):
        return self._us / 1e6

    def ms(self):
        return self._us // 1000

    def select(self, timeout):
        """The selector's part: there are no files, waiting is moving the clock."""
        if timeout is None:
            raise NeverEnds
        if timeout > 0:
            self._us += round(timeout * 1e6)
            if self._us > MS_MAX * 1000:
                raise NeverEnds
        return ()

    def _process_events(self, events):
        pass

    def _run_once(self):
        self._turns += 1
        if self._turns > TURNS_MAX:
            raise NeverEnds
        if self._dice is None:
            super()._run_once()
        else:
            self._run_any()

    def _run_any(self):
        timers = sorted(self._scheduled, key=lambda handle: handle._when)
        timers = [handle for handle in timers if not handle._cancelled]
        if not self._ready:
            self.select(max(0, timers[0]._when - self.time()) if timers else None)
        end = self.time() + 1e-7
        due = [handle for handle in timers if handle._when <= end]
        for handle in due:
            handle._scheduled = False
        self._ready.extend(due)
        self._scheduled[:] = timers[len(due) :]  # sorted, hence a heap
        self._timer_cancelled_count = 0
        if self._ready:
            at = self._dice.randrange(len(self._ready))
            self._ready.rotate(-at)
            handle = self._ready.popleft()
            self._ready.rotate(at)
            if not handle._cancelled:
                handle._run()


@types.coroutine
def _step_aside():
    yield


async def interruption(dice):
    """Lets others run between two statements, which is no point of delivery: a request that comes
    meanwhile stays undelivered.  Needs a task of Python's own making (see interruptible)."""
    while dice.random() < 0.5:
        try:
            await _step_aside()
        except asyncio.CancelledError:
            asyncio.current_task()._must_cancel = True


def interruptible(dice):
    """A task factory: tasks that can be interrupted, and of which some start at once."""

    def make(loop, coroutine, **more):
        eager = loop.is_running() and dice.random() < 0.5
        return asyncio.tasks._PyTask(coroutine, loop=loop, eager_start=eager, **more)

    return make
