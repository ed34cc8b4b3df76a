#include "lib/platform/thread.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux holds 15 characters. */
#define NAME_SIZE 16

/* Signals that the kernel raises for what the thread itself did: blocking them would turn a fault
 * into a kill without a handler. */
static void block_asynchronous(sigset_t *set)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigfillset(set);
    for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++) {
        sigdelset(set, synchronous[i]);
    }
}

int sheaf__thread_start(pthread_t *thread, void *(*body)(void *), void *arg)
{
    sigset_t blocked;
    sigset_t before;
    block_asynchronous(&blocked);
    /* The new thread inherits the mask: there is no instant at which a signal could reach it. */
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int error = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

clockid_t sheaf__thread_cpu_clock(void)
{
    clockid_t clock;
    return pthread_getcpuclockid(pthread_self(), &clock) ? 0 : clock;
}

int64_t sheaf__thread_cpu_time(clockid_t clock)
{
    struct timespec used;
    if (clock == 0 || clock_gettime(clock, &used)) {
        return -1;
    }
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

int sheaf__thread_number(void)
{
    return (int)syscall(SYS_gettid);
}

bool sheaf__thread_is_runnable(int number)
{
    char path[64];
    char text[128];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", number);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    /* "number (name) state ...", and the name may hold anything. */
    const char *end = strrchr(text, ')');
    return end && strncmp(end, ") R", 3) == 0;
}

void sheaf__thread_name(const char *prefix, const char *suffix)
{
    char name[NAME_SIZE];
    int room = (int)(NAME_SIZE - 2 - strlen(suffix));
    snprintf(name, sizeof name, "%.*s/%s", room > 0 ? room : 0, prefix, suffix);
    pthread_setname_np(pthread_self(), name);
}
