/* Dumps: the tree of who waits for whom, as text and as JSON. */
#include <sheaf/debug.h>

#include "lib/alloc.h"
#include "lib/atomics.h"
#include "tests/support/fixture.h"
#include "tests/support/json.h"
#include "tests/support/roles.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { TEXT = 1 << 16 };

static void append_line(void *context, const char *line)
{
    char *text = context;
    size_t length = strlen(text);
    EXPECT(strchr(line, '\n') == NULL);
    (void)snprintf(text + length, TEXT - length, "%s\n", line);
}

/* Valid until the next call. */
static const char *dump_of(sheaf_pool *pool, sheaf_dump_format format)
{
    static char text[TEXT];
    text[0] = '\0';
    EXPECT_INT(sheaf_dump(pool, format, append_line, text), SHEAF_OK);
    EXPECT(format != SHEAF_DUMP_JSON || is_json(text));
    return text;
}

/* The line that begins with so many blanks and the name, in `line`; else empty. */
static bool find_line(const char *text, int blanks, const char *name, char line[400])
{
    char start[200];
    (void)snprintf(start, sizeof start, "\n%*s%s:", blanks, "", name);
    const char *at = strstr(text, start);
    size_t length = at ? strcspn(at + 1, "\n") : 0;
    (void)snprintf(line, 400, "%.*s", (int)length, at ? at + 1 : "");
    return at != NULL;
}

static void expect_line(const char *text, int depth, const char *name, const char *says)
{
    char line[400];
    EXPECT(find_line(text, 2 + 2 * depth, name, line));
    if (!strstr(line, says)) {
        EXPECT_TEXT(line, says);
    }
}

static sheaf_future *start_named(const char *name, struct role *role)
{
    return sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = name), play, role);
}

/* ---------------------------------------------------------------- who waits for whom */

static int gather_them(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_gather(arg, 2, SHEAF_GATHER_RAISE, NULL, NULL);
}

static int tasks_stand_below_those_that_wait_for_them(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.name = "the-answer"));
    struct role inner = {.awaited = promise}, sleeper = {.delay = SHEAF_S(1)};
    sheaf_future *one = start_named("one", &inner);
    struct role middle = {.awaited = one};
    sheaf_future *members[2] = {start_named("middle", &middle), start_named("sleeper", &sleeper)};
    sheaf_future *top = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "top"), gather_them, members);
    settle();
    const char *text = dump_of(f->pool, SHEAF_DUMP_TEXT);
    expect_line(text, 0, "top", "suspended, waits for gather 'gather' (2 left)");
    expect_line(text, 1, "middle", "suspended, waits for task 'one', spawned at tests/dump_test.c");
    expect_line(text, 2, "one", "suspended, waits for promise 'the-answer'");
    expect_line(text, 1, "sleeper", "suspended, waits for a timer");
    EXPECT(strstr(text, ": running on worker") != NULL);
    text = dump_of(f->pool, SHEAF_DUMP_JSON);
    EXPECT(strstr(text, "\"name\":\"middle\",\"state\":\"suspended\"") != NULL);
    EXPECT(strstr(text, "\"waits_for\":\"gather\"") != NULL);
    EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
    expect_end(top, SHEAF_OK); /* what the others read is read by then */
    sheaf_release_all(members, 2);
    sheaf_release(one);
    sheaf_release(promise);
    return SHEAF_OK;
}

static int wait_for_them(void *arg, sheaf_value *result)
{
    (void)result;
    return sheaf_wait(arg, 2, SHEAF_ALL_COMPLETED, SHEAF_FOREVER, NULL);
}

static int shield_it(void *arg, sheaf_value *result)
{
    return sheaf_join(sheaf_shield(arg), result);
}

