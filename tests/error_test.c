/* Statuses and error objects: contents, groups, links, references, text, hooks, lack of memory. */
#include "lib/error_impl.h"
#include "tests/support/emulator.h"

#include "lib/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int no_block_is_left(void **state)
{
    (void)state;
    assert_int_equal(sheaf__alloc_counts().live_blocks, 0);
    assert_int_equal(sheaf__alloc_counts().live_bytes, 0);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, no_block_is_left)

/* ---------------------------------------------------------------- statuses */

static void every_status_has_its_name_and_text(void **state)
{
    (void)state;
#define CHECK_STATUS(name, number, text)                                                           \
    assert_int_equal(SHEAF_##name, number);                                                        \
    assert_string_equal(sheaf_status_name(number), "SHEAF_" #name);                                \
    assert_string_equal(sheaf_status_text(number), text);                                          \
    assert_true(sheaf__status_known(number));
    SHEAF_STATUS_MAP(CHECK_STATUS)
#undef CHECK_STATUS
}

static void numbers_of_statuses_are_fixed(void **state)
{
    (void)state;
    assert_int_equal(SHEAF_OK, 0);
    assert_int_equal(SHEAF_CANCELLED, -1001);
    assert_int_equal(SHEAF_LOST, -1011);
    assert_int_equal(SHEAF_BROKEN, -1015);
    assert_int_equal(SHEAF_INTERRUPTED, -1016);
}

static void errno_values_have_the_texts_of_the_c_library(void **state)
{
    (void)state;
    assert_string_equal(sheaf_status_name(EIO), "EIO");
    assert_string_equal(sheaf_status_name(EDOM), "EDOM");
    assert_string_equal(sheaf_status_text(EIO), strerror(EIO));
    assert_string_equal(sheaf_status_text(ENOENT), strerror(ENOENT));
}

static void other_numbers_have_a_text_too(void **state)
{
    static const int numbers[] = {1000000, -1, -EIO, -1000, -1017, INT32_MIN, INT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_false(sheaf__status_known(numbers[i]));
        assert_string_equal(sheaf_status_name(numbers[i]), "code");
        assert_true(strlen(sheaf_status_text(numbers[i])) > 0);
    }
}

static void exit_codes_never_turn_failure_into_success(void **state)
{
    (void)state;
    assert_int_equal(sheaf_exit_code(SHEAF_OK), 0);
    assert_int_equal(sheaf_exit_code(1), 1);
    assert_int_equal(sheaf_exit_code(123), 123);
    assert_int_equal(sheaf_exit_code(124), 1);
    assert_int_equal(sheaf_exit_code(256), 1);
    assert_int_equal(sheaf_exit_code(SHEAF_TIMEOUT), 124);
    assert_int_equal(sheaf_exit_code(SHEAF_CANCELLED), 130);
    assert_int_equal(sheaf_exit_code(SHEAF_INTERRUPTED), 130);
    assert_int_equal(sheaf_exit_code(SHEAF_NOMEM), 1);
    assert_int_equal(sheaf_exit_code(-256), 1);
}

static int count_and_return(int *calls, int status)
{
    ++*calls;
    return status;
}

static int try_twice(int *calls, int status)
{
    SHEAF_TRY(count_and_return(calls, SHEAF_OK));
    SHEAF_TRY(count_and_return(calls, status));
    return 77;
}

static void try_evaluates_once_and_returns_failures(void **state)
{
    int calls = 0;
    (void)state;
    assert_int_equal(try_twice(&calls, SHEAF_OK), 77);
    assert_int_equal(calls, 2);
    assert_int_equal(try_twice(&calls, SHEAF_TIMEOUT), SHEAF_TIMEOUT);
    assert_int_equal(try_twice(&calls, EIO), EIO);
    assert_int_equal(calls, 6);
}

/* ---------------------------------------------------------------- contents */

static void an_error_has_its_code_and_formatted_message(void **state)
{
    sheaf_error *error = sheaf_error_new(EIO, "%s is down for %d s", "orders", 12);
    (void)state;
    assert_int_equal(sheaf_error_code(error), EIO);
    assert_string_equal(sheaf_error_message(error), "orders is down for 12 s");
    assert_int_equal(sheaf_error_part_count(error), 0);
    assert_null(sheaf_error_part(error, 0));
    assert_null(sheaf_error_cause(error));
    assert_null(sheaf_error_during(error));
    assert_null(sheaf_error_payload(error));
    assert_null(sheaf_error_task_name(error));
    assert_null(sheaf_error_place(error));
    assert_false(sheaf_error_is_fatal(error));
    sheaf_error_release(error);
}

static void a_message_may_be_long_or_missing(void **state)
{
    sheaf_error *longest = sheaf_error_new(1, "%*d", 100000, 7);
    sheaf_error *bare = sheaf_error_new(EIO, NULL);
    sheaf_error *empty = sheaf_error_new(EIO, "%s", "");
    (void)state;
    assert_int_equal(strlen(sheaf_error_message(longest)), 100000);
    assert_string_equal(sheaf_error_message(bare), strerror(EIO));
    assert_string_equal(sheaf_error_message(empty), "");
    sheaf_error_release(longest);
    sheaf_error_release(bare);
    sheaf_error_release(empty);
}

static void a_percent_sign_in_data_is_data(void **state)
{
    sheaf_error *part = sheaf_error_new(EIO, "%s", "100%s %n");
    sheaf_error *group = sheaf_error_group(EIO, "50%d", &part, 1);
    (void)state;
    assert_string_equal(sheaf_error_message(part), "100%s %n");
    assert_string_equal(sheaf_error_message(group), "50%d");
    sheaf_error_release(part);
    sheaf_error_release(group);
}

static void code_zero_becomes_invalid(void **state)
{
    sheaf_error *error = sheaf_error_new(0, "no failure");
    (void)state;
    assert_int_equal(sheaf_error_code(error), SHEAF_INVALID);
    assert_string_equal(sheaf_error_message(error), "no failure");
    sheaf_error_release(error);
}

static void null_reads_as_no_error(void **state)
{
    char text[8] = "before";
    (void)state;
    assert_int_equal(sheaf_error_code(NULL), SHEAF_OK);
    assert_string_equal(sheaf_error_message(NULL), "");
    assert_int_equal(sheaf_error_part_count(NULL), 0);
    assert_null(sheaf_error_part(NULL, 0));
    assert_null(sheaf_error_cause(NULL));
    assert_null(sheaf_error_during(NULL));
    assert_null(sheaf_error_payload(NULL));
    assert_null(sheaf_error_task_name(NULL));
    assert_null(sheaf_error_place(NULL));
    assert_false(sheaf_error_is_fatal(NULL));
    assert_int_equal(sheaf_error_format(NULL, text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_null(sheaf_error_retain(NULL));
    sheaf_error_release(NULL);
}

static void task_name_and_place_are_copied(void **state)
{
    char name[] = "orders";
    char place[] = "app.c:12";
    sheaf_error *error = sheaf__error_make(EIO, name, place, "x");
    (void)state;
    name[0] = place[0] = '?';
    assert_string_equal(sheaf_error_task_name(error), "orders");
    assert_string_equal(sheaf_error_place(error), "app.c:12");
    assert_string_equal(sheaf_error_message(error), "x");
    sheaf_error_release(error);
}

static void bare_statuses_need_no_memory(void **state)
{
    (void)state;
    sheaf__alloc_fail_after(0, SHEAF__ALLOC_FAIL_STICKY);
    sheaf_error *error = sheaf__error_of_status(SHEAF_CANCELLED);
    sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_STICKY);
    assert_int_equal(sheaf_error_code(error), SHEAF_CANCELLED);
    assert_string_equal(sheaf_error_message(error), "cancelled");
    assert_ptr_equal(error, sheaf__error_of_status(SHEAF_CANCELLED));
    sheaf_error_release(error);
    assert_ptr_equal(sheaf_error_retain(error), error);
    assert_int_equal(sheaf_error_code(sheaf__error_of_status(SHEAF_OK)), SHEAF_INVALID);
    assert_int_equal(sheaf_error_code(sheaf__error_of_status(EIO)), SHEAF_INVALID);
    assert_true(sheaf_error_is_fatal(sheaf__error_of_status(SHEAF_FATAL)));
}

/* ---------------------------------------------------------------- groups and links */

static void a_group_holds_its_parts_in_order(void **state)
{
    sheaf_error *parts[4] = {sheaf_error_new(1, "one"), NULL, sheaf_error_new(2, "two"),
                             sheaf_error_new(3, "three")};
    sheaf_error *group = sheaf_error_group(0, "three failed", parts, 4);
    (void)state;
    for (int i = 0; i < 4; i++) sheaf_error_release(parts[i]);
    assert_int_equal(sheaf_error_code(group), 1);
    assert_string_equal(sheaf_error_message(group), "three failed");
    assert_int_equal(sheaf_error_part_count(group), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sheaf_error_code(sheaf_error_part(group, (size_t)i)), i + 1);
    }
    assert_null(sheaf_error_part(group, 3));
    sheaf_error_release(group);
}

/* TG16, P15 */
static void a_fatal_part_makes_a_group_fatal(void **state)
{
    sheaf_error *parts[2] = {sheaf_error_new(EIO, "io"), sheaf_error_new(SHEAF_FATAL, "stop")};
    sheaf_error *group = sheaf_error_group(0, NULL, parts, 2);
    sheaf_error *outer = sheaf_error_group(EIO, NULL, &group, 1);
    sheaf_error *mild = sheaf_error_group(0, NULL, parts, 1);
    (void)state;
    assert_int_equal(sheaf_error_code(group), SHEAF_FATAL);
    assert_int_equal(sheaf_error_code(outer), EIO);
    assert_true(sheaf_error_is_fatal(outer));
    assert_false(sheaf_error_is_fatal(mild));
    assert_true(strlen(sheaf_error_message(mild)) > 0);
    sheaf_error_release(parts[0]);
    sheaf_error_release(parts[1]);
    sheaf_error_release(group);
    sheaf_error_release(outer);
    sheaf_error_release(mild);
}

static void a_group_may_be_empty(void **state)
{
    sheaf_error *group = sheaf_error_group(0, "nothing", NULL, 0);
    (void)state;
    assert_int_equal(sheaf_error_code(group), SHEAF_INVALID);
    assert_int_equal(sheaf_error_part_count(group), 0);
    sheaf_error_release(group);
}

static void links_are_added_to_an_unshared_error_in_place(void **state)
{
    sheaf_error *cause = sheaf_error_new(EIO, "cause");
    sheaf_error *during = sheaf__error_of_status(SHEAF_TIMEOUT);
    sheaf_error *error = sheaf_error_new(1, "effect");
    sheaf_error *linked = sheaf_error_with_during(sheaf_error_with_cause(error, cause), during);
    (void)state;
    assert_ptr_equal(linked, error);
    assert_ptr_equal(sheaf_error_cause(linked), cause);
    assert_ptr_equal(sheaf_error_during(linked), during);
    linked = sheaf_error_with_cause(linked, NULL);
    assert_null(sheaf_error_cause(linked));
    sheaf_error_release(linked);
    sheaf_error_release(cause);
}

static void a_shared_error_stays_as_it_is_when_linked(void **state)
{
    sheaf_error *part = sheaf_error_new(3, "part");
    sheaf_error *cause = sheaf_error_new(EIO, "cause");
    sheaf_error *error = sheaf__error_make_group(2, "task", "place", "effect", &part, 1);
    sheaf_error *linked = sheaf_error_with_cause(sheaf_error_retain(error), cause);
    (void)state;
    assert_ptr_not_equal(linked, error);
    assert_null(sheaf_error_cause(error));
    assert_ptr_equal(sheaf_error_cause(linked), cause);
    assert_int_equal(sheaf_error_code(linked), 2);
    assert_string_equal(sheaf_error_message(linked), "effect");
    assert_string_equal(sheaf_error_task_name(linked), "task");
    assert_string_equal(sheaf_error_place(linked), "place");
    assert_ptr_equal(sheaf_error_part(linked, 0), part);
    sheaf_error_release(part);
    sheaf_error_release(cause);
    sheaf_error_release(error);
    sheaf_error_release(linked);
}

static void an_immortal_error_is_copied_when_linked(void **state)
{
    sheaf_error *cause = sheaf_error_new(EIO, "cause");
    sheaf_error *timeout = sheaf__error_of_status(SHEAF_TIMEOUT);
    sheaf_error *linked = sheaf_error_with_cause(timeout, cause);
    (void)state;
    assert_ptr_not_equal(linked, timeout);
    assert_null(sheaf_error_cause(timeout));
    assert_int_equal(sheaf_error_code(linked), SHEAF_TIMEOUT);
    sheaf_error_release(linked);
    sheaf_error_release(cause);
}

static void an_error_cannot_cause_itself(void **state)
{
    sheaf_error *error = sheaf_error_new(1, "loop");
    sheaf_error *linked = sheaf_error_with_cause(sheaf_error_retain(error), error);
    (void)state;
    assert_ptr_not_equal(linked, error);
    assert_ptr_equal(sheaf_error_cause(linked), error);
    assert_null(sheaf_error_cause(error));
    sheaf_error_release(error);
    sheaf_error_release(linked);
    /* Also when the one reference is given away and lent at the same time. */
    error = sheaf_error_new(1, "loop");
    linked = sheaf_error_with_cause(error, error);
    assert_ptr_not_equal(sheaf_error_cause(linked), linked);
    sheaf_error_release(linked);
}

static void no_error_stays_no_error_when_linked(void **state)
{
    sheaf_error *cause = sheaf_error_new(EIO, "cause");
    (void)state;
    assert_null(sheaf_error_with_cause(NULL, cause));
    assert_null(sheaf_error_with_during(NULL, cause));
    sheaf_error_release(cause);
}

/* ---------------------------------------------------------------- payloads */

static void count_drop(void *payload)
{
    ++*(int *)payload;
}

static void a_payload_is_dropped_once_with_the_last_error_that_has_it(void **state)
{
    int drops = 0;
    sheaf_error *error = sheaf_error_with_payload(sheaf_error_new(1, "x"), &drops, count_drop);
    sheaf_error *copy = sheaf_error_with_cause(sheaf_error_retain(error), NULL);
    sheaf_error *second = sheaf_error_with_cause(sheaf_error_retain(copy), NULL);
    (void)state;
    assert_ptr_not_equal(copy, error);
    assert_ptr_equal(sheaf_error_payload(error), &drops);
    assert_ptr_equal(sheaf_error_payload(second), &drops);
    sheaf_error_release(error);
    sheaf_error_release(copy);
    assert_int_equal(drops, 0);
    sheaf_error_release(second);
    assert_int_equal(drops, 1);
}

static void a_replaced_payload_is_dropped(void **state)
{
    int first = 0;
    int second = 0;
    sheaf_error *error = sheaf_error_with_payload(sheaf_error_new(1, "x"), &first, count_drop);
    (void)state;
    error = sheaf_error_with_payload(error, &second, count_drop);
    assert_int_equal(first, 1);
    assert_ptr_equal(sheaf_error_payload(error), &second);
    error = sheaf_error_with_payload(error, NULL, NULL);
    assert_int_equal(second, 1);
    assert_null(sheaf_error_payload(error));
    sheaf_error_release(error);
    assert_int_equal(first + second, 2);
}

static void replacing_the_payload_of_a_copy_keeps_the_original(void **state)
{
    int first = 0;
    int second = 0;
    sheaf_error *error = sheaf_error_with_payload(sheaf_error_new(1, "x"), &first, count_drop);
    sheaf_error *copy = sheaf_error_with_payload(sheaf_error_retain(error), &second, count_drop);
    (void)state;
    assert_ptr_equal(sheaf_error_payload(error), &first);
    assert_ptr_equal(sheaf_error_payload(copy), &second);
    sheaf_error_release(copy);
    assert_int_equal(first, 0);
    assert_int_equal(second, 1);
    sheaf_error_release(error);
    assert_int_equal(first, 1);
}

static void a_payload_that_cannot_be_added_is_dropped_at_once(void **state)
{
    int drops = 0;
    sheaf_error *error = sheaf_error_new(1, "x");
    (void)state;
    sheaf__alloc_fail_after(0, SHEAF__ALLOC_FAIL_STICKY);
    sheaf_error *same = sheaf_error_with_payload(sheaf_error_retain(error), &drops, count_drop);
    sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_STICKY);
    assert_ptr_equal(same, error);
    assert_int_equal(drops, 1);
    assert_null(sheaf_error_payload(same));
    assert_null(sheaf_error_with_payload(NULL, &drops, count_drop));
    assert_int_equal(drops, 2);
    sheaf_error_release(error);
    sheaf_error_release(same);
}

/* ---------------------------------------------------------------- lack of memory */

static void without_memory_an_error_is_the_immortal_one(void **state)
{
    (void)state;
    sheaf__alloc_fail_after(0, SHEAF__ALLOC_FAIL_STICKY);
    sheaf_error *error = sheaf_error_new(EIO, "%s", "lost");
    sheaf_error *bare = sheaf_error_new(EIO, NULL);
    sheaf_error *group = sheaf_error_group(EIO, "lost", &error, 1);
    sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_STICKY);
    assert_ptr_equal(error, sheaf__error_of_status(SHEAF_NOMEM));
    assert_ptr_equal(bare, error);
    assert_ptr_equal(group, error);
    assert_int_equal(sheaf_error_code(error), SHEAF_NOMEM);
    for (int i = 0; i < 3; i++) sheaf_error_release(error);
    assert_int_equal(sheaf_error_code(error), SHEAF_NOMEM);
}

