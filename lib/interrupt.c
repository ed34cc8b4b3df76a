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

static pthread_once_t made = PTHREAD_ONCE_INIT;
static sem_t posted;

static void make_semaphore(void)
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

static bool action_is(void (*handler)(int))
{
    struct sigaction action;
    return sigaction(SIGINT, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           action.sa_handler == handler;
}

static void set_action(void (*handler)(int))
{
    struct sigaction action = {.sa_flags = SA_RESTART};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

int sheaf__interrupt_begin(struct sheaf__interrupt *self)
{
    if (!is_main_thread() || !action_is(SIG_DFL)) {
        return SHEAF_OK;
    }
    pthread_once(&made, make_semaphore);
    if (sheaf__thread_start(&self->thread, listen_thread, self)) {
        return SHEAF_NOMEM;
    }
    self->listens = true;
    set_action(post);
    return SHEAF_OK;
}

void sheaf__interrupt_restore(void)
{
    if (action_is(post)) {
        set_action(SIG_DFL);
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
