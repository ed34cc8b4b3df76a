/* What composed futures must hold against in bad moments: ends, requests and the last references
 * that meet; depth; and whose request it is. */
#include "lib/atomics.h"
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* A promise of the fixture's pool, made on a plain thread. */
static sheaf_future *promise_for(struct fixture *f)
{
    return sheaf_promise(SHEAF_PROMISE_OPTIONS(.pool = f->pool));
}

/* Some turns of nothing: the moments at which things happen differ from round to round. */
static void busy_turns(size_t count)
{
    for (volatile size_t i = 0; i < count; i++) {
    }
}

struct shielded {
    sheaf_future *shield;
    struct gate gate;
    pthread_t thread;
};

static void *cancel_and_release(void *arg)
{
    struct shielded *s = arg;
    sheaf_cancel(s->shield);
    gate_arrive(&s->gate);
    gate_wait(&s->gate, 2);
    sheaf_release(s->shield);
    return NULL;
}

static void the_last_reference_to_a_cancelled_shield_meets_the_end(struct fixture *f)
{
    size_t rounds = fixture_scaled(4000);
    for (size_t i = 0; i < rounds; i++) {
        struct shielded s = {.gate = GATE_INIT};
        sheaf_future *promise = promise_for(f);
        s.shield = sheaf_shield(promise);
        pthread_create(&s.thread, NULL, cancel_and_release, &s);
        gate_arrive(&s.gate);
        gate_wait(&s.gate, 2);
        busy_turns(i * 997 % 100000);
        sheaf_try_resolve(promise, (sheaf_value){0});
        pthread_join(s.thread, NULL);
        sheaf_release(promise);
    }
}

static const struct fixture_test tests[] = {
    THREAD_TEST(the_last_reference_to_a_cancelled_shield_meets_the_end),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
