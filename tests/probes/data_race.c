/* Two threads write one plain variable.  Found by tsan. */
#include <pthread.h>

static int counter;

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        *(volatile int *)&counter = counter + 1;
    }
    return 0;
}

int main(void)
{
    pthread_t other;
    if (pthread_create(&other, 0, count, 0)) {
        return 0;
    }
    count(0);
    pthread_join(other, 0);
    return 0;
}
