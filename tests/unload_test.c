/* The shared library, loaded and unloaded: nothing of it starts by itself or stays behind.
 * Usage: unload_test LIBSHEAF.SO */
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sheaf.h>
#include <cmocka.h>

enum { ROUNDS = 20 };

static char library_path[PATH_MAX];

/* What the tests call of the library, while it is loaded. */
static struct {
    void *handle;
    int (*run)(const sheaf_options *options, sheaf_fn *fn, void *arg, sheaf_value *value);
    sheaf_future *(*spawn)(sheaf_fn *fn, void *arg);
    sheaf_future *(*blocking)(sheaf_fn *fn, void *arg);
    int (*join)(sheaf_future *future, sheaf_value *value);
    int (*sleep)(sheaf_duration duration);
    int (*default_close)(sheaf_close how, sheaf_duration limit);
} library;

/* POSIX gives functions as pointers to objects. */
static void find(const char *name, void *function)
{
    void *symbol = dlsym(library.handle, name);
    assert_non_null(symbol);
    memcpy(function, &symbol, sizeof symbol);
}

static void load(void)
{
    library.handle = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    if (!library.handle) {
        print_error("%s\n", dlerror());
    }
    assert_non_null(library.handle);
    find("sheaf_run", &library.run);
    find("sheaf_spawn", &library.spawn);
    find("sheaf_blocking", &library.blocking);
    find("sheaf_join", &library.join);
    find("sheaf_sleep", &library.sleep);
    find("sheaf_pool_default_close", &library.default_close);
}

static bool is_mapped(void)
{
    char line[PATH_MAX + 128];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        found = found || strstr(line, "libsheaf") != NULL;
    }
    fclose(maps);
    return found;
}

static void unload(void)
{
    assert_true(is_mapped());
    assert_int_equal(dlclose(library.handle), 0);
#ifdef __GLIBC__ /* musl never unmaps a library */
    assert_false(is_mapped());
#endif
}

static int count_threads(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    struct dirent *entry;
    while ((entry = readdir(tasks)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(tasks);
    return count;
}

/* ---------------------------------------------------------------- using it */

static int give_one(void *arg, sheaf_value *result)
{
    (void)arg;
    result->i64 = 1;
    return SHEAF_OK;
}

static int sleep_a_little(void *arg, sheaf_value *result)
{
    SHEAF_TRY(library.sleep(SHEAF_US(100)));
    return give_one(arg, result);
}

/* Workers, stacks, timers and blocking calls. */
static int use_all(void *arg, sheaf_value *result)
{
    sheaf_future *futures[3] = {library.spawn(sleep_a_little, arg), library.spawn(give_one, arg),
                                library.blocking(give_one, arg)};
    result->i64 = 0;
    for (int i = 0; i < 3; i++) {
        sheaf_value value;
        SHEAF_TRY(library.join(futures[i], &value));
        result->i64 += value.i64;
    }
    return SHEAF_OK;
}

static void use_and_close(void)
{
    sheaf_value value;
    assert_int_equal(
        library.run(SHEAF_OPTIONS(.workers = 2, .flags = SHEAF_RUN_SIGINT), use_all, NULL, &value),
        SHEAF_OK);
    assert_int_equal(value.i64, 3);
    assert_int_equal(library.join(library.spawn(use_all, NULL), &value), SHEAF_OK);
    assert_int_equal(value.i64, 3);
    assert_int_equal(library.default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    /* A joined thread leaves /proc a moment after the join. */
    while (count_threads() > 1) {
        sched_yield();
    }
}

/* ---------------------------------------------------------------- tests */

static void read_actions(struct sigaction *actions)
{
    for (int signal = 1; signal < NSIG; signal++) {
        actions[signal] = (struct sigaction){.sa_flags = 0};
        sigaction(signal, NULL, &actions[signal]);
    }
}

static void assert_actions(const struct sigaction *before)
{
    /* The C library adds a flag of its own to every action that is set. */
    const int flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_NOCLDSTOP;
    static struct sigaction now[NSIG];
    read_actions(now);
    for (int signal = 1; signal < NSIG; signal++) {
        assert_ptr_equal(now[signal].sa_handler, before[signal].sa_handler);
        assert_int_equal(now[signal].sa_flags & flags, before[signal].sa_flags & flags);
    }
}

static void loading_starts_nothing(void **state)
{
    (void)state;
    static struct sigaction before[NSIG];
    read_actions(before);
    load();
    assert_int_equal(count_threads(), 1);
    assert_actions(before);
    unload();
}

static void it_is_unloaded_when_everything_is_closed(void **state)
{
    (void)state;
    static struct sigaction before[NSIG];
    read_actions(before);
    for (int i = 0; i < ROUNDS; i++) {
        load();
        use_and_close();
        assert_actions(before);
        unload();
    }
}

static void the_program_forks_and_exits_without_it(void **state)
{
    (void)state;
    load();
    use_and_close();
    unload();
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        exit(7); /* with what was registered for the end of a process */
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static pthread_barrier_t meeting;

static void *use_and_outlive(void *arg)
{
    sheaf_value *value = arg;
    library.join(library.spawn(use_all, NULL), value);
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting); /* unloaded meanwhile */
    return NULL;
}

static void a_thread_that_has_used_it_ends_after_it(void **state)
{
    (void)state;
    pthread_t thread;
    sheaf_value value = {.i64 = 0};
    assert_int_equal(pthread_barrier_init(&meeting, NULL, 2), 0);
    load();
    assert_int_equal(pthread_create(&thread, NULL, use_and_outlive, &value), 0);
    pthread_barrier_wait(&meeting);
    assert_int_equal(library.default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER), SHEAF_OK);
    unload();
    pthread_barrier_wait(&meeting);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(value.i64, 3);
    pthread_barrier_destroy(&meeting);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_starts_nothing),
        cmocka_unit_test(it_is_unloaded_when_everything_is_closed),
        cmocka_unit_test(the_program_forks_and_exits_without_it),
        cmocka_unit_test(a_thread_that_has_used_it_ends_after_it),
    };
    if (count != 2 || !realpath(arguments[1], library_path)) {
        fprintf(stderr, "usage: unload_test LIBSHEAF.SO\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
