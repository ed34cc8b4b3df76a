/* The record of a future, its states, and who may touch what in which of them.
 *
 * Nomenclature.  The *runner* is the worker that runs a task's body.  The *awaiter* waits for the
 * outcome.  A *holder* owns a reference.  The *maker* spawned the task.
 *
 * Two words carry the state.  `state` is written by whoever has the right to run the task, by plain
 * stores; `word` is written by everybody, by read-modify-writes only:
 *
 *     word = references << 8 | TAKEN EXTRA LOOKED LOCK UNBIASED WAITER CANCEL DONE
 *
 *                      spawn                 claim by pop, thief, awaiter
 *      (maker)  --------------->  QUEUED  ------------------------------>  RUNNING
 *                                    |                                        | body returns
 *                                    | cancelled: the body never runs         v
 *                                    +------------------------------->   FINISHING
 *                                                                     /            \
 *                                            word is one reference,  /              \  anything
 *                                            else no flag (biased)       v                v
 *                                                                 DONE            ENDING
 *                                                                                    | LOCK,
 *                                                                                    outcome, v
 *                                                                                DONE, no LOCK word
 * & DONE
 *
 * Done is: state == DONE, or word & DONE.  Both are read with acquire and published with release.
 *
 * Bias.  A task that nobody but its maker's worker has touched completes by plain stores:
 *
 *     runner                                     who comes from outside (revoke)
 *     R1 state = FINISHING                       O1 word |= UNBIASED LOCK
 *        light fence                                heavy fence
 *     R2 read word                               O2 read state
 *     R3 word is one reference: state = DONE        while FINISHING: wait
 *        else state = ENDING, the locked way        DONE: word |= DONE
 *
 *   Forbidden: R2 sees no flag and O2 sees RUNNING.  So either the runner takes the locked way, or
 *   the outsider waits until the runner has decided.  From then on only `word` counts, and it has
 *   one winner.  O1 takes LOCK as well, so that who finds the mark set knows the fence behind it.
 *   A thief marks what it steals UNBIASED under the victim's lock; tasks from outside,
 *   promises, and a task that suspends are UNBIASED without a heavy fence, since nobody else runs
 *   them at that moment.  Where the fences are full every task is born UNBIASED: the biased way
 *   would cost the same fence and give less.
 *
 * LOCK is a spin bit that guards: the list of waiters, `asked`, `extra` (its making, not its
 * owner-only members), and the step to DONE.  Rank 2; a second one is only ever tried
 * (lib/cancel.c); queue locks are taken inside of it.
 *
 * Per state, who may do what:
 *   QUEUED     queues own up.next, out.prev, at.slot, where.  Holders may add waiters, ask.
 *   RUNNING    the runner owns out.value, enclosing, extra->raised, extra->locals.  `awaiting` is
 *              written by the task itself, read by askers under LOCK (lib/cancel.c).
 *   done       outcome (at.status, out.value) is read-only for every holder until the last
 *              reference goes; TAKEN says that the value has been moved out.
 *   last reference, done: the holder that drops it destroys the record.
 *   last reference, not done: the runner destroys it when it ends.
 * A frame's record (FRAME) has one reference, its maker's, and is never destroyed, only left. */
#ifndef SHEAF_LIB_FUTURE_IMPL_H
#define SHEAF_LIB_FUTURE_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sheaf/future.h>
#include <sheaf/task.h>

#include "lib/atomics.h"
#include "lib/guest.h"
#include "lib/job.h"
#include "lib/pool_impl.h"
#include "lib/sleep.h"
#include "lib/wait.h"
#include "lib/worker.h"

enum sheaf__task_state {
    SHEAF__QUEUED = 0,
    SHEAF__RUNNING,
    SHEAF__FINISHING,
    SHEAF__ENDING,
    SHEAF__DONE
};

