/* Dumps into files and at signals. */
#include <sheaf/debug.h>

#include "tests/support/fixture.h"
#include "tests/support/json.h"
#include "tests/support/roles.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* TSan ends children of processes with threads that start threads, unless it is told not to. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

enum { PATH = 300, TEXT = 1 << 16 };

/* ---------------------------------------------------------------- files */

static char folder[PATH - 20];

static const char *path_of(const char *name, char path[PATH])
{
    (void)snprintf(path, PATH, "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    const char *parent = getenv("TEST_TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/dump.XXXXXX", parent ? parent : "/tmp");
    EXPECT(mkdtemp(folder) != NULL);
}

/* Valid until the next call; empty when there is no such file. */
static const char *text_of(const char *path)
{
    static char text[TEXT];
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[length] = '\0';
    if (file) {
        (void)fclose(file);
    }
    return text;
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    return lstat(path, &status) ? 0 : (unsigned)status.st_mode;
}

static void expect_dump(sheaf_pool *pool, const char *path)
{
    EXPECT_INT(sheaf_dump_to_file(pool, SHEAF_DUMP_TEXT, path), SHEAF_OK);
    EXPECT(strncmp(text_of(path), "pool 'fixture': 0 tasks", 23) == 0);
    EXPECT_INT(mode_of(path), S_IFREG | 0600);
    EXPECT_INT(sheaf_dump_to_file(NULL, SHEAF_DUMP_JSON, path), SHEAF_OK);
    EXPECT(is_json(text_of(path)));
}

static void a_file_is_the_owners_alone(struct fixture *f)
{
    char path[PATH];
    make_folder();
    path_of("dump", path);
    mode_t before = umask(0);
    expect_dump(f->pool, path);
    umask(before);
    /* One that is longer, and that others could read. */
    FILE *file = fopen(path, "w");
    EXPECT(file && fprintf(file, "%5000s", "x") == 5000 && fclose(file) == 0);
    EXPECT_INT(chmod(path, 0644), 0);
    expect_dump(f->pool, path);
    EXPECT_INT(unlink(path), 0);
    EXPECT_INT(rmdir(folder), 0);
}

static void expect_refused(const char *path, int error)
{
    EXPECT_INT(sheaf_dump_to_file(NULL, SHEAF_DUMP_TEXT, path), error);
}

static void what_is_no_plain_file_is_refused(struct fixture *f)
{
    char victim[PATH], path[PATH];
    (void)f;
    make_folder();
    path_of("victim", victim);
    FILE *file = fopen(victim, "w");
    EXPECT(file && fputs("precious", file) >= 0 && fclose(file) == 0);
    EXPECT_INT(symlink(victim, path_of("symbolic", path)), 0);
    expect_refused(path, ELOOP);
    EXPECT_INT(unlink(path), 0);
    EXPECT_INT(symlink(path_of("missing", path), path_of("dangling", path)), 0);
    expect_refused(path, ELOOP);
    EXPECT_INT(unlink(path), 0);
    EXPECT_INT(link(victim, path_of("hard", path)), 0);
    expect_refused(path, EPERM);
    EXPECT_INT(unlink(path), 0);
    EXPECT_INT(mkfifo(path_of("pipe", path), 0600), 0);
    expect_refused(path, ENXIO);
    EXPECT_INT(unlink(path), 0);
    expect_refused(folder, EISDIR);
    expect_refused("/dev/null", EPERM);
    expect_refused(path_of("no/such", path), ENOENT);
    expect_refused(NULL, SHEAF_INVALID);
    EXPECT_INT(sheaf_dump_to_file(NULL, (sheaf_dump_format)7, path), SHEAF_INVALID);
    EXPECT_TEXT(text_of(victim), "precious");
    EXPECT_INT(unlink(victim), 0);
    EXPECT_INT(rmdir(folder), 0);
}

/* A limit on the size of files stands for a disk that is full. */
static void a_write_that_fails_is_told(struct fixture *f)
{
    char path[PATH];
    struct rlimit before, none = {.rlim_cur = 0};
    make_folder();
    path_of("dump", path);
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    none.rlim_max = before.rlim_max;
    EXPECT_INT(setrlimit(RLIMIT_FSIZE, &none), 0);
    EXPECT_INT(sheaf_dump_to_file(f->pool, SHEAF_DUMP_TEXT, path), EFBIG);
    EXPECT_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    EXPECT_INT(unlink(path), 0);
    EXPECT_INT(rmdir(folder), 0);
}

/* ---------------------------------------------------------------- signals */

static bool action_is(int number, void (*handler)(int))
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == handler;
}

