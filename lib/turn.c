#include "lib/turn.h"

sheaf_pool *sheaf__turns_here(void)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    sheaf_pool *pool = worker ? worker->pool : NULL;
    return pool && pool->deterministic && !pool->seed ? pool : NULL;
}

void sheaf__turn_init(struct sheaf__turn *turn, sheaf_pool *pool, const sheaf_future *future,
                      void (*come)(struct sheaf__turn *turn, struct sheaf__ended *more))
{
    bool framed = sheaf__future_flags(future) & SHEAF__JOB_FRAME;
    sheaf__store_rlx(&turn->job.where, SHEAF__WHERE_NONE);
    sheaf__store_rlx(&turn->job.flags, SHEAF__JOB_BARE);
    /* What is held keeps the pool that take_back() looks into. */
    turn->pool = pool && (framed || sheaf__future_pool(future) == pool) ? pool : NULL;
    turn->come = come;
}

bool sheaf__turn_take(struct sheaf__turn *turn)
{
    struct sheaf__worker *worker = sheaf__worker_self();
    if (!turn->pool || !worker || worker->pool != turn->pool) {
        return false;
    }
    sheaf__worker_push(worker, &turn->job);
    return true;
}

bool sheaf__turn_take_back(struct sheaf__turn *turn)
{
    return turn->pool && sheaf__load_rlx(&turn->job.where) == SHEAF__WHERE_RUNQ &&
           sheaf__runq_claim(&turn->pool->inject, &turn->job);
}

void sheaf__turn_come(struct sheaf__job *job)
{
    struct sheaf__turn *turn = SHEAF__CONTAINER(job, struct sheaf__turn, job);
    struct sheaf__ended more = {NULL, NULL};
    turn->come(turn, &more);
    sheaf__ended_tell(&more);
}