#define SHEAF__WORD_DONE 0x01U     /* the outcome is there */
#define SHEAF__WORD_CANCEL 0x02U   /* a request is undelivered; set and cleared under LOCK */
#define SHEAF__WORD_WAITER 0x04U   /* `waiters` is valid and not empty; changes under LOCK */
#define SHEAF__WORD_UNBIASED 0x08U /* the runner must take the locked way; never cleared */
#define SHEAF__WORD_LOCK 0x10U
#define SHEAF__WORD_LOOKED 0x20U /* somebody has looked at the error; never cleared */
#define SHEAF__WORD_EXTRA 0x40U  /* `extra` is valid; never cleared while alive */
#define SHEAF__WORD_TAKEN 0x80U  /* the value was moved out; never cleared */
#define SHEAF__WORD_REFERENCE 0x100U

/* What is looked for before a wait or a call: a request, or that somebody is at the word. */
#define SHEAF__REQUEST_FLAGS (SHEAF__WORD_CANCEL | SHEAF__WORD_LOCK)

/* asked = last delivered origin : 3 | pending origin : 3 | passed : 1 | undelivered : 5 | count :
 * 20 Changed under LOCK, the last origin also by the task itself. */
#define SHEAF__ASKED_COUNT 0x000fffffU
#define SHEAF__ASKED_UNDELIVERED 0x00100000U /* one of them; the field saturates */
#define SHEAF__ASKED_UNDELIVERED_MASK 0x01f00000U
#define SHEAF__ASKED_PASSED 0x02000000U /* a request went on to what this task awaits */
#define SHEAF__ASKED_PENDING_SHIFT 26
#define SHEAF__ASKED_LAST_SHIFT 29

/* awaiting: what a task waits for, with a tag in its low bits.  0: it does not wait. */
#define SHEAF__AWAITING_CALLED 0U  /* a future whose body is called on this stack */
#define SHEAF__AWAITING_FUTURE 1U  /* a future; this task is parked, or about to */
#define SHEAF__AWAITING_WAIT 2U    /* a struct sheaf__wait: a sleep, a lock and the like */
#define SHEAF__AWAITING_LIMITED 3U /* as FUTURE, but the wait ends by itself: it closes no circle */
#define SHEAF__AWAITING_TAG 3U

struct sheaf__node;
struct sheaf__locals;

/* What a task hands down to the tasks that it makes: the body that runs in the place of theirs. */
struct sheaf__inherited {
    sheaf_fn *run;       /* NULL: nothing */
    sheaf_time deadline; /* for `run` */
};

/* A block that a task has begun and has to end: a timeout, a group.  Lies in the task's frame. */
struct sheaf__block {
    struct sheaf__block *outer;
    const char *what; /* for the sentence that stops the program when it is not ended */
};

/* What few futures have.  Made before the future is published, or under LOCK; freed with it. */
struct sheaf__extra {
    char *name; /* allocated; guarded by LOCK once published */
    size_t name_size;
    void *data;        /* const */
    const char *place; /* const */
    void (*arg_drop)(void *arg);
    void (*value_drop)(sheaf_value value);
    void *copy; /* the copied arguments, allocated */
    size_t copy_size;
    size_t stack_size;            /* const; 0: the pool's */
    unsigned flags;               /* const: SHEAF_SPAWN_... */
    sheaf_pool *outside_of;       /* a pending promise that counts as in outside hands */
    sheaf_error *raised;          /* runner only: what the task fails with if the code fits */
    sheaf_error *message;         /* guarded by LOCK: of the undelivered request */
    struct sheaf__locals *locals; /* runner only, inherited */
    /* Written by the task itself, read by inspectors, relaxed: each stands for itself. */
    SHEAF__ATOMIC(int64_t) since; /* with WATCH: when it last began to wait, plus 1; 0: never */
    SHEAF__ATOMIC(const char *) checkpoint; /* the place of its last one, or NULL */
    uint64_t stamp;                         /* written once, before DONE */
    uint64_t observed; /* const: its number for the pool's observer; 0: it is not told of */
    uint64_t number;   /* of the default name, guarded by LOCK; 0: none yet */
    unsigned masks;    /* runner only: nested masks */
    struct sheaf__drain *drain; /* guarded by LOCK: callbacks being run (lib/drain.c) */
    struct sheaf__lag *lag;     /* guarded by LOCK: the timer of an undelivered request, or NULL */
    struct sheaf__ticket
        *tickets;                /* guarded by LOCK: undelivered requests that can be taken back */
    struct sheaf__block *blocks; /* runner only: groups and limits that are open, innermost first */
    struct sheaf__inherited inherited; /* runner only: what children run with */
    sheaf_fn *inner;                   /* const: the body that the inherited one calls, or NULL */
    struct sheaf__due *due; /* runner only: what happens when the task next suspends, in order */
    sheaf_future *value_of; /* a reference, written before DONE: whose value it shows, or NULL */
};

