/* A task that a worker has taken for a loop, which then gets no stack, while the pool stops: the
 * worker leaves with the task in its hand. */
#include <sched.h>

#include "lib/atomics.h"
#include "lib/fiber.h"
#include "lib/pool_impl.h"
#include "tests/support/fixture.h"

/* The pool whose next fiber is refused once it has been stopped. */
static SHEAF__ATOMIC(sheaf_pool *) refused;
static SHEAF__ATOMIC(int) asked;

typedef struct sheaf__fiber *new_fiber(sheaf_pool *pool, struct sheaf__fibers *fibers, size_t size,
                                       void (*body)(void *arg),
                                       void (*resume)(struct sheaf__wait *wait));

/* The linker's --wrap puts this in the place of sheaf__fiber_new(). */
new_fiber __wrap_sheaf__fiber_new, __real_sheaf__fiber_new;

struct sheaf__fiber *__wrap_sheaf__fiber_new(sheaf_pool *pool, struct sheaf__fibers *fibers,
                                             size_t size, void (*body)(void *arg),
                                             void (*resume)(struct sheaf__wait *wait))
{
    if (pool != sheaf__load_acq(&refused)) {
        return __real_sheaf__fiber_new(pool, fibers, size, body, resume);
    }
    sheaf__store_rel(&asked, 1);
    while (!sheaf__pool_stopped(pool)) {
        sched_yield();
    }
    return NULL;
}

static SHEAF__ATOMIC(int) dropped;

static void drop_arg(void *arg)
{
    (void)arg;
    sheaf__add_acq_rel(&dropped, 1);
}

static int never_runs(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    EXPECT(false);
    return SHEAF_OK;
}

/* Leaves its worker a task, and the worker no stack to run it on. */
static int leave_one(void *arg, sheaf_value *result)
{
    (void)result;
    *(sheaf_future **)arg =
        sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.arg_drop = drop_arg), never_runs, NULL);
    sheaf__store_rel(&refused, sheaf_pool_current());
    return sheaf_sleep(SHEAF_FOREVER);
}

static void a_task_in_a_workers_hand_ends_with_its_pool(struct fixture *f)
{
    sheaf_options options = fixture_options(f);
    sheaf_pool *pool = NULL;
    sheaf_future *left = NULL;
    options.workers = 1; /* nobody else is to find the task */
    options.flags = SHEAF_POOL_NO_SPARES;
    EXPECT_INT(sheaf_pool_open(&options, &pool), SHEAF_OK);
    sheaf_future *task = sheaf_spawn_on(pool, leave_one, &left);
    while (!sheaf__load_acq(&asked)) {
        sched_yield();
    }
    EXPECT_INT(sheaf_pool_close(pool, SHEAF_CLOSE_ABANDON, SHEAF_FOREVER, NULL, NULL), SHEAF_OK);
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_CLOSED);
    EXPECT(sheaf_done(left));
    EXPECT_INT(sheaf__load_acq(&dropped), 1);
    EXPECT_INT(sheaf_join(left, NULL), SHEAF_CLOSED);
    sheaf__store_rel(&refused, NULL);
    sheaf__store_rel(&asked, 0);
    sheaf__store_rel(&dropped, 0);
}

static const struct fixture_test tests[] = {
    THREAD_TEST(a_task_in_a_workers_hand_ends_with_its_pool),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
