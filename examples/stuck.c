/* A program that is stuck, and what can be seen of it: two readers wait for a lock that a writer
 * holds, which waits for an answer that does not come. After a second a dump says so.
 *
 *     pool 'sheaf': 5 tasks, 1 worker
 *       watcher: running on worker 0, spawned at examples/stuck.c:60
 *       main: suspended, waits for gather 'gather' (3 left) for 0.999 s
 *         writer: suspended, waits for promise 'answer' for 1.000 s, spawned at examples/stuck.c:62
 *         reader: suspended, waits for a mutex for 0.999 s, spawned at examples/stuck.c:65
 *         reader: suspended, waits for a mutex for 0.999 s, spawned at examples/stuck.c:64
 *
 * With `stay` the answer never comes, and SIGUSR1 makes a dump: docs/debugging.md goes on from
 * there. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <sheaf.h>

static sheaf_mutex ledger = SHEAF_MUTEX_INIT;
static sheaf_future *answer;

static int write_ledger(void *arg, sheaf_value *result)
{
    (void)arg;
    SHEAF_TRY(sheaf_lock(&ledger));
    int status = sheaf_await(answer, result);
    int unlocked = sheaf_unlock(&ledger);
    return status ? status : unlocked;
}

static int read_ledger(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(sheaf_lock(&ledger));
    return sheaf_unlock(&ledger);
}

static void print_line(void *context, const char *line)
{
    (void)context;
    puts(line);
}

static int look_after_a_second(void *arg, sheaf_value *result)
{
    const int *stay = arg;
    (void)result;
    SHEAF_TRY(sheaf_sleep(SHEAF_S(1)));
    SHEAF_TRY(sheaf_dump(sheaf_pool_current(), SHEAF_DUMP_TEXT, print_line, NULL));
    fflush(stdout);
    return *stay ? SHEAF_OK : sheaf_resolve(answer, (sheaf_value){.i64 = 42});
}

static int be_stuck(void *arg, sheaf_value *result)
{
    (void)result;
    SHEAF_TRY(sheaf_future_set_name(sheaf_current(), "main"));
    answer = sheaf_promise(SHEAF_PROMISE_OPTIONS(.name = "answer"));
    sheaf_future *watcher =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "watcher"), look_after_a_second, arg);
    sheaf_future *tasks[3];
    tasks[0] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "writer"), write_ledger, NULL);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1))); /* the writer has the lock then */
    tasks[1] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "reader"), read_ledger, NULL);
    tasks[2] = sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "reader"), read_ledger, NULL);
    int status = sheaf_gather(tasks, 3, SHEAF_GATHER_RAISE, NULL, NULL);
    int watched = sheaf_join(watcher, NULL);
    sheaf_release_all(tasks, 3);
    sheaf_release(answer);
    return status ? status : watched;
}

int main(int argc, char **argv)
{
    int stay = argc > 1 && strcmp(argv[1], "stay") == 0;
    sheaf_options options = {.size = sizeof options, .workers = 1, .flags = SHEAF_POOL_WATCH};
    if (argc > 1 && strcmp(argv[1], "virtual") == 0) {
        options.clock = SHEAF_CLOCK_VIRTUAL;
    }
    if (stay && sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_TEXT, NULL) != SHEAF_OK) {
        return 1;
    }
    int status = sheaf_run(&options, be_stuck, &stay, NULL);
    sheaf_dump_no_signal();
    return sheaf_exit_code(status);
}
