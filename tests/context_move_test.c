/* Contexts that move between threads: what moves along, and what they find there. */
#include "tests/support/strand.h"

#include "lib/platform/self.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

/* ---- between threads ------------------------------------------------------------------------- */

/* Two threads that resume one context, once each and in turn.  Both live until both are done, so
 * that their thread-locals have different addresses. */
struct resumer {
    struct sheaf__context self;
    struct strand *strand;
    pthread_barrier_t *turn; /* passed before the turn of the second, and when that is over */
    bool second;
    char name;
};

static void resume(struct resumer *r)
{
    sheaf__context_adopt(&r->self);
    sheaf__self_set(&r->name);
    errno = 0;
    r->strand->back = &r->self;
    sheaf__context_switch(&r->self, &r->strand->context);
    sheaf__self_set(NULL);
    sheaf__context_release(&r->self);
}

static void *resume_in_turn(void *arg)
{
    struct resumer *r = arg;
    if (!r->second) resume(r);
    pthread_barrier_wait(r->turn);
    if (r->second) resume(r);
    pthread_barrier_wait(r->turn);
    return NULL;
}

/* Run a body that yields once, the first part on one thread and the second on another. */
static int64_t run_on_two_threads(struct resumer *a, struct resumer *b,
                                  void (*body)(struct strand *))
{
    struct strand s = {.out = 0};
    pthread_barrier_t turn;
    pthread_t thread[2];
    assert_int_equal(pthread_barrier_init(&turn, NULL, 2), 0);
    *a = (struct resumer){.strand = &s, .turn = &turn};
    *b = (struct resumer){.strand = &s, .turn = &turn, .second = true};
    strand_start(&s, &a->self, body);
    assert_int_equal(pthread_create(&thread[0], NULL, resume_in_turn, a), 0);
    assert_int_equal(pthread_create(&thread[1], NULL, resume_in_turn, b), 0);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&turn);
    strand_end(&s);
    return s.out;
}

static struct resumer first;
static struct resumer second;

static void read_self_twice(struct strand *s)
{
    s->out += sheaf__self_get() != &first.name;
    strand_yield(s);
    s->out += sheaf__self_get() != &second.name;
}

static void read_self_twice_through_the_call(struct strand *s)
{
    s->out += sheaf__self_get_portable() != &first.name;
    strand_yield(s);
    s->out += sheaf__self_get_portable() != &second.name;
}

static void self_is_the_new_threads_after_a_move(void **state)
{
    (void)state;
    assert_int_equal(run_on_two_threads(&first, &second, read_self_twice), 0);
    assert_int_equal(run_on_two_threads(&first, &second, read_self_twice_through_the_call), 0);
}

static void self_is_null_until_it_is_set(void **state)
{
    char name;
    (void)state;
    assert_null(sheaf__self_get());
    sheaf__self_set(&name);
    assert_ptr_equal(sheaf__self_get(), &name);
    assert_ptr_equal(sheaf__self_get_portable(), &name);
    sheaf__self_set(NULL);
    assert_null(sheaf__self_get());
    assert_null(sheaf__self_get_portable());
}

/* The second thread's errno is still 0: nothing was written to the place of the first. */
static void write_errno_twice(struct strand *s)
{
    int *before = sheaf__errno_place();
    *before = EDOM;
    strand_yield(s);
    int *after = sheaf__errno_place();
    s->out += after == before;
    s->out += *after != 0;
    *after = ERANGE;
    s->out += sheaf__errno_get() != ERANGE;
}

static void errno_is_the_new_threads_after_a_move(void **state)
{
    (void)state;
    assert_int_equal(run_on_two_threads(&first, &second, write_errno_twice), 0);
    errno = EDOM;
    assert_ptr_equal(sheaf__errno_place(), &errno);
    assert_int_equal(sheaf__errno_get(), EDOM);
    sheaf__errno_set(ERANGE);
    assert_int_equal(errno, ERANGE);
}

