#include "tests/support/threads.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_of_thread(const char *thread, const char *what)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/self/task/%s/%s", thread, what);
    return fopen(path, "r");
}

static bool begins_with(const char *thread, const char *prefix)
{
    char name[32] = "";
    FILE *comm = open_of_thread(thread, "comm");
    bool begins = comm && fgets(name, sizeof name, comm) && !strncmp(name, prefix, strlen(prefix));
    if (comm) {
        fclose(comm);
    }
    return begins;
}

/* The lines of its status that end in "ctxt_switches:" and a number. */
static long switches_of(const char *thread)
{
    char line[200];
    long count = 0;
    FILE *status = open_of_thread(thread, "status");
    while (status && fgets(line, sizeof line, status)) {
        const char *number = strstr(line, "ctxt_switches:");
        count += number ? strtol(strchr(number, ':') + 1, NULL, 10) : 0;
    }
    if (status) {
        fclose(status);
    }
    return count;
}

static long one_each(const char *thread)
{
    (void)thread;
    return 1;
}

static long sum(const char *prefix, long (*count)(const char *thread))
{
    long total = 0;
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    while (tasks && (entry = readdir(tasks)) != NULL) {
        if (entry->d_name[0] != '.' && begins_with(entry->d_name, prefix)) {
            total += count(entry->d_name);
        }
    }
    if (tasks) {
        closedir(tasks);
    }
    return total;
}

int count_threads(const char *prefix)
{
    return (int)sum(prefix, one_each);
}

long count_switches(const char *prefix)
{
    return sum(prefix, switches_of);
}
