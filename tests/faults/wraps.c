#include "tests/faults/wraps.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/atomics.h"
#include "lib/slab.h"

const char *const fault_kind_names[FAULT_KINDS] = {"memory", "records", "stack", "trim",
                                                   "thread", "lock",    "system"};

#define ADVICE_GUARD_INSTALL 102

enum { REFUSED_MAX = 1024 };

static struct fault_plan plan; /* written while `active` is off */

/* seq_cst throughout: what is tested must not owe its order to a weaker count, nor break by it. */
static SHEAF__ATOMIC(int) active;
static SHEAF__ATOMIC(long) planned_points;
static SHEAF__ATOMIC(long) points[FAULT_KINDS];
static SHEAF__ATOMIC(long) fired[FAULT_KINDS];
static SHEAF__ATOMIC(int64_t) live_blocks;
static SHEAF__ATOMIC(int64_t) mapped_bytes;
static bool guards_denied;

static struct {
    pthread_mutex_t lock;
    unsigned count;
    struct {
        void *at;
        size_t bytes;
    } regions[REFUSED_MAX];
} refused = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* One more point.  Returns: whether it is to fail */
static bool fails(enum fault_kind kind)
{
    if (!sheaf__load_seq(&active)) {
        return false;
    }
    sheaf__add_seq(&points[kind], 1);
    if (!(plan.kinds & FAULT_BIT(kind))) {
        return false;
    }
    long point = sheaf__add_seq(&planned_points, 1);
    bool hit = plan.for_good ? point >= plan.first : point == plan.first;
    if (hit) {
        sheaf__add_seq(&fired[kind], 1);
    }
    return hit;
}

void faults_begin(const struct fault_plan *next)
{
    sheaf__store_seq(&active, 0);
    plan = *next;
    sheaf__store_seq(&planned_points, 0);
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        sheaf__store_seq(&points[kind], 0);
        sheaf__store_seq(&fired[kind], 0);
    }
    sheaf__store_seq(&active, 1);
}

void faults_pause(void)
{
    sheaf__store_seq(&active, 0);
}

void faults_resume(void)
{
    sheaf__store_seq(&active, 1);
}

long faults_points(enum fault_kind kind)
{
    return sheaf__load_seq(&points[kind]);
}

long faults_fired(enum fault_kind kind)
{
    return sheaf__load_seq(&fired[kind]);
}

long faults_planned_points(void)
{
    return sheaf__load_seq(&planned_points);
}

long faults_all_fired(void)
{
    long all = 0;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        all += sheaf__load_seq(&fired[kind]);
    }
    return all;
}

void faults_deny_guards(void)
{
    guards_denied = true;
}

int64_t faults_live_blocks(void)
{
    return sheaf__load_seq(&live_blocks);
}

int64_t faults_mapped_bytes(void)
{
    return sheaf__load_seq(&mapped_bytes);
}

/* ---------------------------------------------------------------- memory */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **block, size_t align, size_t size);
int __wrap_posix_memalign(void **block, size_t align, size_t size);
void __real_free(void *block);
void __wrap_free(void *block);

static void *counted(void *block)
{
    if (block) {
        sheaf__add_seq(&live_blocks, 1);
    }
    return block;
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *__wrap_malloc(size_t size)
{
    return fails(FAULT_MEMORY) ? no_memory() : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(FAULT_MEMORY) ? no_memory() : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (fails(FAULT_MEMORY)) {
        return no_memory();
    }
    void *moved = __real_realloc(block, size);
    return block ? moved : counted(moved);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fails(FAULT_MEMORY) ? no_memory() : counted(__real_aligned_alloc(align, size));
}

int __wrap_posix_memalign(void **block, size_t align, size_t size)
{
    if (fails(align == SHEAF__SLAB_SIZE ? FAULT_RECORDS : FAULT_MEMORY)) {
        return ENOMEM;
    }
    int error = __real_posix_memalign(block, align, size);
    if (!error) {
        counted(*block);
    }
    return error;
}

void __wrap_free(void *block)
{
    if (block) {
        sheaf__sub_seq(&live_blocks, 1);
    }
    __real_free(block);
}

/* ---------------------------------------------------------------- mappings */

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes);
int __real_mprotect(void *at, size_t bytes, int protection);
int __wrap_mprotect(void *at, size_t bytes, int protection);
int __real_madvise(void *at, size_t bytes, int advice);
int __wrap_madvise(void *at, size_t bytes, int advice);