static int waits_for_several_and_shields_are_seen_through(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    struct role slow = {.delay = SHEAF_S(1)}, quick = {.value = 1};
    sheaf_future *inner = start_named("inner", &slow);
    sheaf_future *members[2] = {
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "shields"), shield_it, inner),
        start_named("quick", &quick)};
    sheaf_future *top =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "top"), wait_for_them, members);
    settle();
    const char *text = dump_of(f->pool, SHEAF_DUMP_TEXT);
    expect_line(text, 0, "top", "waits for futures (1 left)");
    expect_line(text, 1, "shields", "waits for shield 'shield' (1 left)");
    expect_line(text, 2, "inner", "waits for a timer");
    EXPECT(strstr(text, "quick") == NULL);
    expect_end(top, SHEAF_OK);
    sheaf_release_all(members, 2);
    sheaf_release(inner);
    return SHEAF_OK;
}

static int open_group(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_group group;
    SHEAF_TRY(sheaf_group_open(&group, NULL));
    for (int i = 0; i < 100; i++) {
        sheaf_release(sheaf_group_spawn(&group, play, arg));
    }
    return sheaf_group_close(&group, SHEAF_OK);
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        count++;
    }
    return count;
}

static int members_stand_below_the_owner_of_their_group(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    struct role slow = {.delay = SHEAF_S(1)};
    sheaf_future *owner = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "owner"), open_group, &slow);
    settle();
    const char *text = dump_of(f->pool, SHEAF_DUMP_TEXT);
    expect_line(text, 0, "owner", "waits for the members of a group (100 left)");
    EXPECT_INT(count_of(text, "\n    task-"), 100);
    dump_of(f->pool, SHEAF_DUMP_JSON);
    expect_end(owner, SHEAF_OK);
    return SHEAF_OK;
}

static int await_for_an_hour(void *arg, sheaf_value *result)
{
    sheaf_future *const *other = arg;
    int status = sheaf_await_for(*other, SHEAF_S(3600), result);
    return status == SHEAF_TIMEOUT ? SHEAF_OK : status;
}

struct meeting {
    sheaf_future *both; /* is done when both tasks are known */
    sheaf_future **other;
};

static int await_the_other(void *arg, sheaf_value *result)
{
    struct meeting *meeting = arg;
    SHEAF_TRY(sheaf_await(meeting->both, NULL));
    return await_for_an_hour(meeting->other, result);
}

static int tasks_that_wait_for_each_other_are_told_once(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_future *two[2], *both = sheaf_promise(NULL);
    struct meeting here = {both, &two[1]}, there = {both, &two[0]};
    two[0] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "here"), await_the_other, &here);
    two[1] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "there"), await_the_other, &there);
    EXPECT_INT(sheaf_resolve(both, number(1)), SHEAF_OK);
    settle();
    const char *text = dump_of(f->pool, SHEAF_DUMP_TEXT);
    EXPECT_INT(count_of(text, " here: "), 1);
    EXPECT_INT(count_of(text, " there: "), 1);
    dump_of(f->pool, SHEAF_DUMP_JSON);
    EXPECT_INT(sheaf_await(two[0], NULL), SHEAF_OK);
    EXPECT_INT(sheaf_await(two[1], NULL), SHEAF_OK);
    sheaf_release_all(two, 2);
    sheaf_release(both);
    return SHEAF_OK;
}

static void ignore_line(void *context, const char *line)
{
    (void)line;
    ++*(int *)context;
}

