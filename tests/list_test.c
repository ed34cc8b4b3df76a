/* Intrusive list: order, unlinking anywhere, zeroed lists and links, moving a whole list. */
#include "lib/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int number;
    struct sheaf__link link;
};

enum { ITEMS = 5 };

static struct item *item_of(struct sheaf__link *link)
{
    return SHEAF__CONTAINER(link, struct item, link);
}

static void push_numbers(struct sheaf__list *list, struct item *items, int first)
{
    for (int i = 0; i < ITEMS; i++) {
        items[i].number = first + i;
        sheaf__list_push_back(list, &items[i].link);
    }
}

/* The numbers in the list as digits, so that one assertion shows all of them. */
static long digits(struct sheaf__list *list)
{
    long value = 0;
    SHEAF__LIST_EACH (link, list) {
        value = value * 10 + item_of(link)->number;
    }
    return value;
}

static void a_zeroed_list_is_empty(void **state)
{
    struct sheaf__list list = {0};
    (void)state;
    assert_true(sheaf__list_empty(&list));
    assert_null(sheaf__list_first(&list));
    assert_null(sheaf__list_last(&list));
    assert_null(sheaf__list_pop_front(&list));
}

static void pushing_back_keeps_the_order(void **state)
{
    struct sheaf__list list = {0};
    struct item items[ITEMS] = {0};
    (void)state;
    push_numbers(&list, items, 1);
    assert_int_equal(digits(&list), 12345);
    assert_ptr_equal(item_of(sheaf__list_first(&list)), &items[0]);
    assert_ptr_equal(item_of(sheaf__list_last(&list)), &items[4]);
}

static void pushing_front_reverses_the_order(void **state)
{
    struct sheaf__list list = {0};
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    (void)state;
    for (int i = 0; i < 3; i++) sheaf__list_push_front(&list, &items[i].link);
    assert_int_equal(digits(&list), 321);
}

static void popping_takes_the_first_and_unlinks_it(void **state)
{
    struct sheaf__list list = {0};
    struct item items[ITEMS] = {0};
    (void)state;
    push_numbers(&list, items, 1);
    for (int i = 0; i < ITEMS; i++) {
        assert_ptr_equal(sheaf__list_pop_front(&list), &items[i].link);
        assert_false(sheaf__link_linked(&items[i].link));
    }
    assert_true(sheaf__list_empty(&list));
}

static void a_link_knows_whether_it_is_in_a_list(void **state)
{
    struct sheaf__list list = {0};
    struct item item = {0};
    (void)state;
    assert_false(sheaf__link_linked(&item.link));
    sheaf__list_push_back(&list, &item.link);
    assert_true(sheaf__link_linked(&item.link));
    sheaf__link_unlink(&item.link);
    assert_false(sheaf__link_linked(&item.link));
    assert_true(sheaf__list_empty(&list));
}

static void any_link_can_be_taken_out(void **state)
{
    static const long left[ITEMS] = {2345, 1345, 1245, 1235, 1234};
    (void)state;
    for (int i = 0; i < ITEMS; i++) {
        struct sheaf__list list = {0};
        struct item items[ITEMS] = {0};
        push_numbers(&list, items, 1);
        sheaf__link_unlink(&items[i].link);
        assert_int_equal(digits(&list), left[i]);
        sheaf__list_push_back(&list, &items[i].link);
        assert_int_equal(digits(&list), left[i] * 10 + i + 1);
    }
}

static void moving_a_list_appends_it_and_empties_the_source(void **state)
{
    struct sheaf__list from = {0};
    struct sheaf__list to = {0};
    struct item first[ITEMS] = {0};
    struct item second[ITEMS] = {0};
    (void)state;
    push_numbers(&to, first, 1);
    push_numbers(&from, second, 5);
    sheaf__list_move_all(&from, &to);
    assert_int_equal(digits(&to), 1234556789);
    assert_true(sheaf__list_empty(&from));
    sheaf__link_unlink(&first[4].link);
    sheaf__list_push_back(&from, &first[4].link);
    assert_int_equal(digits(&from), 5);
    assert_int_equal(digits(&to), 123456789);
}

static void moving_works_from_and_to_an_empty_list(void **state)
{
    struct sheaf__list from = {0};
    struct sheaf__list to = {0};
    struct item items[ITEMS] = {0};
    (void)state;
    sheaf__list_move_all(&from, &to);
    assert_true(sheaf__list_empty(&to));
    push_numbers(&from, items, 1);
    sheaf__list_move_all(&from, &to);
    assert_int_equal(digits(&to), 12345);
    sheaf__list_move_all(&from, &to);
    assert_int_equal(digits(&to), 12345);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_list_is_empty),
        cmocka_unit_test(pushing_back_keeps_the_order),
        cmocka_unit_test(pushing_front_reverses_the_order),
        cmocka_unit_test(popping_takes_the_first_and_unlinks_it),
        cmocka_unit_test(a_link_knows_whether_it_is_in_a_list),
        cmocka_unit_test(any_link_can_be_taken_out),
        cmocka_unit_test(moving_a_list_appends_it_and_empties_the_source),
        cmocka_unit_test(moving_works_from_and_to_an_empty_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