static void a_signal_writes_a_file(struct fixture *f)
{
    char path[PATH];
    make_folder();
    path_of("dump.json", path);
    sheaf_future *promise = sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
    struct role awaits = {.awaited = promise};
    sheaf_future *task =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.pool = f->pool, .name = "patient"), play, &awaits);
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_JSON, path), SHEAF_OK);
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_JSON, path), SHEAF_STATE);
    EXPECT(!action_is(SIGUSR1, SIG_DFL));
    for (int i = 0; i < 3; i++) {
        (void)unlink(path);
        EXPECT_INT(kill(getpid(), SIGUSR1), 0);
        while (!is_json(text_of(path))) {
            sched_yield(); /* the watchdog ends the test where none comes */
        }
        EXPECT(strstr(text_of(path), "\"name\":\"patient\"") != NULL);
        EXPECT_INT(mode_of(path), S_IFREG | 0600);
    }
    sheaf_dump_no_signal();
    sheaf_dump_no_signal();
    EXPECT(action_is(SIGUSR1, SIG_DFL));
    EXPECT_INT(sheaf_resolve(promise, number(1)), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
    sheaf_release(promise);
    EXPECT_INT(unlink(path), 0);
    EXPECT_INT(rmdir(folder), 0);
}

static struct gate told = GATE_INIT;

static void count_line(void *context, const char *line)
{
    EXPECT_PTR(context, &told);
    EXPECT(strstr(line, "pool 'fixture': 0 tasks") == line || strstr(line, "could not be written"));
    gate_arrive(&told);
}

static void a_signal_tells_the_report_hook(struct fixture *f)
{
    unsigned long before = gate_count(&told);
    (void)f;
    sheaf_set_report_hook(count_line, &told);
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR2, SHEAF_DUMP_TEXT, NULL), SHEAF_OK);
    EXPECT_INT(kill(getpid(), SIGUSR2), 0);
    gate_wait(&told, before + 1);
    sheaf_dump_no_signal();
    /* What cannot be written is told there as well. */
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR2, SHEAF_DUMP_TEXT, "/no/such/folder/dump"), SHEAF_OK);
    EXPECT_INT(kill(getpid(), SIGUSR2), 0);
    gate_wait(&told, before + 2);
    sheaf_dump_no_signal();
    sheaf_set_report_hook(NULL, NULL);
}

static void handle_nothing(int number)
{
    (void)number;
}

static void signals_of_others_are_left_alone(struct fixture *f)
{
    (void)f;
    static const int refused[] = {0, -1, 1000, SIGINT, SIGKILL, SIGSTOP, SIGSEGV};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        EXPECT_INT(sheaf_dump_on_signal(refused[i], SHEAF_DUMP_TEXT, NULL), SHEAF_INVALID);
    }
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_JSON, NULL), SHEAF_INVALID);
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_TEXT, ""), SHEAF_INVALID);
    signal(SIGUSR1, handle_nothing);
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_TEXT, NULL), SHEAF_STATE);
    EXPECT(action_is(SIGUSR1, handle_nothing));
    signal(SIGUSR1, SIG_DFL);
    /* One that the program installs later stays. */
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_TEXT, NULL), SHEAF_OK);
    signal(SIGUSR1, handle_nothing);
    sheaf_dump_no_signal();
    EXPECT(action_is(SIGUSR1, handle_nothing));
    signal(SIGUSR1, SIG_DFL);
}

/* A child has no thread that listens: the signal has its default action there. */
static void a_child_does_not_listen(struct fixture *f)
{
    (void)f;
    EXPECT_INT(sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_TEXT, NULL), SHEAF_OK);
    pid_t child = fork();
    if (child == 0) {
        bool deaf = action_is(SIGUSR1, SIG_DFL);
        sheaf_dump_no_signal();
        deaf = deaf && sheaf_dump_on_signal(SIGUSR1, SHEAF_DUMP_TEXT, NULL) == SHEAF_OK;
        deaf = deaf && !action_is(SIGUSR1, SIG_DFL);
        sheaf_dump_no_signal();
        _exit(deaf && action_is(SIGUSR1, SIG_DFL) ? 42 : 43);
    }
    int status = 0;
    EXPECT_INT(waitpid(child, &status, 0), child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    sheaf_dump_no_signal();
}

static const struct fixture_test tests[] = {
    THREAD_TEST_ON(MODE_2, a_file_is_the_owners_alone),
    THREAD_TEST_ON(MODE_2, what_is_no_plain_file_is_refused),
    THREAD_TEST_ON(MODE_2, a_write_that_fails_is_told),
    THREAD_TEST_ON(MODE_1 | MODE_4 | MODE_FIFO, a_signal_writes_a_file),
    THREAD_TEST_ON(MODE_2, a_signal_tells_the_report_hook),
    THREAD_TEST_ON(MODE_2, signals_of_others_are_left_alone),
    THREAD_TEST_ON(MODE_2, a_child_does_not_listen),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