static int a_deep_chain_takes_constant_stack(void *arg, sheaf_value *result)
{
    struct fixture *f = arg;
    static sheaf_future *chain[5000];
    int depth = (int)fixture_scaled(5000);
    struct role last = {.delay = SHEAF_S(1)};
    (void)result;
    chain[0] = start(&last);
    for (int i = 1; i < depth; i++) {
        struct await {
            sheaf_future *other;
        } args = {chain[i - 1]};
        chain[i] = sheaf_spawn_copy(await_for_an_hour, &args, sizeof args);
    }
    settle();
    int lines = 0;
    EXPECT_INT(sheaf_dump(f->pool, SHEAF_DUMP_TEXT, ignore_line, &lines), SHEAF_OK);
    EXPECT(lines > depth);
    EXPECT_INT(sheaf_dump(f->pool, SHEAF_DUMP_JSON, ignore_line, &lines), SHEAF_OK);
    EXPECT_INT(sheaf_await(chain[depth - 1], NULL), SHEAF_OK);
    sheaf_release_all(chain, (size_t)depth);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- names */

static int any_name_makes_valid_json_and_one_line(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    static const char *const names[] = {"\"quoted\" \\ back", "two\nlines\ttab",    "\xff\xc3",
                                        "\xed\xa0\x80",       "gr\xc3\xbc\xc3\x9f", ""};
    static char long_name[600];
    sheaf_future *tasks[7];
    struct role slow = {.delay = SHEAF_S(1)};
    memset(long_name, '"', sizeof long_name - 1);
    for (int i = 0; i < 7; i++) {
        tasks[i] = start_named(i < 6 ? names[i] : long_name, &slow);
    }
    settle();
    const char *text = dump_of(f->pool, SHEAF_DUMP_TEXT);
    EXPECT(strstr(text, "two?lines?tab") != NULL);
    text = dump_of(f->pool, SHEAF_DUMP_JSON);
    EXPECT(strstr(text, "\\\"quoted\\\" \\\\ back") != NULL);
    EXPECT(strstr(text, "two\\u000alines\\u0009tab") != NULL);
    EXPECT(strstr(text, "\"\\ufffd\\ufffd\"") != NULL);
    EXPECT(strstr(text, "gr\xc3\xbc\xc3\x9f") != NULL);
    for (int i = 0; i < 7; i++) {
        expect_end(tasks[i], SHEAF_OK);
    }
    return SHEAF_OK;
}

static int wrong_arguments_are_refused(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    int lines = 0;
    EXPECT_INT(sheaf_dump(f->pool, SHEAF_DUMP_TEXT, NULL, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_dump(f->pool, (sheaf_dump_format)7, ignore_line, &lines), SHEAF_INVALID);
    sheaf_pool_dump(NULL, ignore_line, &lines);
    sheaf_pool_dump(f->pool, NULL, NULL);
    EXPECT_INT(lines, 0);
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- for how long */

static int sleep_once(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(10));
}

static int check_and_wait(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_checkpoint());
    return sheaf_sleep(SHEAF_S(10));
}

static int look_after_a_while(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *sleeper =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "sleeper"), sleep_once, NULL);
    sheaf_future *checker = sheaf_spawn(check_and_wait, NULL);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1234)));
    const char *text = dump_of(sheaf_pool_current(), SHEAF_DUMP_TEXT);
    expect_line(text, 0, "sleeper", "waits for a timer for 1.234 s");
    EXPECT(strstr(text, "last checkpoint at tests/dump_test.c:") != NULL);
    text = dump_of(sheaf_pool_current(), SHEAF_DUMP_JSON);
    EXPECT(strstr(text, "\"waited_ns\":1234000000") != NULL);
    SHEAF_TRY(sheaf_join(sleeper, NULL));
    return sheaf_join(checker, NULL);
}

static void a_watched_pool_tells_for_how_long(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    options.flags |= SHEAF_POOL_WATCH;
    EXPECT_INT(sheaf_run(&options, look_after_a_while, NULL, NULL), SHEAF_OK);
}

/* ---------------------------------------------------------------- stuck programs */

static int block_on(void *arg, sheaf_value *result)
{
    struct gate *gate = arg;
    (void)result;
    gate_arrive(gate);
    gate_wait(gate, 1000);
    return SHEAF_OK;
}

static int lock_and_wait(void *arg, sheaf_value *result)
{
    sheaf_mutex *mutex = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(mutex));
    return sheaf_unlock(mutex);
}

