"""Every file of the library and the layer that it belongs to, the lowest layer first.

A layer sees its own headers and those of the layers before it in this list, nothing else. To add a
file to the library add its name here; headers and sources are told apart by their suffix.
"""

LAYERS = {
    "platform": [
        "platform/clock.c",
        "platform/clock.h",
        "platform/context.h",
        "platform/cpu.h",
        "platform/cpus.c",
        "platform/cpus.h",
        "platform/fault.c",
        "platform/fault.h",
        "platform/forks.c",
        "platform/forks.h",
        "platform/membarrier.c",
        "platform/membarrier.h",
        "platform/park.c",
        "platform/park.h",
        "platform/sanitize.h",
        "platform/self.c",
        "platform/self.h",
        "platform/stack.c",
        "platform/stack.h",
        "platform/thread.c",
        "platform/thread.h",
    ],
    "base": [
        "alloc.c",
        "alloc.h",
        "atomics.c",
        "atomics.h",
        "errno.c",
        "error.c",
        "error_impl.h",
        "error_object.h",
        "error_text.c",
        "heap.h",
        "interrupt.c",
        "interrupt.h",
        "json_string.c",
        "json_string.h",
        "list.h",
        "offsets.h",
        "options.h",
        "own_file.c",
        "own_file.h",
        "spin.c",
        "spin.h",
        "status.c",
        "time.c",
        "timer.c",
        "timer.h",
    ],
    "mechanism": [
        "crew.c",
        "crew.h",
        "deque.c",
        "deque.h",
        "fiber.c",
        "fiber.h",
        "idle.c",
        "idle.h",
        "job.h",
        "region.c",
        "region.h",
        "exploration.h",
        "runq.c",
        "runq.h",
        "slab.c",
        "slab.h",
        "timekeeper.c",
        "timekeeper.h",
        "wait.c",
        "wait.h",
    ],
    "runtime": [
        "pool.c",
        "pool_impl.h",
        "rest.c",
        "seek.c",
        "seek.h",
        "spare.c",
        "spare.h",
        "stats.c",
        "worker.c",
        "worker.h",
    ],
    "core": [
        "await.c",
        "call.h",
        "callback.c",
        "callback_impl.h",
        "ask_chain.c",
        "ask_tree.c",
        "asking.h",
        "cancel.c",
        "circle.c",
        "drain.c",
        "dump.c",
        "dump_to.c",
        "dump_to.h",
        "ending.c",
        "fork.c",
        "future.c",
        "future_impl.h",
        "guest.h",
        "inspect.c",
        "inspect.h",
        "lag.c",
        "late_line.h",
        "local.c",
        "lost.c",
        "observe.c",
        "observe.h",
        "outcome.c",
        "overflow.c",
        "overflow.h",
        "promise.c",
        "registry.c",
        "registry.h",
        "report.c",
        "run.c",
        "runner.c",
        "sleep.c",
        "sleep.h",
        "sleep_impl.h",
        "snapshot.c",
        "snapshot.h",
        "task.c",
        "timer_future.c",
        "trace.c",
        "turn.c",
        "turn.h",
    ],
    "compose": [
        "barrier.c",
        "blocking.c",
        "chain.c",
        "each.c",
        "event.c",
        "first.c",
        "gather.c",
        "group.c",
        "group_end.c",
        "group_impl.h",
        "items.h",
        "monitor.c",
        "monitor.h",
        "queue.c",
        "queue_impl.h",
        "queue_wait.c",
        "select.c",
        "semaphore.c",
        "shield.c",
        "strand.c",
        "stream.c",
        "sync.c",
        "tally.c",
        "tally.h",
        "timeout.c",
        "waitables.h",
        "waiters.c",
        "waiters.h",
        "waiting.c",
        "waiting.h",
    ],
    "helpers": [
        "explore.c",
        "loop.c",
        "loop.h",
        "parallel.c",
        "reduce.c",
        "workers.c",
    ],
}

TOP_LAYER = LAYERS.keys()[-1]

# The context switch is the one part of the platform that exists in several forms.
CONTEXT = {
    "x86_64": [
        "platform/context_asm.c",
        "platform/context_x86_64.S",
    ],
    "aarch64": [
        "platform/context_aarch64.S",
        "platform/context_asm.c",
    ],
    "ucontext": [
        "platform/context_ucontext.c",
    ],
}

def layer_below(name):
    """Returns the name of the next lower layer, or None for the lowest."""
    names = LAYERS.keys()
    index = names.index(name)
    return names[index - 1] if index else None

def headers(files):
    return [name for name in files if name.endswith(".h")]

def sources(files):
    return [name for name in files if not name.endswith(".h")]

def all_files():
    """Returns the files of all layers, without the context switch."""
    return [name for files in LAYERS.values() for name in files]

def unlisted(files):
    """Returns those of `files` that no layer names."""
    listed = all_files() + [name for files in CONTEXT.values() for name in files]
    return [name for name in files if name not in listed]
