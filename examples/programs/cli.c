#include "cli.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BAR_WIDTH = 30 };

static struct {
    pthread_mutex_t lock; /* guards the rest, and what is written */
    sheaf_time next;      /* when the bar may be drawn again */
    bool drawn;
} terminal = {.lock = PTHREAD_MUTEX_INITIALIZER};

int cli_option(int argc, char **argv, const char *letters, const struct option *options)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): see the header */
    return getopt_long(argc, argv, letters, options, NULL);
}

bool cli_number(const char *option, const char *text, long least, long most, long *number)
{
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most) {
        return true;
    }
    cli_complain("%s: '%s' is not a number from %ld to %ld", option, text, least, most);
    return false;
}

/* Requires: locked */
static void wipe(void)
{
    if (terminal.drawn) {
        fputs("\r\033[K", stderr);
        terminal.drawn = false;
    }
}

void cli_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&terminal.lock);
    wipe();
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    pthread_mutex_unlock(&terminal.lock);
    va_end(arguments);
}

void cli_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&terminal.lock);
    wipe();
    vprintf(format, arguments);
    pthread_mutex_unlock(&terminal.lock);
    va_end(arguments);
}

/* Requires: locked */
static void draw(const char *unit, size_t done, size_t total)
{
    double part = total > 0 ? (double)done / (double)total : 1;
    int filled = (int)(part * BAR_WIDTH);
    fputs("\r[", stderr);
    for (int i = 0; i < BAR_WIDTH; i++) {
        fputc(i < filled ? '#' : '.', stderr);
    }
    fprintf(stderr, "] %3.0f %%  %zu of %zu %s\033[K", part * 100, done, total, unit);
    terminal.drawn = true;
}

/* Whoever comes while another one writes has nothing newer to tell, and does not wait. */
void cli_bar(const char *unit, size_t done, size_t total)
{
    if (!isatty(STDERR_FILENO) || pthread_mutex_trylock(&terminal.lock) != 0) {
        return;
    }
    sheaf_time now = sheaf_now();
    if (now >= terminal.next) {
        terminal.next = now + SHEAF_MS(100);
        draw(unit, done, total);
    }
    pthread_mutex_unlock(&terminal.lock);
}

void cli_progress(void *unit, size_t done, size_t total)
{
    cli_bar(unit, done, total);
}

void cli_bar_end(void)
{
    pthread_mutex_lock(&terminal.lock);
    wipe();
    pthread_mutex_unlock(&terminal.lock);
}

int cli_exit(int status, bool failed)
{
    bool interrupted = status == SHEAF_INTERRUPTED || status == SHEAF_CANCELLED;
    if (status != SHEAF_OK && !interrupted) {
        cli_complain("%s", sheaf_status_text(status));
        failed = true;
    }
    cli_bar_end();
    if (ferror(stdout) || fflush(stdout)) {
        cli_complain("write error");
        failed = true;
    }
    if (interrupted) {
        return sheaf_exit_code(status);
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cli_help(const char *usage)
{
    cli_print("%s", usage);
    return cli_exit(SHEAF_OK, false);
}
