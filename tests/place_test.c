/* Where a task was spawned: noted by the calls that spawn, told by the task and its errors. */
#include "tests/support/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Expects that the task which the call gives was spawned where the call stands. */
#define EXPECT_PLACE(call) expect_place((call), SHEAF_PLACE)

static int do_nothing(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return SHEAF_OK;
}

static int fail_plainly(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return EIO;
}

static int fail_loudly(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_raise(EIO, "it is down");
}

static void expect_place(sheaf_future *task, const char *place)
{
    const char *told = sheaf_future_place(task);
    if (place && told) {
        EXPECT_TEXT(told, place);
    } else {
        EXPECT_PTR(told, place);
    }
    EXPECT_INT(sheaf_join(task, NULL), SHEAF_OK);
}

static int every_call_that_spawns_notes_its_place(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    int number = 1;
    sheaf_future *many[2];
    EXPECT_PLACE(sheaf_spawn(do_nothing, NULL));
    EXPECT_PLACE(sheaf_spawn_on(f->pool, do_nothing, NULL));
    EXPECT_PLACE(sheaf_spawn_copy(do_nothing, &number, sizeof number));
    EXPECT_PLACE(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.name = "named"), do_nothing, NULL));
    EXPECT_PLACE((sheaf_spawn_many(do_nothing, NULL, 0, 2, many), many[0]));
    EXPECT(sheaf_future_place(many[1]) != NULL);
    EXPECT_INT(sheaf_join(many[1], NULL), SHEAF_OK);
    return SHEAF_OK;
}

static int members_of_groups_note_their_places(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_group group;
    EXPECT_INT(sheaf_group_open(&group, SHEAF_GROUP_OPTIONS(.flags = SHEAF_GROUP_SUPERVISE)),
               SHEAF_OK);
    EXPECT_PLACE(sheaf_group_spawn(&group, do_nothing, NULL));
    expect_place((sheaf_group_spawn)(&group, do_nothing, NULL), NULL);
    EXPECT_INT(sheaf_group_start(&group, do_nothing, NULL), SHEAF_OK);
    EXPECT_INT((sheaf_group_start)(&group, do_nothing, NULL), SHEAF_OK);
    return sheaf_group_close(&group, SHEAF_OK);
}

static int tasks_of_strands_note_their_places(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    sheaf_strand *strand = NULL;
    EXPECT_INT(sheaf_strand_open(f->pool, &strand), SHEAF_OK);
    EXPECT_PLACE(sheaf_strand_spawn(strand, do_nothing, NULL));
    expect_place((sheaf_strand_spawn)(strand, do_nothing, NULL), NULL);
    sheaf_strand_close(strand);
    return SHEAF_OK;
}

static int a_place_that_is_given_counts_more(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_place(sheaf_spawn_with(SHEAF_SPAWN_OPTIONS(.place = "here"), do_nothing, NULL), "here");
    expect_place(sheaf_spawn_at("there", do_nothing, NULL), "there");
    return SHEAF_OK;
}

static int the_functions_themselves_know_no_place(void *arg, sheaf_value *result)
{
    (void)result;
    struct fixture *f = arg;
    int number = 1;
    sheaf_future *many[1];
    expect_place((sheaf_spawn)(do_nothing, NULL), NULL);
    expect_place((sheaf_spawn_on)(f->pool, do_nothing, NULL), NULL);
    expect_place((sheaf_spawn_copy)(do_nothing, &number, sizeof number), NULL);
    expect_place(sheaf_spawn_with(NULL, do_nothing, NULL), NULL);
    (sheaf_spawn_many)(do_nothing, NULL, 0, 1, many);
    expect_place(many[0], NULL);
    return SHEAF_OK;
}