static int refuse(int error)
{
    errno = error;
    return -1;
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (fails(FAULT_STACK)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *mapped = __real_mmap(at, bytes, protection, flags, fd, offset);
    if (mapped != MAP_FAILED) {
        sheaf__add_seq(&mapped_bytes, (int64_t)bytes);
    }
    return mapped;
}

static void remember_refused(void *at, size_t bytes)
{
    pthread_mutex_lock(&refused.lock);
    if (refused.count < REFUSED_MAX) {
        refused.regions[refused.count].at = at;
        refused.regions[refused.count++].bytes = bytes;
    }
    pthread_mutex_unlock(&refused.lock);
}

int __wrap_munmap(void *at, size_t bytes)
{
    if (fails(FAULT_TRIM)) {
        remember_refused(at, bytes);
        return refuse(ENOMEM);
    }
    int error = __real_munmap(at, bytes);
    if (!error) {
        sheaf__sub_seq(&mapped_bytes, (int64_t)bytes);
    }
    return error;
}

void faults_unmap_refused(void)
{
    pthread_mutex_lock(&refused.lock);
    while (refused.count > 0) {
        refused.count--;
        munmap(refused.regions[refused.count].at, refused.regions[refused.count].bytes);
    }
    pthread_mutex_unlock(&refused.lock);
}

int __wrap_mprotect(void *at, size_t bytes, int protection)
{
    return fails(FAULT_STACK) ? refuse(ENOMEM) : __real_mprotect(at, bytes, protection);
}

int __wrap_madvise(void *at, size_t bytes, int advice)
{
    bool guard = advice == ADVICE_GUARD_INSTALL;
    if (guard && guards_denied) {
        return refuse(EINVAL);
    }
    if (fails(guard ? FAULT_STACK : FAULT_TRIM)) {
        return refuse(guard ? ENOMEM : EAGAIN);
    }
    return __real_madvise(at, bytes, advice);
}

/* ---------------------------------------------------------------- threads and locks */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *arg);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __real_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int __real_pthread_condattr_init(pthread_condattr_t *attributes);
int __wrap_pthread_condattr_init(pthread_condattr_t *attributes);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *arg)
{
    return fails(FAULT_THREAD) ? EAGAIN : __real_pthread_create(thread, attributes, body, arg);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    return fails(FAULT_LOCK) ? ENOMEM : __real_pthread_mutex_init(mutex, attributes);
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    return fails(FAULT_LOCK) ? ENOMEM : __real_pthread_cond_init(cond, attributes);
}

int __wrap_pthread_condattr_init(pthread_condattr_t *attributes)
{
    return fails(FAULT_LOCK) ? ENOMEM : __real_pthread_condattr_init(attributes);
}

/* ---------------------------------------------------------------- the system */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *into, size_t size);
ssize_t __wrap_read(int fd, void *into, size_t size);
int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags);

/* Registering with membarrier and the first barrier may be refused; a process that is registered
 * relies on it. */
static bool membarrier_relied_on;

long __wrap_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long first = va_arg(list, long);
    long second = va_arg(list, long);
    long third = va_arg(list, long);
    va_end(list);
    if (number == SYS_membarrier && !membarrier_relied_on) {
        if (fails(FAULT_SYSTEM)) {
            return refuse(ENOSYS);
        }
        membarrier_relied_on = (int)first == 1 << 3;
    }
    return __real_syscall(number, first, second, third);
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    return fails(FAULT_SYSTEM) ? refuse(EINVAL) : __real_sched_getaffinity(pid, size, set);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int mode = flags & O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return fails(FAULT_SYSTEM) ? refuse(EMFILE) : __real_open(path, flags, mode);
}

ssize_t __wrap_read(int fd, void *into, size_t size)
{
    return fails(FAULT_SYSTEM) ? refuse(EIO) : __real_read(fd, into, size);
}

int __wrap_pipe2(int ends[2], int flags)
{
    return fails(FAULT_SYSTEM) ? refuse(EMFILE) : __real_pipe2(ends, flags);
}
