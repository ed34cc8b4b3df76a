/* Pairing heap: its order against a plain model, removal of any node, a check that sees harm. */
#include "lib/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct job {
    struct sheaf__heap_node node; /* first: a node's address is its job's */
    unsigned rank;
    unsigned sequence;
    bool inside;
};

static const struct job *job_of(const struct sheaf__heap_node *node)
{
    return (const struct job *)(const void *)node;
}

static bool earlier(const struct sheaf__heap_node *a, const struct sheaf__heap_node *b)
{
    const struct job *left = job_of(a);
    const struct job *right = job_of(b);
    return left->rank != right->rank ? left->rank < right->rank : left->sequence < right->sequence;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void a_zeroed_heap_is_empty(void **state)
{
    struct sheaf__heap heap = {0};
    (void)state;
    assert_true(sheaf__heap_empty(&heap));
    assert_null(sheaf__heap_top(&heap));
    assert_null(sheaf__heap_pop(&heap, earlier));
    assert_true(sheaf__heap_check(&heap, earlier));
}

static void nodes_come_out_in_order(void **state)
{
    enum { COUNT = 1000 };
    static struct job jobs[COUNT];
    struct sheaf__heap heap = {0};
    uint64_t random = 1;
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        jobs[i] = (struct job){.rank = (unsigned)next_random(&random) % 100, .sequence = i};
        sheaf__heap_push(&heap, &jobs[i].node, earlier);
    }
    assert_true(sheaf__heap_check(&heap, earlier));
    const struct sheaf__heap_node *last = sheaf__heap_pop(&heap, earlier);
    for (unsigned i = 1; i < COUNT; i++) {
        const struct sheaf__heap_node *node = sheaf__heap_pop(&heap, earlier);
        assert_non_null(node);
        assert_true(earlier(last, node));
        last = node;
    }
    assert_true(sheaf__heap_empty(&heap));
}

static void popped_nodes_can_be_pushed_again(void **state)
{
    struct sheaf__heap heap = {0};
    struct job jobs[3] = {{.rank = 3}, {.rank = 1}, {.rank = 2}};
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) sheaf__heap_push(&heap, &jobs[i].node, earlier);
        assert_ptr_equal(sheaf__heap_pop(&heap, earlier), &jobs[1].node);
        assert_ptr_equal(sheaf__heap_pop(&heap, earlier), &jobs[2].node);
        assert_ptr_equal(sheaf__heap_pop(&heap, earlier), &jobs[0].node);
        assert_true(sheaf__heap_empty(&heap));
    }
}

/* The model: a scan over all jobs. */
static struct job *first_inside(struct job *jobs, size_t count)
{
    struct job *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].inside && (first == NULL || earlier(&jobs[i].node, &first->node))) {
            first = &jobs[i];
        }
    }
    return first;
}

static void random_operations_agree_with_a_scan(void **state)
{
    enum { COUNT = 60, STEPS = 4000, SEEDS = 10 };
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct job jobs[COUNT] = {0};
        struct sheaf__heap heap = {0};
        uint64_t random = seed;
        for (unsigned step = 0; step < STEPS; step++) {
            struct job *job = &jobs[next_random(&random) % COUNT];
            struct job *first = first_inside(jobs, COUNT);
            if (first != NULL && next_random(&random) % 4 == 0) {
                assert_ptr_equal(sheaf__heap_pop(&heap, earlier), &first->node);
                first->inside = false;
            } else if (job->inside) {
                sheaf__heap_remove(&heap, &job->node, earlier);
                job->inside = false;
            } else {
                job->rank = (unsigned)next_random(&random) % 20;
                job->sequence = step;
                sheaf__heap_push(&heap, &job->node, earlier);
                job->inside = true;
            }
            if (!sheaf__heap_check(&heap, earlier)) {
                fail_msg("seed %u, step %u: the heap is out of order", (unsigned)seed, step);
            }
        }
    }
}

static void a_walk_meets_every_node_once(void **state)
{
    enum { COUNT = 100 };
    struct job jobs[COUNT] = {0};
    struct sheaf__heap heap = {0};
    unsigned met = 0;
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        jobs[i] = (struct job){.rank = i * 37 % COUNT, .inside = true};
        sheaf__heap_push(&heap, &jobs[i].node, earlier);
    }
    struct sheaf__heap_node *zero = sheaf__heap_pop(&heap, earlier);
    for (struct sheaf__heap_node *node = sheaf__heap_top(&heap); node != NULL;
         node = sheaf__heap_walk(node)) {
        assert_true(job_of(node)->inside);
        jobs[job_of(node) - jobs].inside = false;
        met++;
    }
    assert_int_equal(met, COUNT - 1);
    assert_true(job_of(zero)->inside);
}

static void a_check_sees_a_broken_order_and_a_broken_link(void **state)
{
    struct sheaf__heap heap = {0};
    struct job jobs[8] = {0};
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        jobs[i].rank = i + 1;
        sheaf__heap_push(&heap, &jobs[i].node, earlier);
    }
    jobs[5].rank = 0;
    assert_false(sheaf__heap_check(&heap, earlier));
    jobs[5].rank = 6;
    assert_true(sheaf__heap_check(&heap, earlier));
    struct sheaf__heap_node *child = heap.root->child;
    child->next->previous = heap.root;
    assert_false(sheaf__heap_check(&heap, earlier));
    child->next->previous = child;
    assert_true(sheaf__heap_check(&heap, earlier));
}

/* All nodes become children of one: a merge that recursed would need a stack of many megabytes. */
static void a_million_children_merge_in_constant_stack(void **state)
{
    enum { COUNT = 1000000 };
    struct job *jobs = calloc(COUNT, sizeof *jobs);
    struct sheaf__heap heap = {0};
    (void)state;
    assert_non_null(jobs);
    for (unsigned i = 0; i < COUNT; i++) {
        jobs[i].rank = i;
        sheaf__heap_push(&heap, &jobs[i].node, earlier);
    }
    for (unsigned i = 0; i < COUNT / 10; i++) {
        assert_ptr_equal(sheaf__heap_pop(&heap, earlier), &jobs[i].node);
    }
    assert_true(sheaf__heap_check(&heap, earlier));
    free(jobs);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_heap_is_empty),
        cmocka_unit_test(nodes_come_out_in_order),
        cmocka_unit_test(popped_nodes_can_be_pushed_again),
        cmocka_unit_test(random_operations_agree_with_a_scan),
        cmocka_unit_test(a_walk_meets_every_node_once),
        cmocka_unit_test(a_check_sees_a_broken_order_and_a_broken_link),
        cmocka_unit_test(a_million_children_merge_in_constant_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