/* ---- many contexts on many threads ----------------------------------------------------------- */

#define CROWD 32
#define CROWD_THREADS 3
#if SHEAF__SANITIZED
#define CROWD_YIELDS 100
#else
#define CROWD_YIELDS 2000
#endif

/* Suspended strands in the order in which they came.  Threads take one that another thread resumed
 * last, resume it and put it back, so that each yield is a move. */
struct crowd {
    pthread_mutex_t lock; /* guards waiting, count and alive */
    struct strand *waiting[CROWD];
    size_t count;
    size_t alive;
    struct strand strands[CROWD];
};

static int64_t scramble(int64_t value)
{
    return (int64_t)(((uint64_t)value * 6364136223846793005u + 1442695040888963407u) >> 1);
}

/* Computes in locals all the time; in counts the moves to another thread. */
static void scramble_and_move(struct strand *s)
{
    int64_t value = s->in;
    void *last = sheaf__self_get();
    s->in = 0;
    for (int i = 0; i < CROWD_YIELDS; i++) {
        value = scramble(value);
        strand_yield(s);
        void *now = sheaf__self_get();
        s->in += now != last;
        last = now;
    }
    s->out = value;
    s->ended = true;
}

/* Which waiting strand to resume from `self`: the oldest that somebody else resumed last, or
 * count. */
static size_t crowd_choose(const struct crowd *c, const struct sheaf__context *self)
{
    size_t i = 0;
    while (i < c->count && c->waiting[i]->back == self) i++;
    return i;
}

/* NULL: there is none at the moment; *over: all have ended. */
static struct strand *crowd_take(struct crowd *c, const struct sheaf__context *self, bool *over)
{
    struct strand *s = NULL;
    pthread_mutex_lock(&c->lock);
    size_t i = crowd_choose(c, self);
    if (i < c->count) {
        s = c->waiting[i];
        c->count--;
        memmove(c->waiting + i, c->waiting + i + 1, (c->count - i) * sizeof *c->waiting);
    }
    *over = c->alive == 0;
    pthread_mutex_unlock(&c->lock);
    return s;
}

static void crowd_put(struct crowd *c, struct strand *s)
{
    pthread_mutex_lock(&c->lock);
    if (s->ended)
        c->alive--;
    else
        c->waiting[c->count++] = s;
    pthread_mutex_unlock(&c->lock);
}

static void *crowd_thread(void *arg)
{
    struct crowd *c = arg;
    struct sheaf__context self;
    bool over = false;
    sheaf__context_adopt(&self);
    sheaf__self_set(&self);
    while (!over) {
        struct strand *s = crowd_take(c, &self, &over);
        if (s) {
            s->back = &self;
            sheaf__context_switch(&self, &s->context);
            crowd_put(c, s);
        } else {
            sched_yield();
        }
    }
    sheaf__self_set(NULL);
    sheaf__context_release(&self);
    return NULL;
}

static int64_t scrambled(int64_t value)
{
    for (int i = 0; i < CROWD_YIELDS; i++) value = scramble(value);
    return value;
}

static void contexts_move_freely_between_threads(void **state)
{
    static struct crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread[CROWD_THREADS];
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        c.strands[i].in = i;
        strand_start(&c.strands[i], NULL, scramble_and_move);
        c.waiting[i] = &c.strands[i];
    }
    c.count = c.alive = CROWD;
    for (int i = 0; i < CROWD_THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, crowd_thread, &c), 0);
    for (int i = 0; i < CROWD_THREADS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(c.strands[i].out, scrambled(i));
        assert_int_equal(c.strands[i].in, CROWD_YIELDS);
        strand_end(&c.strands[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_strands(self_is_the_new_threads_after_a_move),
        cmocka_unit_test(self_is_null_until_it_is_set),
        with_strands(errno_is_the_new_threads_after_a_move),
        with_strands(contexts_move_freely_between_threads),
    };
    return cmocka_run_group_tests_name("context_move", tests, NULL, NULL);
}
