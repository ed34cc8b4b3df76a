/* Invariant: while a job is queued there is a thread, or one is being started; `threads` counts
 * both.  A thread leaves, under the lock, only when it finds the queue empty or when there are more
 * than the limit; who fails to start the only one refuses everything that is queued.
 *
 * Each thread that leaves leaves itself to be joined by the next, the last by dismiss(): so at most
 * one is left unjoined at any time, and none in the end. */
#include "lib/crew.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include <sheaf/time.h>

#include "lib/alloc.h"
#include "lib/atomics.h"
#include "lib/platform/clock.h"
#include "lib/platform/thread.h"

/* How long a thread waits for another job. */
#define IDLE_LIMIT SHEAF_S(3)

#define NAME_SIZE 16

/* A thread that has left, or is about to end. */
struct gone {
    bool is_one;
    pthread_t thread; /* valid if so */
};

struct sheaf__crew {
    const struct sheaf__crew_ops *ops; /* const */
    char name[NAME_SIZE];              /* const */
    SHEAF__ATOMIC(size_t) owners;

    pthread_mutex_t lock;       /* rank 7: guards what follows; nothing is locked inside of it */
    pthread_cond_t work;        /* something is queued, or threads are to leave */
    pthread_cond_t left;        /* a thread has left */
    struct sheaf__list queued;  /* first in, first out */
    struct sheaf__list running; /* in the order of their starts */
    size_t queued_count;
    unsigned limit;
    unsigned threads; /* in existence or being started */
    unsigned busy;    /* of them, those that run a job */
    bool closed;      /* takes no more jobs */
    bool leaving;     /* threads leave once nothing is queued */
    bool abandoned;   /* nobody joins threads any more */
    struct gone gone; /* the last thread to leave */
};

static struct sheaf__crew_job *job_of(struct sheaf__link *link)
{
    return SHEAF__CONTAINER(link, struct sheaf__crew_job, link);
}

/* ---------------------------------------------------------------- life */

static bool init_locks(struct sheaf__crew *crew)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes)) {
        return false;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    bool lock = !pthread_mutex_init(&crew->lock, NULL);
    bool work = lock && !pthread_cond_init(&crew->work, &attributes);
    bool left = work && !pthread_cond_init(&crew->left, &attributes);
    pthread_condattr_destroy(&attributes);
    if (work && !left) {
        pthread_cond_destroy(&crew->work);
    }
    if (lock && !left) {
        pthread_mutex_destroy(&crew->lock);
    }
    return left;
}

struct sheaf__crew *sheaf__crew_new(const struct sheaf__crew_ops *ops, const char *name,
                                    unsigned limit)
{
    struct sheaf__crew *crew = sheaf__alloc_zeroed(sizeof *crew);
    if (!crew) {
        return NULL;
    }
    if (!init_locks(crew)) {
        sheaf__free(crew, sizeof *crew);
        return NULL;
    }
    crew->ops = ops;
    crew->limit = limit;
    snprintf(crew->name, sizeof crew->name, "%.*s", NAME_SIZE - 1, name);
    sheaf__store_rlx(&crew->owners, 1);
    return crew;
}

void sheaf__crew_own(struct sheaf__crew *crew)
{
    sheaf__add_rlx(&crew->owners, 1);
}

void sheaf__crew_let_go(struct sheaf__crew *crew)
{
    /* acq_rel: the last owner sees that all others are done with it. */
    if (sheaf__sub_acq_rel(&crew->owners, 1) == 1) {
        pthread_cond_destroy(&crew->left);
        pthread_cond_destroy(&crew->work);
        pthread_mutex_destroy(&crew->lock);
        sheaf__free(crew, sizeof *crew);
    }
}

/* ---------------------------------------------------------------- the queue */

/* Requires: the lock, queued */
static void unqueue(struct sheaf__crew *crew, struct sheaf__crew_job *job)
{
    sheaf__link_unlink(&job->link);
    job->queued = false;
    crew->queued_count--;
}