static void a_group_too_large_for_memory_is_the_immortal_one(void **state)
{
    sheaf_error *error = sheaf_error_group(EIO, "x", NULL, SIZE_MAX / 4);
    (void)state;
    assert_ptr_equal(error, sheaf__error_of_status(SHEAF_NOMEM));
}

/* What was asked for, or the error that stands for lack of memory. */
static void assert_code(const sheaf_error *error, int code)
{
    if (sheaf_error_code(error) != SHEAF_NOMEM) assert_int_equal(sheaf_error_code(error), code);
}

/* Makes and releases every kind of error, whatever memory there is. */
static void make_all_kinds(void)
{
    int drops = 0;
    sheaf_error *part = sheaf__error_make(EIO, "task", "place", "%d", 1);
    sheaf_error *group = sheaf_error_group(2, NULL, &part, 1);
    sheaf_error *loaded = sheaf_error_with_payload(sheaf_error_new(3, NULL), &drops, count_drop);
    sheaf_error *linked = sheaf_error_with_cause(sheaf_error_retain(loaded), part);
    sheaf_error *both = sheaf_error_with_during(sheaf_error_retain(linked), group);
    assert_code(part, EIO);
    assert_code(group, 2);
    assert_code(loaded, 3);
    assert_code(linked, 3);
    assert_code(both, 3);
    sheaf_error_release(part);
    sheaf_error_release(group);
    sheaf_error_release(loaded);
    sheaf_error_release(linked);
    sheaf_error_release(both);
    assert_int_equal(drops, 1);
}

