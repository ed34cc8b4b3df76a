#include "lib/registry.h"

#include <pthread.h>

/* Rank 0: what a look at a pool's tasks takes is taken inside. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sheaf__list registry; /* guarded by it; a debugger begins here too */

void sheaf__registry_add(sheaf_pool *pool)
{
    pthread_mutex_lock(&registry_lock);
    sheaf__list_push_back(&registry, &pool->registered);
    pthread_mutex_unlock(&registry_lock);
}

void sheaf__registry_remove(sheaf_pool *pool)
{
    pthread_mutex_lock(&registry_lock);
    sheaf__link_unlink(&pool->registered);
    pthread_mutex_unlock(&registry_lock);
}

int sheaf__registry_visit(int (*visit)(void *context, sheaf_pool *pool), void *context)
{
    int status = SHEAF_OK;
    pthread_mutex_lock(&registry_lock);
    SHEAF__LIST_EACH (link, &registry) {
        status = visit(context, SHEAF__CONTAINER(link, sheaf_pool, registered));
        if (status != SHEAF_OK) {
            break;
        }
    }
    pthread_mutex_unlock(&registry_lock);
    return status;
}

void sheaf__registry_forget(void)
{
    registry_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    registry = (struct sheaf__list){.head = {NULL, NULL}};
}