struct sheaf_future {
    struct sheaf__job job;
    sheaf_fn *fn; /* const */
    union {
        void *arg;                        /* until the body is called */
        struct sheaf_future *enclosing;   /* then: the task on whose stack it was called, or NULL */
        struct sheaf__composed *composed; /* BARE: what stands behind it, or NULL; const */
    } in;
    struct sheaf__node *waiters; /* ring in the order of registration; valid if WAITER */
    union {
        struct sheaf__extra *extra; /* valid if EXTRA */
        const char *place;          /* else, of a task in no frame: of its spawn, or NULL */
    };
};

struct sheaf__ended;

/* Who wants to hear of a completion.  In the list of a future, guarded by its LOCK; after the
 * completer has detached the list, the completer's until it has woken or passed the node. */
struct sheaf__node {
    struct sheaf__node *next;
    struct sheaf__node *previous;
    /* A sleeper, or NULL. */
    struct sheaf__wait *wait;
    union {
        /* Called when there is no sleeper, once, without a lock; the node may be freed in it.
         * Futures that it completes in turn are put into `more`: however deep they are nested, the
         * stack does not grow. */
        void (*notify)(struct sheaf__node *node, sheaf_future *future, struct sheaf__ended *more);
        /* The task whose sleep `wait` is, so that a request can end it; NULL: it is deaf. */
        sheaf_future *task;
    } to;
    SHEAF__ATOMIC(uint8_t) place; /* enum sheaf__node_place */
    bool weak;                    /* const: it is a struct sheaf__weak_node */
};

/* A node whose owner holds no reference: a promise that nobody has any more goes while it is
 * pending, and the node with it. */
struct sheaf__weak_node {
    struct sheaf__node node;
    /* Called instead of notify, once, without a lock.
     *
     *   rest  receives futures that go as well, for sheaf__future_unhold_all() */
    void (*forget)(struct sheaf__weak_node *weak, sheaf_future **rest);
};

/* Futures that are done and whose nodes are still to be told, in order. */
struct sheaf__ended {
    sheaf_future *first;
    sheaf_future *last;
};

/* What stands behind a bare future that is no promise of the program's: a gather, a shield. */
struct sheaf__composed {
    const struct sheaf__composed_ops *ops; /* const */
    sheaf_future *future;                  /* itself */

    /* A request on its way through the members (lib/ask_tree.c).  0: none; else the owner and those
     * who came meanwhile, whose requests the owner carries out. */
    SHEAF__ATOMIC(uint32_t) asking;
    SHEAF__ATOMIC(struct sheaf__tree_walk *) walk; /* the owner's; compared by others */
    struct sheaf__composed *below;                 /* owner only, as all that follows */
    sheaf_future *asker; /* the task that awaits it and was asked, or NULL */
    size_t at;
    bool taken; /* a member took it */
    bool left;  /* the asker's request has come to a member, or was left with the asker */
};