static long fail_every_allocation(enum sheaf__alloc_failing how)
{
    long n = 0;
    do {
        sheaf__alloc_fail_after(n, how);
        make_all_kinds();
        assert_int_equal(sheaf__alloc_counts().live_blocks, 0);
    } while (sheaf__alloc_points() > n++);
    sheaf__alloc_fail_after(-1, how);
    return n - 1;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    assert_int_equal(fail_every_allocation(SHEAF__ALLOC_FAIL_ONCE), 5);
    assert_int_equal(fail_every_allocation(SHEAF__ALLOC_FAIL_STICKY), 5);
}

/* ---------------------------------------------------------------- depth and threads */

static void *release_error(void *error)
{
    sheaf_error_release(error);
    return NULL;
}

/* On a stack that recursion over the chain would need many times. */
static void a_long_chain_is_released_in_constant_stack(void **state)
{
    sheaf_error *error = sheaf_error_new(1, "first");
    pthread_attr_t attributes;
    pthread_t thread;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        sheaf_error *next = sheaf_error_group(1, "next", &error, 1);
        sheaf_error *cause = error;
        error = sheaf_error_with_cause(next, cause);
        sheaf_error_release(cause);
    }
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstacksize(&attributes, (size_t)256 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attributes, release_error, error), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* Reads, links and drops an error that other threads hold too; its argument is a reference. */
static void *share_error(void *arg)
{
    sheaf_error *shared = arg;
    for (int i = 0; i < 2000; i++) {
        sheaf_error *error = sheaf_error_with_cause(sheaf_error_retain(shared), shared);
        if (sheaf_error_code(sheaf_error_cause(error)) != EIO) return NULL;
        sheaf_error_release(error);
    }
    sheaf_error_release(shared);
    return arg;
}