/* Every worker is blocked in a call, and a mutex is held: the dump waits for none of them. */
static void a_stuck_program_is_dumped_all_the_same(struct fixture *f)
{
    enum { TASKS = 40 };
    struct gate gate = GATE_INIT;
    sheaf_mutex mutex = SHEAF_MUTEX_INIT;
    sheaf_future *tasks[TASKS], *waiters[4];
    char line[400];
    EXPECT_INT(sheaf_lock(&mutex), SHEAF_OK);
    for (int i = 0; i < 4; i++) {
        waiters[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .name = "locks"),
                                      lock_and_wait, &mutex);
    }
    for (int i = 0; i < TASKS; i++) {
        tasks[i] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .name = "blocks"),
                                    block_on, &gate);
    }
    gate_wait(&gate, (unsigned long)sheaf_pool_workers(f->pool));
    const char *text = dump_of(f->pool, SHEAF_DUMP_TEXT);
    EXPECT_INT(count_of(text, "  blocks: "), TASKS);
    EXPECT(find_line(text, 2, "blocks", line));
    dump_of(NULL, SHEAF_DUMP_JSON);
    for (int i = 0; i < 1000; i++) {
        gate_arrive(&gate);
    }
    EXPECT_INT(sheaf_unlock(&mutex), SHEAF_OK);
    for (int i = 0; i < TASKS; i++) {
        EXPECT_INT(sheaf_join(tasks[i], NULL), SHEAF_OK);
    }
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(sheaf_join(waiters[i], NULL), SHEAF_OK);
    }
}

static void without_memory_it_is_a_list(struct fixture *f)
{
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    struct role awaits = {.awaited = promise};
    sheaf_future *task =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .name = "patient"), play, &awaits);
    static char text[TEXT];
    do {
        dump_of(f->pool, SHEAF_DUMP_TEXT);
    } while (!strstr(dump_of(f->pool, SHEAF_DUMP_TEXT), "patient: suspended"));
    for (sheaf_dump_format format = SHEAF_DUMP_TEXT; format <= SHEAF_DUMP_JSON; format++) {
        text[0] = '\0';
        sheaf__alloc_fail_after(0, SHEAF__ALLOC_FAIL_STICKY);
        int status = sheaf_dump(f->pool, format, append_line, text);
        int all = sheaf_dump(NULL, format, append_line, text);
        sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_STICKY);
        EXPECT_INT(status, SHEAF_NOMEM);
        EXPECT_INT(all, SHEAF_NOMEM);
        EXPECT(strstr(text, "patient") != NULL);
    }
    EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    sheaf_release(promise);
}

/* ---------------------------------------------------------------- many pools at once */

static SHEAF__ATOMIC(bool) over;

static void *dump_all_the_time(void *arg)
{
    int lines = 0;
    while (!sheaf__load_acq(&over)) {
        int status = sheaf_dump(NULL, SHEAF_DUMP_JSON, ignore_line, &lines);
        EXPECT(status == SHEAF_OK);
        status = sheaf_dump(NULL, SHEAF_DUMP_TEXT, ignore_line, &lines);
        EXPECT(status == SHEAF_OK);
    }
    return arg;
}

static int nest(void *arg, sheaf_value *result)
{
    int64_t depth = (int64_t)(intptr_t)arg;
    (void)result;
    if (depth == 0) {
        return sheaf_yield();
    }
    sheaf_future *two[2];
    for (int i = 0; i < 2; i++) {
        two[i] = sheaf_spawn(nest, (void *)(intptr_t)(depth - 1));
    }
    int status = sheaf_gather(two, 2, SHEAF_GATHER_RAISE, NULL, NULL);
    sheaf_release_all(two, 2);
    return status;
}

static void pools_come_and_go_while_they_are_dumped(struct fixture *f)
{
    pthread_t thread;
    sheaf__store_rel(&over, false);
    EXPECT_INT(pthread_create(&thread, NULL, dump_all_the_time, NULL), 0);
    for (size_t i = 0; i < fixture_scaled(12); i++) {
        sheaf_options options = fixture_options(f);
        EXPECT_INT(sheaf_run(&options, nest, (void *)(intptr_t)6, NULL), SHEAF_OK);
    }
    sheaf__store_rel(&over, true);
    EXPECT_INT(pthread_join(thread, NULL), 0);
}