struct sheaf__composed_ops {
    const char *what; /* for texts */
    /* For what asks its members when it is asked itself; NULL: it is cancelled like a promise.
     * Returns: false when the outcome is decided; else it is not before ask_end().  LOCK is held */
    bool (*ask_begin)(struct sheaf__composed *composed);
    sheaf_future *(*member)(struct sheaf__composed *composed, size_t index); /* NULL: no more */
    /* message: borrowed, may be NULL
     * more     as in notify; NULL: no notification is under way */
    void (*ask_end)(struct sheaf__composed *composed, bool taken, sheaf_error *message,
                    struct sheaf__ended *more);
    /* Whose value it shows, while it has one: there it is taken (L4).  NULL: it is its own. */
    sheaf_future *(*origin)(struct sheaf__composed *composed);
    /* For what ends by itself: it is about to be cancelled by who has a reference; or NULL.  LOCK
     * is held, it is not done. */
    void (*disarm)(sheaf_future *future);
    /* The future is gone: called once, on whatever thread, with no lock held; or NULL.  What it
     * held is let go with unhold_later(), into `rest`: however deep futures hold each other, the
     * stack does not grow. */
    void (*destroyed)(struct sheaf__composed *composed, sheaf_future **rest);
};

/* Where a node is once its future is done. */
enum sheaf__node_place {
    SHEAF__NODE_WITH_COMPLETER = 0, /* who is about to wake it, and does not suspend before */
    SHEAF__NODE_IN_DRAIN,           /* in the list of a drain, guarded by LOCK (lib/drain.c) */
    SHEAF__NODE_PASSED              /* its sleeper was woken by somebody else: nobody has it */
};

static inline struct sheaf_future *sheaf__future_of_job(struct sheaf__job *job)
{
    return SHEAF__CONTAINER(job, struct sheaf_future, job);
}

/* ---------------------------------------------------------------- state */

static inline uint32_t sheaf__future_flags(const sheaf_future *future)
{
    return sheaf__load_rlx(&future->job.flags);
}

static inline bool sheaf__future_is_task(const sheaf_future *future)
{
    return !(sheaf__future_flags(future) & (SHEAF__JOB_BARE | SHEAF__JOB_STATIC));
}

/* Whether the outcome is there.  acquire: pairs with the release in the step to DONE. */
static inline bool sheaf__future_done(const sheaf_future *future)
{
    return sheaf__load_acq(&future->job.state) == SHEAF__DONE ||
           (sheaf__load_acq(&future->job.word) & SHEAF__WORD_DONE);
}

/* The outcome's status.  Requires: done */
static inline int sheaf__future_outcome(const sheaf_future *future)
{
    return (int)sheaf__load_rlx(&future->job.at.status);
}

/* What stands behind it, or NULL. */
static inline struct sheaf__composed *sheaf__future_composed(const sheaf_future *future)
{
    return (sheaf__future_flags(future) & SHEAF__JOB_BARE) ? future->in.composed : NULL;
}

/* In a child of fork(), a future of the parent's: whether it is one; makes it done, and its LOCK
 * free (lib/lost.c).  Else it does nothing. */
bool sheaf__future_is_lost(const sheaf_future *future);
void sheaf__future_settle(sheaf_future *future);

/* The same, before LOCK is taken and where the end is looked or waited for. */
static inline void sheaf__future_meet(sheaf_future *future)
{
    if (SHEAF__UNLIKELY(sheaf__forks > 0)) {
        sheaf__future_settle(future);
    }
}

/* In the handler of a fork: nobody settles a future. */
void sheaf__lost_begin(void);

/* What the library has called, named by `what`, must not go on in a child of fork(). */
SHEAF__NORETURN void sheaf__returned_in_child(const char *what);

/* Takes LOCK and revokes the bias.  The future may be done. */
void sheaf__future_lock(sheaf_future *future);

/* The same, giving up after a while: for whoever holds another LOCK. */
bool sheaf__future_try_lock(sheaf_future *future);

static inline void sheaf__future_unlock(sheaf_future *future)
{
    sheaf__and_rel(&future->job.word, ~SHEAF__WORD_LOCK);
}

/* Waits until nobody holds LOCK. */
void sheaf__future_wait_unlocked(sheaf_future *future);

/* Keeps the record, a frame's too, from going, whoever owns references.  For short moments: the
 * join of a frame's task waits for the end of such a hold.
 *
 * Requires: the caller knows that it is alive */
void sheaf__future_hold(sheaf_future *future);
void sheaf__future_unhold(sheaf_future *future);

/* The same where the end of the hold must not destroy anything, while a LOCK is held for instance:
 * where it would, the future goes on a list instead, to be let go by unhold_all().  LOCK is taken
 * inside of a task that nobody has ever locked. */