static void threads_share_an_error_and_the_last_one_frees_it(void **state)
{
    enum { THREADS = 4 };
    int drops = 0;
    sheaf_error *error = sheaf_error_with_payload(sheaf_error_new(EIO, "x"), &drops, count_drop);
    pthread_t threads[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, share_error, sheaf_error_retain(error)),
                         0);
    }
    sheaf_error_release(error);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, error);
    }
    assert_int_equal(drops, 1);
}

/* ---------------------------------------------------------------- as text */

static void assert_text(sheaf_error *error, const char *expected)
{
    char text[1000];
    size_t length = sheaf_error_format(error, text, sizeof text);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
}

static void an_error_is_one_line(void **state)
{
    sheaf_error *error = sheaf__error_make(SHEAF_TIMEOUT, "orders", "app.c:12", "too late");
    sheaf_error *placeless = sheaf__error_make(4711000, "orders", NULL, "mine");
    sheaf_error *nameless = sheaf__error_make(-3, NULL, "app.c:12", "odd");
    (void)state;
    assert_text(error, "SHEAF_TIMEOUT: too late [task \"orders\" spawned at app.c:12]");
    assert_text(placeless, "code 4711000: mine [task \"orders\"]");
    assert_text(nameless, "code -3: odd [task spawned at app.c:12]");
    sheaf_error_release(error);
    sheaf_error_release(placeless);
    sheaf_error_release(nameless);
}

