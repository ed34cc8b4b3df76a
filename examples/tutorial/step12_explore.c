/* Step 12: the order in which it fails.
 *
 *     careless: seed 10 of 1 to 1000 fails: ERANGE; preempted 1 times at 2 points, 1 is enough
 *     careful: no failure under the seeds 1 to 1000
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <sheaf.h>

struct account {
    sheaf_mutex mutex;
    atomic_int balance; /* each access is atomic; what two of them do is not */
};

/* Looks and takes; in between another may have taken. */
static void withdraw_all(struct account *account)
{
    int amount = atomic_load(&account->balance);
    sheaf_testing_point();
    atomic_fetch_sub(&account->balance, amount);
}

static int careless(void *arg, sheaf_value *result)
{
    (void)result;
    withdraw_all(arg);
    return SHEAF_OK;
}

static int careful(void *arg, sheaf_value *result)
{
    struct account *account = arg;
    (void)result;
    SHEAF_TRY(sheaf_lock(&account->mutex));
    withdraw_all(account);
    return sheaf_unlock(&account->mutex);
}

static int withdraw_twice(void *arg, sheaf_value *result)
{
    (void)result;
    sheaf_fn *const *how = arg;
    struct account account = {SHEAF_MUTEX_INIT, 100};
    sheaf_future *both[] = {sheaf_spawn(*how, &account), sheaf_spawn(*how, &account)};
    int status = sheaf_gather(both, 2, SHEAF_GATHER_COLLECT, NULL, NULL);
    sheaf_release_all(both, 2);
    SHEAF_TRY(status);
    return atomic_load(&account.balance) == 0 ? SHEAF_OK : ERANGE;
}

int main(void)
{
    sheaf_fn *how = careless;
    sheaf_explored found;
    int without = sheaf_explore(NULL, withdraw_twice, &how, &found);
    printf("careless: %s\n", found.text);
    how = careful;
    int with = sheaf_explore(NULL, withdraw_twice, &how, &found);
    printf("careful: %s\n", found.text);
    return without == ERANGE && with == SHEAF_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