void sheaf__future_unhold_later(sheaf_future *future, sheaf_future **list);
void sheaf__future_unhold_all(sheaf_future *list);

/* Leaves a frame's record that is done: waits for holds to end, gives up the contents. */
void sheaf__future_leave_frame(sheaf_future *future);

/* The pool whose workers run it: NULL for a static future. */
sheaf_pool *sheaf__future_pool(const sheaf_future *future);

/* The extra part if there is one; else NULL.  Runner, maker before publishing, or under LOCK. */
static inline struct sheaf__extra *sheaf__future_extra(const sheaf_future *future)
{
    /* acquire: pairs with the release that installs it. */
    return (sheaf__load_acq(&future->job.word) & SHEAF__WORD_EXTRA) ? future->extra : NULL;
}

/* The same, made if there is none.  NULL for want of memory.  LOCK is taken inside. */
struct sheaf__extra *sheaf__future_need_extra(sheaf_future *future);

/* ---------------------------------------------------------------- making and ending */

/* A record of the pool; NULL for want of memory.  `worker` is the calling one, or NULL. */
sheaf_future *sheaf__future_new(sheaf_pool *pool, struct sheaf__worker *worker);

/* The immortal future that has failed with that status: NOMEM, CLOSED, INVALID or NOTASK. */
sheaf_future *sheaf__future_failed(int status);

/* Ends a task after its body has returned, or never ran (state QUEUED or RUNNING).
 * The future may be gone on return. */
void sheaf__future_finish(sheaf_future *future, int status);

/* Ends a task whose body never ran, with that status; its arg_drop is called.
 * Requires: the caller has claimed it.  The future may be gone on return. */
void sheaf__task_finish_unrun(sheaf_future *future, int status);

/* The locked way, for a future whose LOCK is held by the caller: outcome, DONE, no LOCK, waiters.
 *
 *   status  and, in out.value, the value or the error (given) */
void sheaf__future_finish_locked(sheaf_future *future, int status);

/* The same from within a notification: its nodes are told later, after those of others.
 * Requires: a bare future to which the caller has a reference */
void sheaf__future_finish_into(sheaf_future *future, int status, struct sheaf__ended *more);

/* A bare future is about to end with the cancellation of what it stands for: it fails with that,
 * and is not cancelled itself (G8).  Requires: LOCK */
static inline void sheaf__future_fail_by_member(sheaf_future *future)
{
    uint32_t flags = sheaf__future_flags(future) | SHEAF__JOB_BY_MEMBER;
    sheaf__store_rlx(&future->job.flags, (uint8_t)flags);
}

/* One more reference to a bare future, unless it is done or the last one is gone.  For who knows
 * the record, but has none. */
bool sheaf__future_try_retain(sheaf_future *future);

/* An error of this future counts as looked at, now or when it comes. */
void sheaf__future_mark_looked(sheaf_future *future);

/* A bare pending future of the pool, not published yet; NULL for want of memory. */
sheaf_future *sheaf__future_new_bare(sheaf_pool *pool);

/* Whether it is a promise of the program's. */
bool sheaf__future_is_promise(const sheaf_future *future);

/* Completes a promise unless it is done.
 *
 *   payload  the value, or the error (ptr, may be NULL); taken when this call decides
 *
 * Returns: whether this call decided */
bool sheaf__promise_complete(sheaf_future *promise, int status, sheaf_value payload);

/* Appends a node; takes it out.  Requires: LOCK, not done */
void sheaf__future_add_node(sheaf_future *future, struct sheaf__node *node);

void sheaf__future_unlink_node(sheaf_future *future, struct sheaf__node *node);

/* Appends a node.  Returns: false when the future is done, and nobody has the node */
bool sheaf__future_register(sheaf_future *future, struct sheaf__node *node);

/* Takes a node back.  On return the completer is done with it.
 * Returns: false when the future is done */
bool sheaf__future_remove_node(sheaf_future *future, struct sheaf__node *node);