static void nesting_is_shown_by_indentation(void **state)
{
    sheaf_error *inner = sheaf_error_new(SHEAF_LOST, "no answer");
    sheaf_error *parts[2] = {sheaf__error_make(SHEAF_FATAL, "orders", NULL, "orders is down"),
                             sheaf_error_with_cause(sheaf_error_new(SHEAF_STATE, "late"), inner)};
    sheaf_error *group = sheaf_error_group(SHEAF_CLOSED, "2 tables failed", parts, 2);
    (void)state;
    group = sheaf_error_with_during(group, sheaf__error_of_status(SHEAF_CANCELLED));
    assert_text(group, "SHEAF_CLOSED: 2 tables failed\n"
                       "  - SHEAF_FATAL: orders is down [task \"orders\"]\n"
                       "  - SHEAF_STATE: late\n"
                       "    cause: SHEAF_LOST: no answer\n"
                       "  during: SHEAF_CANCELLED: cancelled");
    sheaf_error_release(inner);
    sheaf_error_release(parts[0]);
    sheaf_error_release(parts[1]);
    sheaf_error_release(group);
}

static void a_small_buffer_gets_the_beginning(void **state)
{
    static const char whole[] = "SHEAF_FULL: no room";
    sheaf_error *error = sheaf_error_new(SHEAF_FULL, "no room");
    char text[sizeof whole + 2];
    (void)state;
    assert_int_equal(sheaf_error_format(error, NULL, 0), strlen(whole));
    for (size_t size = 1; size < sizeof text; size++) {
        size_t kept = size - 1 < strlen(whole) ? size - 1 : strlen(whole);
        memset(text, '?', sizeof text);
        assert_int_equal(sheaf_error_format(error, text, size), strlen(whole));
        assert_memory_equal(text, whole, kept);
        assert_int_equal(text[kept], '\0');
        assert_int_equal(text[size], '?');
    }
    sheaf_error_release(error);
}