/* Requires: the lock */
static struct sheaf__crew_job *pop(struct sheaf__crew *crew)
{
    struct sheaf__link *link = sheaf__list_first(&crew->queued);
    if (!link) {
        return NULL;
    }
    unqueue(crew, job_of(link));
    return job_of(link);
}

bool sheaf__crew_take(struct sheaf__crew *crew, struct sheaf__crew_job *job)
{
    pthread_mutex_lock(&crew->lock);
    bool queued = job->queued;
    if (queued) {
        unqueue(crew, job);
    }
    pthread_mutex_unlock(&crew->lock);
    return queued;
}

struct sheaf__crew_job *sheaf__crew_take_first(struct sheaf__crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    struct sheaf__crew_job *job = pop(crew);
    pthread_mutex_unlock(&crew->lock);
    return job;
}

/* ---------------------------------------------------------------- threads */

/* Returns: false at the (real) deadline.  Requires: the lock */
static bool wait_until(struct sheaf__crew *crew, pthread_cond_t *condition, int64_t deadline)
{
    if (deadline == SHEAF_FOREVER) {
        return pthread_cond_wait(condition, &crew->lock) == 0;
    }
    deadline = deadline > 0 ? deadline : 0;
    struct timespec until = {
        .tv_sec = (time_t)(deadline / 1000000000),
        .tv_nsec = (long)(deadline % 1000000000),
    };
    return pthread_cond_timedwait(condition, &crew->lock, &until) == 0;
}

/* Requires: the lock */
static void wait_for_work(struct sheaf__crew *crew)
{
    int64_t until = sheaf__deadline_after(sheaf__clock_monotonic(), IDLE_LIMIT);
    bool in_time = true;
    while (crew->queued_count == 0 && !crew->leaving && crew->threads <= crew->limit && in_time) {
        in_time = wait_until(crew, &crew->work, until);
    }
}

/* The calling thread counts no more.  It is the one to be joined then, in the place of the one that
 * is returned; abandoned it is joined by nobody.  Requires: the lock */
static struct gone leave(struct sheaf__crew *crew)
{
    struct gone before = crew->gone;
    crew->gone = (struct gone){.is_one = !crew->abandoned, .thread = pthread_self()};
    if (crew->abandoned) {
        pthread_detach(pthread_self());
    }
    crew->threads--;
    pthread_cond_broadcast(&crew->left);
    return before;
}

/* The next job to run; NULL when the thread has left, *before is then to be joined. */
static struct sheaf__crew_job *next_job(struct sheaf__crew *crew, struct gone *before)
{
    pthread_mutex_lock(&crew->lock);
    wait_for_work(crew);
    struct sheaf__crew_job *job = crew->threads <= crew->limit ? pop(crew) : NULL;
    if (job) {
        crew->busy++;
        sheaf__list_push_back(&crew->running, &job->link);
    } else {
        *before = leave(crew);
    }
    pthread_mutex_unlock(&crew->lock);
    return job;
}

static void run_job(struct sheaf__crew *crew, struct sheaf__crew_job *job)
{
    crew->ops->run(job);
    pthread_mutex_lock(&crew->lock);
    sheaf__link_unlink(&job->link);
    crew->busy--;
    pthread_mutex_unlock(&crew->lock);
    crew->ops->ran(job);
}

static void *crew_thread(void *arg)
{
    struct sheaf__crew *crew = arg;
    struct sheaf__crew_job *job;
    struct gone before;
    sheaf__thread_name(crew->name, "call");
    while ((job = next_job(crew, &before)) != NULL) {
        run_job(crew, job);
    }
    if (before.is_one) {
        pthread_join(before.thread, NULL);
    }
    sheaf__crew_let_go(crew);
    return NULL;
}

/* Returns: whether a thread is to be started; it counts already */
static bool claim_thread(struct sheaf__crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    bool wanted = crew->queued_count > crew->threads - crew->busy && crew->threads < crew->limit;
    crew->threads += wanted;
    pthread_mutex_unlock(&crew->lock);
    return wanted;
}

