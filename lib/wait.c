#include "lib/wait.h"

#include "lib/list.h"
#include "lib/spin.h"

/* Whether the two bits that allow a resume are there and nobody holds it back. */
static bool may_resume(uint32_t word)
{
    return (word & SHEAF__WAIT_PARKED) && (word & SHEAF__WAIT_REASON) &&
           !(word & SHEAF__WAIT_PINNED);
}

bool sheaf__wake(struct sheaf__wait *wait, uint32_t reason)
{
    uint32_t word = sheaf__load_rlx(&wait->word);
    do {
        if (word & SHEAF__WAIT_REASON) {
            return false;
        }
        /* acq_rel: hands over what the waker did; sees what the parking did. */
    } while (!sheaf__cas_weak_acq_rel(&wait->word, &word, word | reason));
    if (may_resume(word | reason)) {
        wait->resume(wait);
    }
    return true;
}

bool sheaf__wait_parked(struct sheaf__wait *wait)
{
    /* Nobody changes a word that has a reason and is not parked.
     * acquire: pairs with the waker's compare-and-swap. */
    if (sheaf__load_acq(&wait->word) & SHEAF__WAIT_REASON) {
        return true;
    }
    uint32_t word = sheaf__or_acq_rel(&wait->word, SHEAF__WAIT_PARKED);
    return may_resume(word | SHEAF__WAIT_PARKED);
}

bool sheaf__wait_pin(struct sheaf__wait *wait)
{
    uint32_t word = SHEAF__WAIT_PARKED;
    return sheaf__cas_acq_rel(&wait->word, &word, SHEAF__WAIT_PARKED | SHEAF__WAIT_PINNED);
}

void sheaf__wait_unpin(struct sheaf__wait *wait)
{
    uint32_t word = sheaf__and_acq_rel(&wait->word, ~(uint32_t)SHEAF__WAIT_PINNED);
    if (may_resume(word & ~(uint32_t)SHEAF__WAIT_PINNED)) {
        wait->resume(wait);
    }
}

bool sheaf__wait_seal(struct sheaf__wait *wait)
{
    unsigned turns = 0;
    uint32_t word = SHEAF__WAIT_PARKED;
    /* relaxed: either the wakers find a reason, or this finds theirs; nothing else is handed over.
     * What the sleeper did is known from the end of its worker, what a waker did from the queue. */
    while (!sheaf__cas_rlx(&wait->word, &word,
                           SHEAF__WAIT_PARKED | SHEAF__WAIT_CANCEL | SHEAF__WAIT_GONE)) {
        if (word & SHEAF__WAIT_REASON) {
            return false;
        }
        sheaf__spin_wait(&turns);
        word = SHEAF__WAIT_PARKED;
    }
    return true;
}

static void resume_thread(struct sheaf__wait *wait)
{
    struct sheaf__thread_wait *self = SHEAF__CONTAINER(wait, struct sheaf__thread_wait, wait);
    sheaf__unpark(&self->parker);
}

bool sheaf__thread_wait_init(struct sheaf__thread_wait *self)
{
    if (sheaf__parker_init(&self->parker, false)) {
        return false;
    }
    self->wait.resume = resume_thread;
    sheaf__store_rlx(&self->wait.word, SHEAF__WAIT_PARKED);
    return true;
}

void sheaf__thread_wait_destroy(struct sheaf__thread_wait *self)
{
    sheaf__parker_destroy(&self->parker);
}

uint32_t sheaf__thread_wait_sleep(struct sheaf__thread_wait *self, int64_t deadline)
{
    if (!sheaf__park_until(&self->parker, deadline)) {
        uint32_t word = SHEAF__WAIT_PARKED;
        if (sheaf__cas_acq_rel(&self->wait.word, &word, SHEAF__WAIT_PARKED | SHEAF__WAIT_TIMEOUT)) {
            return SHEAF__WAIT_TIMEOUT;
        }
        /* Somebody has decided: its unpark is on the way and must not find the parker gone. */
        sheaf__park(&self->parker);
    }
    return sheaf__wait_reason(&self->wait);
}