/* Takes a node without a sleeper back, without waiting.
 * Returns: false when whoever ends the future has it and is about to tell it, or has */
bool sheaf__future_take_back(sheaf_future *future, struct sheaf__node *node);

/* Forgets the weak nodes of a detached list: its future will never end. */
void sheaf__future_forget_nodes(struct sheaf__node *list, sheaf_future **rest);

/* Ends a task's sleep in the list with that reason, if it is there.  Requires: LOCK, not done */
void sheaf__future_wake_task(sheaf_future *future, const sheaf_future *task, uint32_t reason);

/* Wakes or notifies the nodes of a detached list, in order. */
void sheaf__future_wake_nodes(struct sheaf__node *list, sheaf_future *future);

/* The same for the futures that ended in a notification, and those that end with them. */
void sheaf__ended_tell(struct sheaf__ended *more);

/* The error object of a failed or cancelled future, borrowed; may be NULL.  Requires: done */
sheaf_error *sheaf__future_error(const sheaf_future *future);

/* The error object of a failed future as it is told: never NULL when it failed; given. */
sheaf_error *sheaf__future_told_error(sheaf_future *future);

/* What the running task fails with if it returns that status now: given, NULL: nothing. */
sheaf_error *sheaf__task_raised(const sheaf_future *task, int status);

/* Makes `error` (shared, may be NULL) what the running task fails with. */
void sheaf__task_set_raised(sheaf_future *task, sheaf_error *error);

/* Hands the outcome to a reader: the value, or the error as raised in `task` (NULL: plain thread).
 * Requires: done */
int sheaf__future_read(sheaf_future *future, sheaf_future *task, sheaf_value *value);

/* The place of the task's spawn, static text, or NULL; as it stands in `place` of a record without
 * an extra part.  LOCK is taken inside of the first; held, or not needed yet, for the second. */
const char *sheaf__future_place(const sheaf_future *given);
const char *sheaf__future_own_place(const sheaf_future *future);

/* What it is, in a word: "task", "promise", "gather". */
const char *sheaf__future_kind(const sheaf_future *future);

/* The name as text into a buffer, as snprintf.  LOCK is taken inside. */
size_t sheaf__future_name_text(const sheaf_future *given, char *buffer, size_t size);

/* ---------------------------------------------------------------- between the parts of a future */

/* Makes the ring of nodes a chain that ends in NULL.  Requires: LOCK, or nobody else */
struct sheaf__node *sheaf__future_detach_nodes(sheaf_future *future);

/* The pool for which a pending promise counts as in outside hands, or NULL; it does no more.  The
 * second tells that pool, after those that waited for the promise have been woken. */
sheaf_pool *sheaf__promise_outside(sheaf_future *future);
void sheaf__promise_leave_outside(sheaf_pool *pool);

/* Gives up the contents and the record; what it held goes on the list `rest`.
 * Requires: done, the last reference is gone */
void sheaf__future_destroy(sheaf_future *future, sheaf_future **rest);

/* ---------------------------------------------------------------- waiting (lib/await.c) */

/* Waits for a future in whatever way suits the caller.
 *
 *   deadline  on the caller's clock, SHEAF_FOREVER for none
 *
 * Returns: SHEAF_OK when it is done; SHEAF_TIMEOUT; SHEAF_CANCELLED, SHEAF_STATE, SHEAF_CYCLE,
 *          SHEAF_NOMEM */
int sheaf__future_wait(sheaf_future *future, sheaf_time deadline);

/* As sheaf_join(), to the end of the task whatever becomes of the caller: the task uses what is in
 * the caller's hands. */
int sheaf__join_kept(sheaf_future *future, sheaf_value *value);

/* ---------------------------------------------------------------- running (lib/task.c) */

extern const struct sheaf__pool_ops sheaf__task_ops;

/* Somebody asks a task while it starts.
 * Returns: whether its body runs all the same; if not it has been ended and may be gone */
bool sheaf__task_may_start(sheaf_future *task, void *arg);

/* Takes a queued task out of wherever it lies in the caller's pool.  Returns: false if too late */
bool sheaf__task_claim(sheaf_pool *pool, struct sheaf__worker *worker, sheaf_future *future);

