/* Step 8: from those who make to those who use.
 *
 *     300 loaves baked, 300 eaten
 */
#include <stdio.h>

#include <sheaf.h>

enum { BAKERS = 3, EATERS = 5, LOAVES = 100 };

static int bake(void *arg, sheaf_value *result)
{
    (void)result;
    for (int i = 0; i < LOAVES; i++) {
        SHEAF_TRY(sheaf_queue_put(arg, (sheaf_value){.i64 = i}));
    }
    return SHEAF_OK;
}

static int eat(void *arg, sheaf_value *result)
{
    int status;
    sheaf_value loaf;
    while ((status = sheaf_queue_get(arg, &loaf)) == SHEAF_OK) {
        result->i64++;
    }
    return status == SHEAF_SHUTDOWN ? SHEAF_OK : status;
}

static int work(sheaf_queue *shelf)
{
    sheaf_future *futures[BAKERS + EATERS];
    sheaf_value eaten[EATERS];
    sheaf_spawn_many(bake, shelf, 0, BAKERS, futures);
    sheaf_spawn_many(eat, shelf, 0, EATERS, futures + BAKERS);
    int status = sheaf_gather(futures, BAKERS, SHEAF_GATHER_RAISE, NULL, NULL);
    sheaf_queue_shutdown(shelf, false); /* what is on it is still eaten */
    int ended = sheaf_gather(futures + BAKERS, EATERS, SHEAF_GATHER_RAISE, eaten, NULL);
    sheaf_release_all(futures, BAKERS + EATERS);
    SHEAF_TRY(status);
    SHEAF_TRY(ended);
    int sum = 0;
    for (int i = 0; i < EATERS; i++) {
        sum += (int)eaten[i].i64;
    }
    printf("%d loaves baked, %d eaten\n", BAKERS * LOAVES, sum);
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_queue shelf;
    SHEAF_TRY(sheaf_queue_open(&shelf, SHEAF_QUEUE_OPTIONS(.bound = 10)));
    int status = work(&shelf);
    sheaf_queue_close(&shelf);
    return status;
}

int main(void)
{
    return sheaf_exit_code(sheaf_run(NULL, app, NULL, NULL));
}
