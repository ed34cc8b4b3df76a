#include "lib/platform/thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

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

void sheaf__thread_name(const char *prefix, const char *suffix)
{
    char name[NAME_SIZE];
    int room = (int)(NAME_SIZE - 2 - strlen(suffix));
    snprintf(name, sizeof name, "%.*s/%s", room > 0 ? room : 0, prefix, suffix);
    pthread_setname_np(pthread_self(), name);
}