/* A task with all the trimmings, in three steps.  make: nobody else knows of it yet; where it fails
 * a static future, the argument has been dropped.  start: makes it runnable; false when the pool is
 * closed.  discard: ends one that has not been started.
 *
 *   node  the first in the list of those who are told of its end, or NULL */
/* Whether tasks that `maker` makes need an extra part for what they take over; NULL: a thread. */
bool sheaf__task_hands_down(const sheaf_pool *pool, const sheaf_future *maker);

/* Forks (lib/fork.c).  Takes one of another worker's, as a task; NULL: there was none. */
struct sheaf__job *sheaf__fork_steal(struct sheaf__worker *worker, struct sheaf__region *region);

/* Makes tasks of all open forks of the running fiber, which is about to suspend.
 * Returns: SHEAF_OK, SHEAF_NOMEM */
int sheaf__forks_make_tasks(struct sheaf__worker *worker);

static inline int sheaf__forks_offer(struct sheaf__worker *worker)
{
    struct sheaf__region *region = sheaf__load_rlx(&sheaf__load_rlx(&worker->fiber)->region);
    return SHEAF__UNLIKELY(region) ? sheaf__forks_make_tasks(worker) : SHEAF_OK;
}

/* The running task hands something down to what it spawns from here on. */
void sheaf__forks_inherit(const sheaf_future *task);

sheaf_future *sheaf__task_make(const sheaf_spawn_options *options, sheaf_fn *fn, void *arg,
                               struct sheaf__node *node);
bool sheaf__task_start(sheaf_future *task);
void sheaf__task_discard(sheaf_future *task, int status);

/* A spawn that makes no task: its argument is given up like that of a task that never runs. */
sheaf_future *sheaf__spawn_fail(const sheaf_spawn_options *options, void *arg, int status);

/* Options as the library knows them, from those of a caller that knows fewer; NULL: all defaults.
 * Returns: SHEAF_OK, SHEAF_INVALID */
int sheaf__spawn_options(const sheaf_spawn_options *given, sheaf_spawn_options *options);

/* Begins a block of the running task; ends its innermost one.
 * end_block() returns: false when that is another one
 * has_block() returns: whether it is among the 64 innermost */
void sheaf__task_begin_block(sheaf_future *task, struct sheaf__block *block);
bool sheaf__task_end_block(sheaf_future *task, const struct sheaf__block *block);
bool sheaf__task_has_block(const sheaf_future *task, const struct sheaf__block *block);

/* ---------------------------------------------------------------- cancelling (lib/cancel.c) */

/* Asks.  `message` is shared, may be NULL. */
bool sheaf__future_ask(sheaf_future *future, sheaf_origin origin, sheaf_error *message);

/* The same from within a notification: the nodes of promises that end are told later.
 *
 *   more  NULL: it is none, they are told at once */
bool sheaf__future_ask_into(sheaf_future *future, sheaf_origin origin, struct sheaf__ended *more);

/* A request that whoever made it may take back: a timeout's, a group's (P10, TO19).  Guarded by the
 * LOCK of the task. */
struct sheaf__ticket {
    struct sheaf__ticket *next;
    bool made;
    bool undelivered; /* in the list of the task */
};

/* Asks a task on behalf of a ticket that has not been made.
 * Requires: the ticket stays until it is withdrawn; the task has an extra part */
bool sheaf__task_ask_for(sheaf_future *task, sheaf_origin origin, struct sheaf__ticket *ticket);

/* The running task takes a request back that has been made: one less is counted, and if it is
 * undelivered it never will be.  Returns: how many are still counted */
int sheaf__task_withdraw(sheaf_future *task, struct sheaf__ticket *ticket);

/* The same count again, undelivered: the next suspension delivers it (TG11). */
void sheaf__task_rearm(sheaf_future *task);

/* Whether a request is to be delivered to the running task now. */
static inline bool sheaf__task_is_asked(const sheaf_future *task)
{
    return (sheaf__load_rlx(&task->job.word) & SHEAF__WORD_CANCEL) &&
           !(sheaf__future_flags(task) & SHEAF__JOB_MASKED);
}

