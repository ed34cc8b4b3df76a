/* A handler only posts a semaphore, which POSIX lists among what a handler may do; a thread waits
 * for it.  The semaphores are static and never destroyed, since a handler may still be on its way,
 * on whatever thread, when the action has been restored.  Its post is then told to the next
 * listener: somebody did press the key. */
#include "lib/interrupt.h"

#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sheaf/base.h>

#include "lib/platform/self.h"
#include "lib/platform/thread.h"

static void post_run(int signal);
static void post_dump(int signal);

static struct channel {
    void (*const handler)(int signal);
    const char *const thread_name;
    sem_t posted;
    /* Written before the handler is installed, by who does it. */
    int signal;
    struct sigaction replaced; /* what the handler has taken the place of */
} channels[SHEAF__INTERRUPTS] = {
    [SHEAF__INTERRUPT_RUN] = {.handler = post_run, .thread_name = "sigint"},
    [SHEAF__INTERRUPT_DUMP] = {.handler = post_dump, .thread_name = "dump"},
};

void sheaf__interrupt_prepare(void)
{
    for (int i = 0; i < SHEAF__INTERRUPTS; i++) {
        sem_init(&channels[i].posted, 0, 0);
    }
}

static void post(enum sheaf__interrupt_use use)
{
    int before = sheaf__errno_get();
    sem_post(&channels[use].posted);
    sheaf__errno_set(before);
}

static void post_run(int signal)
{
    (void)signal;
    post(SHEAF__INTERRUPT_RUN);
}

static void post_dump(int signal)
{
    (void)signal;
    post(SHEAF__INTERRUPT_DUMP);
}

static void *listen_thread(void *arg)
{
    struct sheaf__interrupt *self = arg;
    struct channel *channel = &channels[self->use];
    sheaf__thread_name("sheaf", channel->thread_name);
    for (;;) {
        while (sem_wait(&channel->posted)) {
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

/* Whether that is the action of the signal now, which *action receives. */
static bool action_is(int signal, void (*handler)(int), struct sigaction *action)
{
    return sigaction(signal, NULL, action) == 0 && !(action->sa_flags & SA_SIGINFO) &&
           action->sa_handler == handler;
}

static void install_handler(const struct channel *channel)
{
    struct sigaction action = {.sa_flags = SA_RESTART};
    action.sa_handler = channel->handler;
    sigemptyset(&action.sa_mask);
    sigaction(channel->signal, &action, NULL);
}

int sheaf__interrupt_begin(struct sheaf__interrupt *self)
{
    struct channel *channel = &channels[self->use];
    struct sigaction before;
    bool here = self->use != SHEAF__INTERRUPT_RUN || is_main_thread();
    if (!here || !action_is(self->signal, SIG_DFL, &before)) {
        return SHEAF_OK;
    }
    if (sheaf__thread_start(&self->thread, listen_thread, self)) {
        return SHEAF_NOMEM;
    }
    self->listens = true;
    channel->signal = self->signal;
    channel->replaced = before;
    install_handler(channel);
    return SHEAF_OK;
}

void sheaf__interrupt_restore(enum sheaf__interrupt_use use)
{
    struct channel *channel = &channels[use];
    struct sigaction now;
    if (channel->signal && action_is(channel->signal, channel->handler, &now)) {
        sigaction(channel->signal, &channel->replaced, NULL);
    }
}

void sheaf__interrupt_end(struct sheaf__interrupt *self)
{
    if (!self->listens) {
        return;
    }
    sheaf__interrupt_restore(self->use);
    sheaf__store_rel(&self->stop, true);
    sem_post(&channels[self->use].posted);
    pthread_join(self->thread, NULL);
    self->listens = false;
}