static int what_is_no_task_has_no_place(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_task frame;
    sheaf_future *promise = sheaf_promise(NULL);
    EXPECT_PTR(sheaf_future_place(NULL), NULL);
    EXPECT_PTR(sheaf_future_place(promise), NULL);
    EXPECT_PTR(sheaf_future_place(sheaf_task_spawn(&frame, do_nothing, NULL)), NULL);
    EXPECT_INT(sheaf_task_join(&frame, NULL), SHEAF_OK);
    sheaf_future *refused = sheaf_spawn(NULL, NULL);
    EXPECT_PTR(sheaf_future_place(refused), NULL);
    sheaf_release(refused);
    EXPECT_INT(sheaf_resolve(promise, (sheaf_value){0}), SHEAF_OK);
    sheaf_release(promise);
    return SHEAF_OK;
}

/* A task without trimmings gets them later: the place moves there. */
static int a_place_stays_when_the_task_gets_a_name(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    const char *place;
    sheaf_future *task = (place = SHEAF_PLACE, sheaf_spawn(do_nothing, NULL));
    EXPECT_INT(sheaf_future_set_name(task, "late"), SHEAF_OK);
    expect_place(task, place);
    task = (place = SHEAF_PLACE, sheaf_spawn(do_nothing, NULL));
    bool cancelled = sheaf_cancel_message(task, "enough"); /* not if it has ended by now */
    EXPECT_TEXT(sheaf_future_place(task), place);
    int status = sheaf_join(task, NULL);
    EXPECT(status == SHEAF_OK || (cancelled && status == SHEAF_CANCELLED));
    return SHEAF_OK;
}

static void expect_error_place(sheaf_future *task, const char *place)
{
    EXPECT_INT(sheaf_await(task, NULL), EIO);
    sheaf_error *error = sheaf_future_error(task);
    char text[400];
    EXPECT_TEXT(sheaf_error_place(error), place);
    sheaf_error_format(error, text, sizeof text);
    EXPECT(strstr(text, place) != NULL);
    sheaf_error_release(error);
    sheaf_release(task);
}

static int errors_tell_the_place(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    expect_error_place(sheaf_spawn(fail_plainly, NULL), SHEAF_PLACE);
    expect_error_place(sheaf_spawn(fail_loudly, NULL), SHEAF_PLACE);
    return SHEAF_OK;
}

/* What the hook was told; written before the run ends. */
static char told_name[100], told_place[200];

static void keep_place(void *context, const sheaf_error *error, const char *task_name)
{
    (void)context;
    const char *place = sheaf_error_place(error);
    (void)snprintf(told_name, sizeof told_name, "%s", task_name);
    (void)snprintf(told_place, sizeof told_place, "%s", place ? place : "nowhere");
}

static int leave_an_error(void *arg, sheaf_value *result)
{
    (void)result;
    const char **place = arg;
    sheaf_future *task = (*place = SHEAF_PLACE, sheaf_spawn(fail_plainly, NULL));
    EXPECT_INT(sheaf_future_set_name(task, "lost"), SHEAF_OK);
    while (!sheaf_done(task)) {
        SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    }
    sheaf_release(task);
    return SHEAF_OK;
}

static void an_error_that_nobody_saw_tells_name_and_place(struct fixture *f)
{
    const char *place = NULL;
    sheaf_options options = fixture_options(f);
    options.unhandled = keep_place;
    EXPECT_INT(sheaf_run(&options, leave_an_error, &place, NULL), SHEAF_OK);
    EXPECT_TEXT(told_name, "lost");
    EXPECT_TEXT(told_place, place);
}

static const struct fixture_test tests[] = {
    TASK_TEST(every_call_that_spawns_notes_its_place),
    TASK_TEST(members_of_groups_note_their_places),
    TASK_TEST(tasks_of_strands_note_their_places),
    TASK_TEST(a_place_that_is_given_counts_more),
    TASK_TEST(the_functions_themselves_know_no_place),
    TASK_TEST(what_is_no_task_has_no_place),
    TASK_TEST(a_place_stays_when_the_task_gets_a_name),
    TASK_TEST(errors_tell_the_place),
    POOL_TEST(an_error_that_nobody_saw_tells_name_and_place),
};

int main(void)
{
    return fixture_main(tests, sizeof tests / sizeof tests[0]);
}