/* Delivers the undelivered request: the caller returns SHEAF_CANCELLED.
 * Returns: SHEAF_CANCELLED; SHEAF_OK when it was withdrawn meanwhile */
int sheaf__task_deliver(sheaf_future *task);

/* Passes the undelivered request of the running task on to what it is about to await.
 * Returns: whether that took it; the task then has none undelivered */
bool sheaf__task_pass_request(sheaf_future *task, sheaf_future *future);

/* What a SHEAF_CANCELLED that came out of an awaited future means to the awaiter. */
void sheaf__task_note_cancelled(sheaf_future *task);

/* Whether a request to the task went on to what it awaited, and that is not noted yet. */
bool sheaf__task_was_passed_on(const sheaf_future *task);

/* The wait that a request went on to has ended, and not by the request. */
void sheaf__task_forget_passed(sheaf_future *task);

/* Marks a task as asked by the shutdown that is under way.  Returns: false when it was already */
bool sheaf__task_mark_swept(sheaf_future *task);

/* Checks whether a wait of `task` for `future` would close a circle of direct awaits. */
int sheaf__task_check_cycle(sheaf_future *task, sheaf_future *future);

/* ---------------------------------------------------------------- lateness (lib/lag.c) */

/* A request stays undelivered with the task; or does not any more, or the task ends.
 * Requires: LOCK; for the second also extra->lag */
void sheaf__lag_begin(sheaf_future *task);
void sheaf__lag_end(sheaf_future *task, struct sheaf__extra *extra);

/* ---------------------------------------------------------------- locals (lib/local.c) */

struct sheaf__locals *sheaf__locals_retain(struct sheaf__locals *locals);
void sheaf__locals_release(struct sheaf__locals *locals);

/* Those that the caller sees, borrowed: of the current task, or of the blocking call that runs on
 * this thread.  NULL: none */
struct sheaf__locals *sheaf__locals_current(void);

/* Runs what comes between the two among other values, NULL for none, on whatever thread. */
struct sheaf__visit {
    struct sheaf__locals *before; /* of the current task or blocking call */
    struct sheaf__extra *extra;   /* of the current task, or NULL */
    struct sheaf__guest *guest;   /* where there is no task */
    struct sheaf__guest own;      /* it, where no blocking call runs either */
};

void sheaf__locals_visit(struct sheaf__visit *visit, struct sheaf__locals *locals);
void sheaf__locals_return(struct sheaf__visit *visit);

/* ---------------------------------------------------------------- reports (lib/report.c) */

/* Calls the unhandled-error hook, now or, when another call of it is under way, after that one.
 *
 *   locals  borrowed: the values among which it runs; NULL for none */
void sheaf__report(sheaf_pool *pool, sheaf_error *error, const char *task_name,
                   struct sheaf__locals *locals);

/* ---------------------------------------------------------------- callbacks (lib/drain.c) */

/* Whether this task is one that runs callbacks: the program does not see it. */
bool sheaf__task_is_drain(const sheaf_future *task);

/* The same, and the tasks that sheaf_run() itself needs. */
bool sheaf__task_is_hidden(const sheaf_future *task);

/* A callback is suspended on a stack that was abandoned: what comes after it in the drain `task` is
 * run on the calling thread. */
void sheaf__drain_abandoned(sheaf_future *task);

/* Runs a drain that no worker will run, on the calling thread. */
void sheaf__drain_run_here(sheaf_future *drain);

/* Whether this node is a callback; and the step that commits it and what follows it in the list.
 * Requires: LOCK, the future is about to be done */
bool sheaf__node_is_callback(const struct sheaf__node *node);
void sheaf__drain_commit(struct sheaf__node *node, sheaf_future *future);

/* Takes a node out of the drain's list.  Requires: LOCK; it is in there */
void sheaf__drain_unlink(sheaf_future *future, struct sheaf__node *node);

/* Frees the drain state of a future that is being destroyed. */
void sheaf__drain_free(struct sheaf__drain *state);

#endif