static void text_is_limited_in_depth_and_in_number(void **state)
{
    sheaf_error *error = sheaf_error_new(1, "deepest");
    char *text = malloc(1000000);
    (void)state;
    assert_non_null(text);
    for (int i = 0; i < 60; i++) { /* unfolds to 2^60 errors */
        sheaf_error *twice[2] = {error, error};
        sheaf_error *group = sheaf_error_group(1, "twice", twice, 2);
        sheaf_error_release(error);
        error = group;
    }
    size_t length = sheaf_error_format(error, text, 1000000);
    assert_true(length < 1000000);
    assert_null(strstr(text, "deepest"));
    assert_non_null(strstr(text, "..."));
    size_t lines = 1;
    for (size_t i = 0; i < length; i++) lines += text[i] == '\n';
    assert_int_equal(lines, 1001);
    free(text);
    sheaf_error_release(error);
}

/* ---------------------------------------------------------------- hooks */

/* Standard error goes into a pipe from here on; returns what restores it. */
static int redirect_standard_error(int *reader)
{
    int ends[2];
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    *reader = ends[0];
    return saved;
}

/* Restores it and collects what was written; less than a pipe holds. */
static void collect_standard_error(int saved, int reader, char *text, size_t size)
{
    size_t length = 0;
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    for (;;) {
        ssize_t got = read(reader, text + length, size - 1 - length);
        if (got <= 0) break;
        length += (size_t)got;
    }
    text[length] = '\0';
    close(reader);
}

