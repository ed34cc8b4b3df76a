/* Events as asyncio's own tests see them. */
#include "tests/support/roles.h"

struct listener {
    sheaf_event *event;
    const char *name;
};

static int listen(void *arg, sheaf_value *result)
{
    const struct listener *l = arg;
    (void)result;
    int status = sheaf_event_wait(l->event);
    NOTE("%s%s", l->name, status ? "!" : "");
    return status;
}

/* EV1, EV4 */
static int a_late_listener_that_need_not_wait_goes_first(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_event event = SHEAF_EVENT_INIT;
    struct listener listeners[3] = {{&event, "a"}, {&event, "b"}, {&event, "late"}};
    sheaf_future *tasks[3];
    tasks[0] = sheaf_spawn(listen, &listeners[0]);
    tasks[1] = sheaf_spawn(listen, &listeners[1]);
    settle();
    EXPECT_NOTES("");
    tasks[2] = sheaf_spawn(listen, &listeners[2]);
    EXPECT_INT(sheaf_event_set(&event), SHEAF_OK);
    settle();
    EXPECT_NOTES("late a b");
    for (int i = 0; i < 3; i++) {
        expect_end(tasks[i], SHEAF_OK);
    }
    return SHEAF_OK;
}

/* EV1 */
static int an_event_that_is_set_makes_nobody_wait(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_event event = SHEAF_EVENT_INIT;
    struct role other = {.name = "other"};
    EXPECT_INT(sheaf_event_set(&event), SHEAF_OK);
    sheaf_future *task = start(&other);
    EXPECT_INT(sheaf_event_wait(&event), SHEAF_OK);
    EXPECT_INT(sheaf_event_wait(&event), SHEAF_OK);
    EXPECT_NOTES("");
    expect_end(task, SHEAF_OK);
    return SHEAF_OK;
}

/* EV3 */
static int a_cancelled_listener_leaves_no_trace(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_event event = SHEAF_EVENT_INIT;
    struct listener listeners[2] = {{&event, "a"}, {&event, "b"}};
    sheaf_future *first = sheaf_spawn(listen, &listeners[0]);
    sheaf_future *second = sheaf_spawn(listen, &listeners[1]);
    settle();
    EXPECT(sheaf_cancel(first));
    expect_end(first, SHEAF_CANCELLED);
    EXPECT(!sheaf_event_is_set(&event));
    EXPECT_INT(sheaf_event_set(&event), SHEAF_OK);
    expect_end(second, SHEAF_OK);
    EXPECT_NOTES("a! b");
    return SHEAF_OK;
}

/* EV1 */
static int an_event_can_be_set_and_cleared(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_event event = SHEAF_EVENT_INIT;
    EXPECT(!sheaf_event_is_set(&event));
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(sheaf_event_set(&event), SHEAF_OK);
        EXPECT(sheaf_event_is_set(&event));
        EXPECT_INT(sheaf_event_clear(&event), SHEAF_OK);
        EXPECT(!sheaf_event_is_set(&event));
    }
    EXPECT_INT(sheaf_event_wait_until(&event, sheaf_now()), SHEAF_TIMEOUT);
    return SHEAF_OK;
}

/* EV2 */
static int who_waited_wakes_once_although_it_is_cleared(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_event event = SHEAF_EVENT_INIT;
    struct listener listener = {&event, "a"};
    sheaf_future *task = sheaf_spawn(listen, &listener);
    settle();
    EXPECT_INT(sheaf_event_set(&event), SHEAF_OK);
    EXPECT_INT(sheaf_event_clear(&event), SHEAF_OK);
    EXPECT_INT(sheaf_event_set(&event), SHEAF_OK);
    EXPECT_INT(sheaf_event_clear(&event), SHEAF_OK);
    expect_end(task, SHEAF_OK);
    settle();
    EXPECT_NOTES("a");
    EXPECT(!sheaf_event_is_set(&event));
    return SHEAF_OK;
}

static const struct fixture_test tests[] = {
    TASK_TEST_ON(MODE_FIFO, a_late_listener_that_need_not_wait_goes_first),
    TASK_TEST_ON(MODES_SINGLE, an_event_that_is_set_makes_nobody_wait),
    TASK_TEST_ON(MODES_VIRTUAL, a_cancelled_listener_leaves_no_trace),
    TASK_TEST(an_event_can_be_set_and_cleared),
    TASK_TEST_ON(MODES_VIRTUAL, who_waited_wakes_once_although_it_is_cleared),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
