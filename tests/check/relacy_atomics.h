/* The operations of lib/atomics.h on Relacy's model of memory: what SHEAF__ATOMICS_HEADER names
 * when the library's sources are compiled for a check.  C++.
 *
 * Each use of an operation is a site, named by its function and its argument, so that a mutant can
 * weaken, drop or skip exactly one (relacy_model.h). */
#ifndef SHEAF_TESTS_CHECK_RELACY_ATOMICS_H
#define SHEAF_TESTS_CHECK_RELACY_ATOMICS_H

#include "tests/check/relacy_model.h"

#define SHEAF__ATOMIC(type) check::cell<type>

#define CHECK_SITE(kind, order, text)                                                              \
    (*({                                                                                           \
        static check::site here(kind, rl::order, __func__, text, __FILE__, __LINE__);              \
        &here;                                                                                     \
    }))
#define CHECK_LOAD(p, order, text) check::load((p), CHECK_SITE(check::LOAD, order, text))
#define CHECK_STORE(p, v, order, text) check::store((p), (v), CHECK_SITE(check::STORE, order, text))
#define CHECK_RMW(p, v, how, order, text)                                                          \
    check::rmw<check::how>((p), (v), CHECK_SITE(check::RMW, order, text))
#define CHECK_CAS(p, e, v, weak, order, text)                                                      \
    check::compare_and_swap<weak>((p), (e), (v), CHECK_SITE(check::RMW, order, text))

#define sheaf__init_rlx(p, v) CHECK_STORE(p, v, mo_relaxed, "init_rlx " #p)
#define sheaf__load_rlx(p) CHECK_LOAD(p, mo_relaxed, "load_rlx " #p)
#define sheaf__load_acq(p) CHECK_LOAD(p, mo_acquire, "load_acq " #p)
#define sheaf__load_seq(p) CHECK_LOAD(p, mo_seq_cst, "load_seq " #p)
#define sheaf__store_rlx(p, v) CHECK_STORE(p, v, mo_relaxed, "store_rlx " #p)
#define sheaf__store_rel(p, v) CHECK_STORE(p, v, mo_release, "store_rel " #p)
#define sheaf__store_seq(p, v) CHECK_STORE(p, v, mo_seq_cst, "store_seq " #p)
#define sheaf__swap_acq_rel(p, v) CHECK_RMW(p, v, SWAP, mo_acq_rel, "swap_acq_rel " #p)
#define sheaf__swap_seq(p, v) CHECK_RMW(p, v, SWAP, mo_seq_cst, "swap_seq " #p)
#define sheaf__add_rlx(p, v) CHECK_RMW(p, v, ADD, mo_relaxed, "add_rlx " #p)
#define sheaf__add_acq_rel(p, v) CHECK_RMW(p, v, ADD, mo_acq_rel, "add_acq_rel " #p)
#define sheaf__add_seq(p, v) CHECK_RMW(p, v, ADD, mo_seq_cst, "add_seq " #p)
#define sheaf__sub_rlx(p, v) CHECK_RMW(p, v, SUB, mo_relaxed, "sub_rlx " #p)
#define sheaf__sub_acq_rel(p, v) CHECK_RMW(p, v, SUB, mo_acq_rel, "sub_acq_rel " #p)
#define sheaf__sub_seq(p, v) CHECK_RMW(p, v, SUB, mo_seq_cst, "sub_seq " #p)
#define sheaf__or_rlx(p, v) CHECK_RMW(p, v, OR, mo_relaxed, "or_rlx " #p)
#define sheaf__or_acq_rel(p, v) CHECK_RMW(p, v, OR, mo_acq_rel, "or_acq_rel " #p)
#define sheaf__or_seq(p, v) CHECK_RMW(p, v, OR, mo_seq_cst, "or_seq " #p)
#define sheaf__and_rel(p, v) CHECK_RMW(p, v, AND, mo_release, "and_rel " #p)
#define sheaf__and_acq_rel(p, v) CHECK_RMW(p, v, AND, mo_acq_rel, "and_acq_rel " #p)
#define sheaf__and_seq(p, v) CHECK_RMW(p, v, AND, mo_seq_cst, "and_seq " #p)
#define sheaf__cas_rlx(p, e, v) CHECK_CAS(p, e, v, false, mo_relaxed, "cas_rlx " #p)
#define sheaf__cas_acq_rel(p, e, v) CHECK_CAS(p, e, v, false, mo_acq_rel, "cas_acq_rel " #p)
#define sheaf__cas_seq(p, e, v) CHECK_CAS(p, e, v, false, mo_seq_cst, "cas_seq " #p)
#define sheaf__cas_weak_acq_rel(p, e, v)                                                           \
    CHECK_CAS(p, e, v, true, mo_acq_rel, "cas_weak_acq_rel " #p)

#define sheaf__fence_full() check::fence(CHECK_SITE(check::FENCE, mo_seq_cst, "fence_full"))
#define sheaf__fence_light() check::fence_light(CHECK_SITE(check::LIGHT, mo_seq_cst, "fence_light"))
#define sheaf__fence_heavy() check::fence_heavy(CHECK_SITE(check::FENCE, mo_seq_cst, "fence_heavy"))

static inline bool sheaf__fences_are_full(void)
{
    return !check::pair_is_asymmetric;
}

#endif