static void the_default_report_is_one_line_with_task_and_error(void **state)
{
    sheaf_error *error = sheaf_error_new(SHEAF_LOST, "orders is down");
    char text[500];
    int reader;
    (void)state;
    int saved = redirect_standard_error(&reader);
    errno = 4711;
    sheaf__unhandled_default(NULL, error, "orders");
    sheaf__unhandled_default(NULL, error, NULL);
    assert_int_equal(errno, 4711);
    collect_standard_error(saved, reader, text, sizeof text);
    assert_string_equal(text, "sheaf: nobody looked at the error of task \"orders\": "
                              "SHEAF_LOST: orders is down\n"
                              "sheaf: nobody looked at the error: SHEAF_LOST: orders is down\n");
    sheaf_error_release(error);
}

static void a_report_that_cannot_be_written_leaves_errno(void **state)
{
    int saved = dup(STDERR_FILENO);
    (void)state;
    assert_true(saved >= 0);
    close(STDERR_FILENO);
    errno = 4711;
    sheaf__unhandled_default(NULL, sheaf__error_of_status(SHEAF_LOST), "orders");
    int seen = errno;
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    assert_int_equal(seen, 4711);
}

static void a_long_report_is_whole_if_there_is_memory(void **state)
{
    sheaf_error *error = sheaf_error_new(SHEAF_LOST, "%*d", 2000, 7);
    char text[5000];
    int reader;
    (void)state;
    int saved = redirect_standard_error(&reader);
    sheaf__unhandled_default(NULL, error, "orders");
    sheaf__alloc_fail_after(0, SHEAF__ALLOC_FAIL_STICKY);
    sheaf__unhandled_default(NULL, error, "orders");
    sheaf__alloc_fail_after(-1, SHEAF__ALLOC_FAIL_STICKY);
    collect_standard_error(saved, reader, text, sizeof text);
    const char *second = strchr(text, '\n');
    assert_non_null(second);
    assert_true(second - text > 2000);
    assert_int_equal(second[-1], '7');
    assert_int_equal(strlen(second + 1), 399);
    assert_int_equal(second[399], '\n');
    sheaf_error_release(error);
}

static jmp_buf after_panic;
static char panic_sentence[500];

static void leave_panic(const char *sentence)
{
    (void)snprintf(panic_sentence, sizeof panic_sentence, "%s", sentence);
    longjmp(after_panic, 1);
}

static void the_panic_hook_gets_the_sentence(void **state)
{
    (void)state;
    sheaf_set_panic_hook(leave_panic);
    if (setjmp(after_panic) == 0) sheaf__panic("%s was joined %d times", "task 7", 2);
    sheaf_set_panic_hook(NULL);
    assert_string_equal(panic_sentence, "task 7 was joined 2 times");
}

