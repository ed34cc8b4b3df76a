/* Only what POSIX lets a handler do is done in it: sigaction, pthread_sigmask, raise, write.
 *
 * The handler may run, on whatever thread, while another one installs or restores: so `previous` is
 * written before the handler can be called, and never again while it is installed. */
#include "lib/platform/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/platform/self.h"
#include "lib/platform/stack.h"

/* More than handlers need that symbolize a trace. */
#define SIGNAL_STACK_SIZE ((size_t)64 * 1024)

#define LINE_SIZE 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned watchers;           /* guarded by lock */
static struct sigaction previous;   /* const while the handler is installed */
static sheaf__fault_fn *describing; /* the same */

/* The registers of the signal that is being passed on.  Handlers that call each other in a circle,
 * which happens when both believe that they came later, pass the same ones round.  Not a lock: of
 * two threads that fault at once one may go round until its signal stack is full. */
static _Atomic(void *) passing;

/* ---------------------------------------------------------------- the handler */

static void tell(const void *address)
{
    char line[LINE_SIZE];
    size_t length = describing(address, line, sizeof line);
    if (length > 0) {
        ssize_t written = write(STDERR_FILENO, line, length);
        (void)written; /* there is nobody to tell */
    }
}

/* The default action: a fault happens again when the handler returns, and kills.  A signal that
 * somebody sent does not, so it is sent again; it comes when the handler returns. */
static void die_of(int signal, const siginfo_t *info)
{
    struct sigaction action = {.sa_flags = 0};
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
    if (info->si_code <= 0) {
        raise(signal);
    }
}

/* As the kernel would have called it; its mask goes with the return from the handler. */
static void call_previous(int signal, siginfo_t *info, void *registers)
{
    pthread_sigmask(SIG_BLOCK, &previous.sa_mask, NULL);
    if (previous.sa_flags & SA_NODEFER) {
        sigset_t self;
        sigemptyset(&self);
        sigaddset(&self, signal);
        pthread_sigmask(SIG_UNBLOCK, &self, NULL);
    }
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal, info, registers);
    } else {
        previous.sa_handler(signal);
    }
}

static void pass_on(int signal, siginfo_t *info, void *registers)
{
    bool has_handler = (previous.sa_flags & SA_SIGINFO) ||
                       (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN);
    bool is_sent = info->si_code <= 0;
    if (!has_handler && previous.sa_handler == SIG_IGN && is_sent) {
        return; /* the kernel ignores only what was sent, not what would happen again */
    }
    /* relaxed: a hint, see there. */
    bool circle = atomic_exchange_explicit(&passing, registers, memory_order_relaxed) == registers;
    if (!has_handler || circle) {
        die_of(signal, info);
    } else {
        call_previous(signal, info, registers);
    }
    atomic_store_explicit(&passing, NULL, memory_order_relaxed);
}

static void on_fault(int signal, siginfo_t *info, void *registers)
{
    int before = sheaf__errno_get();
    if (info->si_code > 0) {
        tell(info->si_addr);
    }
    pass_on(signal, info, registers);
    sheaf__errno_set(before);
}

/* ---------------------------------------------------------------- watching */

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_fault;
}

/* Requires: lock */
static void install(sheaf__fault_fn *describe)
{
    struct sigaction before;
    struct sigaction ours = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    ours.sa_sigaction = on_fault;
    sigemptyset(&ours.sa_mask);
    if (sigaction(SIGSEGV, NULL, &before) != 0 || is_ours(&before)) {
        return; /* a handler that came later has gone and put it back */
    }
    previous = before;
    describing = describe;
    sigaction(SIGSEGV, &ours, NULL);
}

void sheaf__fault_watch(sheaf__fault_fn *describe)
{
    pthread_mutex_lock(&lock);
    if (watchers++ == 0) {
        install(describe);
    }
    pthread_mutex_unlock(&lock);
}

void sheaf__fault_unwatch(void)
{
    struct sigaction now;
    pthread_mutex_lock(&lock);
    watchers--;
    if (watchers == 0 && sigaction(SIGSEGV, NULL, &now) == 0 && is_ours(&now)) {
        sigaction(SIGSEGV, &previous, NULL);
    }
    pthread_mutex_unlock(&lock);
}

/* ---------------------------------------------------------------- signal stacks */

void sheaf__signal_stack_enter(struct sheaf__signal_stack *stack)
{
    stack_t now;
    stack->low = NULL;
    if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE)) {
        return; /* a sanitizer's, which it also takes away */
    }
    stack->low = sheaf__stack_map(SIGNAL_STACK_SIZE, &stack->usable);
    if (!stack->low) {
        return;
    }
    stack_t ours = {.ss_sp = stack->low, .ss_size = stack->usable};
    if (sigaltstack(&ours, NULL) != 0) {
        sheaf__stack_unmap(stack->low, stack->usable);
        stack->low = NULL;
    }
}

void sheaf__signal_stack_leave(struct sheaf__signal_stack *stack)
{
    if (stack->low) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        sheaf__stack_unmap(stack->low, stack->usable);
    }
}
