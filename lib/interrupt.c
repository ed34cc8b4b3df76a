/* The handler only posts a semaphore, which POSIX lists among what a handler may do; a thread waits
 * for it.  The semaphore is static and never destroyed, since a handler may still be on its way, on
 * whatever thread, when the action has been restored.  Its post is then told to the next listener:
 * somebody did press the key. */
#include "lib/interrupt.h"

#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sheaf/base.h>

#include "lib/platform/self.h"
#include "lib/platform/thread.h"

static sem_t posted;

/* What the handler has taken the place of.  Written before it is installed, by the main thread. */
static struct sigaction replaced;

void sheaf__interrupt_prepare(void)
{
    sem_init(&posted, 0, 0);
}

static void post(int signal)
{
    (void)signal;
    int before = sheaf__errno_get();
    sem_post(&posted);
    sheaf__errno_set(before);
}

static void *listen_thread(void *arg)
{
    struct sheaf__interrupt *self = arg;
    sheaf__thread_name("sheaf", "sigint");
    for (;;) {
        while (sem_wait(&posted)) {
        }
        /* acquire: pairs with the release in sheaf__interrupt_end(), whose post wakes this. */
        if (sheaf__load_acq(&self->stop)) {
            return NULL;
        }
        self->tell(self->context);
    }
}

static bool is_main_thread(void)
{
    return syscall(SYS_gettid) == (long)getpid();
}

/* Whether that is the action now, which *action receives. */
static bool action_is(void (*handler)(int), struct sigaction *action)
{
    return sigaction(SIGINT, NULL, action) == 0 && !(action->sa_flags & SA_SIGINFO) &&
           action->sa_handler == handler;
}

static void install_handler(void)
{
    struct sigaction action = {.sa_flags = SA_RESTART};
    action.sa_handler = post;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

int sheaf__interrupt_begin(struct sheaf__interrupt *self)
{
    struct sigaction before;
    if (!is_main_thread() || !action_is(SIG_DFL, &before)) {
        return SHEAF_OK;
    }
    if (sheaf__thread_start(&self->thread, listen_thread, self)) {
        return SHEAF_NOMEM;
    }
    self->listens = true;
    replaced = before;
    install_handler();
    return SHEAF_OK;
}

void sheaf__interrupt_restore(void)
{
    struct sigaction now;
    if (action_is(post, &now)) {
        sigaction(SIGINT, &replaced, NULL);
    }
}

void sheaf__interrupt_end(struct sheaf__interrupt *self)
{
    if (!self->listens) {
        return;
    }
    sheaf__interrupt_restore();
    sheaf__store_rel(&self->stop, true);
    sem_post(&posted);
    pthread_join(self->thread, NULL);
    self->listens = false;
}