static void all_pools_are_dumped(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pools[2] = {NULL, NULL};
    options.name = "apple";
    EXPECT_INT(sheaf_pool_open(&options, &pools[0]), SHEAF_OK);
    options.name = "pear";
    EXPECT_INT(sheaf_pool_open(&options, &pools[1]), SHEAF_OK);
    const char *text = dump_of(NULL, SHEAF_DUMP_TEXT);
    const char *apple = strstr(text, "pool 'apple': 0 tasks, ");
    EXPECT(apple && strstr(apple, "pool 'pear': 0 tasks, "));
    dump_of(NULL, SHEAF_DUMP_JSON);
    EXPECT_INT(sheaf_pool_close(pools[0], SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    text = dump_of(NULL, SHEAF_DUMP_TEXT);
    EXPECT(!strstr(text, "apple") && strstr(text, "pear"));
    EXPECT_INT(sheaf_pool_close(pools[1], SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_TEXT(dump_of(NULL, SHEAF_DUMP_TEXT), "");
    EXPECT_TEXT(dump_of(NULL, SHEAF_DUMP_JSON), "{\"pools\":[\n]}\n");
}

static void use_pools(void *context, const char *line)
{
    sheaf_options options = fixture_options(context);
    sheaf_pool *pool = NULL;
    int lines = 0;
    (void)line;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    EXPECT_INT(sheaf_dump(NULL, SHEAF_DUMP_JSON, ignore_line, &lines), SHEAF_OK);
    EXPECT(lines > 2);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
}

/* No lock is held while the program's function is called. */
static void the_report_may_use_pools(struct fixture *f)
{
    EXPECT_INT(sheaf_dump(NULL, SHEAF_DUMP_TEXT, use_pools, f), SHEAF_OK);
}

/* ---------------------------------------------------------------- left over */

static void tasks_left_over_at_a_close_are_told_with_their_places(struct fixture *f)
{
    static char text[TEXT];
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    text[0] = '\0';
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    struct role awaits = {.awaited = promise};
    sheaf_future *task =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = pool, .name = "late"), play, &awaits);
    sheaf_set_report_hook(append_line, text);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, 0, sheaf_report_late, NULL),
               SHEAF_TIMEOUT);
    sheaf_set_report_hook(NULL, NULL);
    EXPECT(strstr(text, "task 'late' is left over: ") == text);
    EXPECT(strstr(text, ", spawned at tests/dump_test.c:") != NULL);
    EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_DRAIN, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    sheaf_release(promise);
    EXPECT_INT(sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODES_VIRTUAL, tasks_stand_below_those_that_wait_for_them),
    TASK_TEST_ON(MODES_VIRTUAL, waits_for_several_and_shields_are_seen_through),
    TASK_TEST_ON(MODES_VIRTUAL, members_stand_below_the_owner_of_their_group),
    TASK_TEST_ON(MODES_VIRTUAL, tasks_that_wait_for_each_other_are_told_once),
    TASK_TEST_ON(MODES_VIRTUAL, a_deep_chain_takes_constant_stack),
    TASK_TEST_ON(MODES_VIRTUAL, any_name_makes_valid_json_and_one_line),
    TASK_TEST_ON(MODE_1, wrong_arguments_are_refused),
    POOL_TEST_ON(MODES_VIRTUAL, a_watched_pool_tells_for_how_long),
    THREAD_TEST_ON(MODES_REAL, a_stuck_program_is_dumped_all_the_same),
    THREAD_TEST_ON(MODES_REAL, without_memory_it_is_a_list),
    POOL_TEST(pools_come_and_go_while_they_are_dumped),
    POOL_TEST(all_pools_are_dumped),
    THREAD_TEST(the_report_may_use_pools),
    POOL_TEST(tasks_left_over_at_a_close_are_told_with_their_places),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
