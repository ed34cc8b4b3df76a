/* Called in a signal handler on the thread that faulted: no allocation, no stdio. */
#include "lib/overflow.h"

#include <string.h>

#include "lib/future_impl.h"

/* A line in the making; what does not fit is cut off. */
struct line {
    char *text;
    size_t size;
    size_t length;
};

static void add(struct line *line, const char *text)
{
    size_t length = strlen(text);
    size_t room = line->size - line->length;
    length = length < room ? length : room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void add_number(struct line *line, uintptr_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    add(line, digits + at);
}

/* The name as sheaf__future_name_text() has it.  LOCK is only tried: the code that ran out of stack
 * may be what holds it, and then nobody else changes the name. */
static void add_name(struct line *line, sheaf_future *task)
{
    if (!sheaf__future_extra(task)) {
        add(line, "task");
        return;
    }
    bool locked = sheaf__future_try_lock(task);
    const struct sheaf__extra *extra = sheaf__future_extra(task);
    if (extra->name) {
        add(line, extra->name);
    } else {
        add(line, "task");
    }
    if (!extra->name && extra->number) {
        add(line, "-");
        add_number(line, (uintptr_t)extra->number, 10);
    }
    if (locked) {
        sheaf__future_unlock(task);
    }
}

static void add_task(struct line *line, sheaf_future *task)
{
    add(line, "task '");
    /* So that the rest of the line fits behind any name. */
    struct line name = {line->text, line->size / 2, line->length};
    add_name(&name, task);
    line->length = name.length;
    add(line, "', whose function is at 0x");
    add_number(line, (uintptr_t)task->fn, 16);
}

/* The fiber's record lies in the last page of its stack. */
#define PAGE_UNIT ((size_t)4096)

static size_t stack_size(const struct sheaf__fiber *fiber)
{
    size_t below = (size_t)((const char *)(const void *)fiber - fiber->low);
    return (below + PAGE_UNIT) / PAGE_UNIT * PAGE_UNIT;
}

size_t sheaf__overflow_describe(const void *address, char *text, size_t size)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    struct sheaf__fiber *fiber = worker ? sheaf__load_rlx(&worker->fiber) : NULL;
    if (!fiber || !fiber->low || !sheaf__stack_guard_below(fiber->low, address)) {
        return 0;
    }
    struct line line = {text, size - 1, 0}; /* the line's end always fits */
    sheaf_future *task = sheaf__worker_current(worker);
    add(&line, "sheaf: stack overflow in ");
    if (task) {
        add_task(&line, task);
    } else {
        add(&line, "a pool's own code");
    }
    add(&line, "; its stack has ");
    add_number(&line, stack_size(fiber) / 1024, 10);
    add(&line, " KiB");
    text[line.length] = '\n';
    return line.length + 1;
}