/* A thread that was claimed could not be started.  If there are others, these do the work. */
static void give_thread_up(struct sheaf__crew *crew)
{
    struct sheaf__crew_job *job;
    pthread_mutex_lock(&crew->lock);
    bool alone = --crew->threads == 0;
    pthread_cond_broadcast(&crew->left);
    pthread_mutex_unlock(&crew->lock);
    while (alone && (job = sheaf__crew_take_first(crew)) != NULL) {
        crew->ops->refuse(job);
    }
    sheaf__crew_let_go(crew);
}

static void start_threads(struct sheaf__crew *crew)
{
    bool started = true;
    while (started && claim_thread(crew)) {
        pthread_t thread;
        sheaf__crew_own(crew);
        started = sheaf__thread_start(&thread, crew_thread, crew) == 0;
        if (!started) {
            give_thread_up(crew);
        }
    }
}

/* ---------------------------------------------------------------- use */

void sheaf__crew_limit(struct sheaf__crew *crew, unsigned limit)
{
    pthread_mutex_lock(&crew->lock);
    crew->limit = limit;
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->lock);
    start_threads(crew);
}

bool sheaf__crew_push(struct sheaf__crew *crew, struct sheaf__crew_job *job)
{
    pthread_mutex_lock(&crew->lock);
    bool open = !crew->closed;
    if (open) {
        sheaf__list_push_back(&crew->queued, &job->link);
        job->queued = true;
        crew->queued_count++;
        pthread_cond_signal(&crew->work);
    }
    pthread_mutex_unlock(&crew->lock);
    if (open) {
        start_threads(crew);
    }
    return open;
}

/* ---------------------------------------------------------------- rounds */

static void forget_told(struct sheaf__list *list)
{
    SHEAF__LIST_EACH (link, list) {
        job_of(link)->told = false;
    }
}

void sheaf__crew_begin_round(struct sheaf__crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    forget_told(&crew->running);
    forget_told(&crew->queued);
    pthread_mutex_unlock(&crew->lock);
}

/* Requires: the lock */
static struct sheaf__crew_job *tell_first(struct sheaf__crew *crew, struct sheaf__list *list)
{
    SHEAF__LIST_EACH (link, list) {
        struct sheaf__crew_job *job = job_of(link);
        if (!job->told) {
            job->told = true;
            crew->ops->hold(job);
            return job;
        }
    }
    return NULL;
}

struct sheaf__crew_job *sheaf__crew_next_in_round(struct sheaf__crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    struct sheaf__crew_job *job = tell_first(crew, &crew->running);
    job = job ? job : tell_first(crew, &crew->queued);
    pthread_mutex_unlock(&crew->lock);
    return job;
}

/* ---------------------------------------------------------------- the end */

void sheaf__crew_close(struct sheaf__crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->closed = true;
    pthread_mutex_unlock(&crew->lock);
}

bool sheaf__crew_dismiss(struct sheaf__crew *crew, enum sheaf__crew_dismissal how, int64_t deadline)
{
    bool leave_busy = how == SHEAF__CREW_LEAVE_BUSY;
    bool in_time = true;
    struct gone last = {.is_one = false};
    pthread_mutex_lock(&crew->lock);
    crew->leaving = true;
    pthread_cond_broadcast(&crew->work);
    while (crew->threads > (leave_busy ? crew->busy : 0) && in_time) {
        in_time = wait_until(crew, &crew->left, deadline);
    }
    bool dismissed = crew->threads <= (leave_busy ? crew->busy : 0);
    if (dismissed) {
        last = crew->gone;
        crew->gone.is_one = false;
        crew->abandoned = true;
    }
    pthread_mutex_unlock(&crew->lock);
    if (last.is_one) {
        pthread_join(last.thread, NULL);
    }
    return dismissed;
}