#ifndef NDEBUG
static void a_broken_invariant_says_where(void **state)
{
    int evaluated = 0;
    (void)state;
    sheaf_set_panic_hook(leave_panic);
    SHEAF__ASSERT(++evaluated == 1);
    if (setjmp(after_panic) == 0) SHEAF__ASSERT(evaluated == 2);
    sheaf_set_panic_hook(NULL);
    assert_non_null(strstr(panic_sentence, "error_test.c:"));
    assert_non_null(strstr(panic_sentence, "broken invariant: evaluated == 2"));
}
#endif

/* Runs `act` in a child process; returns its wait status and what it wrote to standard error. */
static int run_in_child(void (*act)(void), char *text, size_t size)
{
    int reader;
    int status = 0;
    int saved = redirect_standard_error(&reader);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        act();
        _exit(0);
    }
    collect_standard_error(saved, reader, text, size);
    emulator_be_silent(text);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void panic_at_once(void)
{
    sheaf__panic("the stack of task \"%s\" is used up", "orders");
}

static void ignore_panic(const char *sentence)
{
    (void)sentence;
}

static void panic_with_a_hook_that_returns(void)
{
    sheaf_set_panic_hook(ignore_panic);
    sheaf__panic("unheard");
}

static void a_panic_writes_one_line_and_aborts(void **state)
{
    char text[500];
    int status = run_in_child(panic_at_once, text, sizeof text);
    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_string_equal(text, "sheaf: the stack of task \"orders\" is used up\n");
}

static void a_panic_aborts_also_when_the_hook_returns(void **state)
{
    char text[500];
    int status = run_in_child(panic_with_a_hook_that_returns, text, sizeof text);
    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_string_equal(text, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(every_status_has_its_name_and_text),
        TEST(numbers_of_statuses_are_fixed),
        TEST(errno_values_have_the_texts_of_the_c_library),
        TEST(other_numbers_have_a_text_too),
        TEST(exit_codes_never_turn_failure_into_success),
        TEST(try_evaluates_once_and_returns_failures),
        TEST(an_error_has_its_code_and_formatted_message),
        TEST(a_message_may_be_long_or_missing),
        TEST(a_percent_sign_in_data_is_data),
        TEST(code_zero_becomes_invalid),
        TEST(null_reads_as_no_error),
        TEST(task_name_and_place_are_copied),
        TEST(bare_statuses_need_no_memory),
        TEST(a_group_holds_its_parts_in_order),
        TEST(a_fatal_part_makes_a_group_fatal),
        TEST(a_group_may_be_empty),
        TEST(links_are_added_to_an_unshared_error_in_place),
        TEST(a_shared_error_stays_as_it_is_when_linked),
        TEST(an_immortal_error_is_copied_when_linked),
        TEST(an_error_cannot_cause_itself),
        TEST(no_error_stays_no_error_when_linked),
        TEST(a_payload_is_dropped_once_with_the_last_error_that_has_it),
        TEST(a_replaced_payload_is_dropped),
        TEST(replacing_the_payload_of_a_copy_keeps_the_original),
        TEST(a_payload_that_cannot_be_added_is_dropped_at_once),
        TEST(without_memory_an_error_is_the_immortal_one),
        TEST(a_group_too_large_for_memory_is_the_immortal_one),
        TEST(any_allocation_may_fail),
        TEST(a_long_chain_is_released_in_constant_stack),
        TEST(threads_share_an_error_and_the_last_one_frees_it),
        TEST(an_error_is_one_line),
        TEST(nesting_is_shown_by_indentation),
        TEST(a_small_buffer_gets_the_beginning),
        TEST(text_is_limited_in_depth_and_in_number),
        TEST(the_default_report_is_one_line_with_task_and_error),
        TEST(a_report_that_cannot_be_written_leaves_errno),
        TEST(a_long_report_is_whole_if_there_is_memory),
        TEST(the_panic_hook_gets_the_sentence),
#ifndef NDEBUG
        TEST(a_broken_invariant_says_where),
#endif
        TEST(a_panic_writes_one_line_and_aborts),
        TEST(a_panic_aborts_also_when_the_hook_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
