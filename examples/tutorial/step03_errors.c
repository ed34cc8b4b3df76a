/* Step 3: what fails, alone and among others.
 *
 *     one error ends the wait: number 3
 *     each for itself: 1, 2, the third is odd, 4
 */
#include <errno.h>
#include <stdio.h>

#include <sheaf.h>

enum { PARTS = 4 };

static int part(void *arg, sheaf_value *result)
{
    int64_t n = *(const int64_t *)arg;
    if (n == 3) {
        return sheaf_raise(EDOM, "the third is odd");
    }
    result->i64 = n;
    return SHEAF_OK;
}

static int raise_first(sheaf_future *const *futures)
{
    int statuses[PARTS] = {0};
    int status = sheaf_gather(futures, PARTS, SHEAF_GATHER_RAISE, NULL, statuses);
    for (int i = 0; i < PARTS; i++) {
        if (statuses[i] == EDOM) {
            printf("one error ends the wait: number %d\n", i + 1);
        }
    }
    return status == EDOM ? SHEAF_OK : status;
}

static int collect_all(sheaf_future *const *futures)
{
    SHEAF_TRY(sheaf_gather(futures, PARTS, SHEAF_GATHER_COLLECT, NULL, NULL));
    printf("each for itself: ");
    for (int i = 0; i < PARTS; i++) {
        sheaf_value value;
        sheaf_error *error = sheaf_future_error(futures[i]);
        if (error) {
            printf("%s", sheaf_error_message(error));
        } else if (sheaf_await(futures[i], &value) == SHEAF_OK) {
            printf("%d", (int)value.i64);
        }
        printf(i < PARTS - 1 ? ", " : "\n");
        sheaf_error_release(error);
    }
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t numbers[PARTS] = {1, 2, 3, 4};
    sheaf_future *futures[PARTS];
    sheaf_spawn_many(part, numbers, sizeof numbers[0], PARTS, futures);
    int status = raise_first(futures);
    status = status ? status : collect_all(futures);
    sheaf_release_all(futures, PARTS);
    return status;
}

int main(void)
{
    return sheaf_exit_code(sheaf_run(NULL, app, NULL, NULL));
}
