/* The number of usable CPUs, from trees of files that look like /proc and /sys. */
#include "lib/platform/cpus.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define AFFINITY 64

static char root[512];

/* Make the directories above a path that begins with the root. */
static void make_parents(const char *path)
{
    char prefix[1024];
    for (const char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        snprintf(prefix, sizeof prefix, "%.*s", (int)(slash - path), path);
        assert_true(mkdir(prefix, 0700) == 0 || errno == EEXIST);
    }
}

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s%s", root, name);
    make_parents(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_file(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory) {
        unlink(path);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        char below[1024];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        int length = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (length > 0 && (size_t)length < sizeof below) remove_tree(below);
    }
    closedir(directory);
    rmdir(path);
}

static int root_setup(void **state)
{
    (void)state;
    const char *parent = getenv("TEST_TMPDIR");
    snprintf(root, sizeof root, "%s/cpus_test.XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(root) ? 0 : -1;
}

static int root_teardown(void **state)
{
    (void)state;
    remove_tree(root);
    return 0;
}

static void assert_cpus(unsigned expected)
{
    assert_int_equal(sheaf__cpus_from(AFFINITY, root), expected);
}

/* A process in version 2's group /job, whose cpu.max says `text`. */
static void with_v2(const char *text)
{
    write_file("/proc/self/cgroup", "0::/job\n");
    write_file("/sys/fs/cgroup/job/cpu.max", text);
}

/* A process in version 1's group /job with the two files of a quota. */
static void with_v1(const char *quota, const char *period)
{
    write_file("/proc/self/cgroup", "3:cpuset:/\n1:cpu,cpuacct:/job\n");
    write_file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", quota);
    write_file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", period);
}

/* ---- no limit -------------------------------------------------------------------------------- */

static void an_empty_tree_leaves_the_affinity(void **state)
{
    (void)state;
    assert_cpus(AFFINITY);
}

static void a_root_that_does_not_exist_leaves_the_affinity(void **state)
{
    (void)state;
    assert_int_equal(sheaf__cpus_from(3, "/no/such/place"), 3);
}

static void no_affinity_counts_as_one(void **state)
{
    (void)state;
    assert_int_equal(sheaf__cpus_from(0, root), 1);
}

static void v2_without_cpu_max_sets_no_limit(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/job\n");
    assert_cpus(AFFINITY);
}

static void v2_max_sets_no_limit(void **state)
{
    (void)state;
    with_v2("max 100000\n");
    assert_cpus(AFFINITY);
}

static void v1_minus_one_sets_no_limit(void **state)
{
    (void)state;
    with_v1("-1\n", "100000\n");
    assert_cpus(AFFINITY);
}

static void other_controllers_of_v1_are_not_looked_at(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "2:cpuacct:/job\n3:cpuset:/job\n4:xcpu:/job\n");
    write_file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "100000\n");
    write_file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    assert_cpus(AFFINITY);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void v2_quota_of_two_cpus(void **state)
{
    (void)state;
    with_v2("200000 100000\n");
    assert_cpus(2);
}

static void a_part_of_a_cpu_is_rounded_up(void **state)
{
    (void)state;
    with_v2("250000 100000\n");
    assert_cpus(3);
    with_v2("200001 100000\n");
    assert_cpus(3);
}

static void less_than_a_cpu_counts_as_one(void **state)
{
    (void)state;
    with_v2("1000 100000\n");
    assert_cpus(1);
}

static void a_quota_above_the_affinity_does_not_add(void **state)
{
    (void)state;
    with_v2("12800000 100000\n");
    assert_cpus(AFFINITY);
    assert_int_equal(sheaf__cpus_from(5, root), 5);
}

static void other_periods_count(void **state)
{
    (void)state;
    with_v2("35000 7000\n");
    assert_cpus(5);
}

static void a_file_without_a_newline_counts(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/job");
    write_file("/sys/fs/cgroup/job/cpu.max", "400000 100000");
    assert_cpus(4);
}

static void v2_parents_count_and_the_smallest_wins(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a/b/c\n");
    write_file("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
    write_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    write_file("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    assert_cpus(3);
    write_file("/sys/fs/cgroup/a/b/c/cpu.max", "200000 100000\n");
    assert_cpus(2);
    write_file("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_cpus(1);
}

static void siblings_with_a_longer_name_do_not_count(void **state)
{
    (void)state;
    with_v2("max 100000\n");
    write_file("/sys/fs/cgroup/jo/cpu.max", "100000 100000\n");
    write_file("/sys/fs/cgroup/job2/cpu.max", "100000 100000\n");
    assert_cpus(AFFINITY);
}

static void v2_in_the_root_group(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/\n");
    write_file("/sys/fs/cgroup/cpu.max", "600000 100000\n");
    assert_cpus(6);
}

static void v2_of_a_container_that_sees_the_path_of_its_host(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
    write_file("/sys/fs/cgroup/cpu.max", "700000 100000\n");
    assert_cpus(7);
}

static void v2_of_a_hybrid_system(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "4:memory:/job\n0::/job\n");
    write_file("/sys/fs/cgroup/unified/job/cpu.max", "500000 100000\n");
    assert_cpus(5);
}

static void a_path_out_of_the_namespace_means_the_mounts_root(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/../other\n");
    write_file("/sys/fs/other/cpu.max", "100000 100000\n");
    write_file("/sys/fs/cgroup/cpu.max", "900000 100000\n");
    assert_cpus(9);
}

static void v1_quota_of_three_cpus(void **state)
{
    (void)state;
    with_v1("300000\n", "100000\n");
    assert_cpus(3);
}

static void v1_with_the_controller_alone(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "1:cpu:/a/b\n");
    write_file("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "150000\n");
    write_file("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    assert_cpus(2);
}

static void v1_and_v2_together_the_smaller_wins(void **state)
{
    (void)state;
    with_v1("300000\n", "100000\n");
    write_file("/proc/self/cgroup", "1:cpu,cpuacct:/job\n0::/job\n");
    write_file("/sys/fs/cgroup/unified/job/cpu.max", "200000 100000\n");
    assert_cpus(2);
    write_file("/sys/fs/cgroup/unified/job/cpu.max", "400000 100000\n");
    assert_cpus(3);
}

static void a_long_list_of_lines_is_read_to_its_end(void **state)
{
    (void)state;
    char text[8192];
    size_t used = 0;
    for (int i = 100; i > 1; i--)
        used += (size_t)snprintf(text + used, sizeof text - used, "%d:name%d:/some/where\n", i, i);
    snprintf(text + used, sizeof text - used, "0::/job\n");
    with_v2("200000 100000\n");
    write_file("/proc/self/cgroup", text);
    assert_cpus(2);
}

/* ---- broken files ---------------------------------------------------------------------------- */

static void broken_cpu_max_files_set_no_limit(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        " ",
        "max\n",
        "100000\n",
        "100000 \n",
        " 100000 100000\n",
        "100000  100000\n",
        "100000 max\n",
        "-100000 100000\n",
        "100000 -100000\n",
        "100000 100000 100000\n",
        "100000 100000x\n",
        "0x100 100000\n",
        "1e5 1e5\n",
        "0 100000\n",
        "100000 0\n",
        "0 0\n",
        "99999999999999999999999999 100000\n",
        "100000 99999999999999999999999999\n",
        "18446744073709551616 1\n",
        "\xff\xfe\n",
        "000000000000000000000000000000000000000000000000000000000000000100000 100000\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        with_v2(texts[i]);
        assert_cpus(AFFINITY);
    }
}

static void broken_files_of_v1_set_no_limit(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"", "100000\n"},      {"100000\n", ""},
        {"100000\n", "0\n"},   {"0\n", "100000\n"},
        {"x\n", "100000\n"},   {"100000\n", "x\n"},
        {"100000 1\n", "1\n"}, {"-5\n", "100000\n"},
        {"100000\n", "-1\n"},  {"99999999999999999999\n", "1\n"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        with_v1(texts[i][0], texts[i][1]);
        assert_cpus(AFFINITY);
    }
}

static void a_quota_of_v1_without_its_period_sets_no_limit(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "1:cpu:/job\n");
    write_file("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "100000\n");
    assert_cpus(AFFINITY);
}

static void a_broken_file_does_not_hide_the_limit_of_its_parent(void **state)
{
    (void)state;
    with_v2("nonsense\n");
    write_file("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_cpus(2);
}

static void broken_lines_are_skipped(void **state)
{
    (void)state;
    with_v2("200000 100000\n");
    static const char *const lines[] = {
        "", ":", "0", "0:", "::", "0:cpu", "cpu", "\n\n\n", ":::::"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s\n0::/job\n", lines[i]);
        write_file("/proc/self/cgroup", text);
        assert_cpus(2);
    }
}

static void bytes_of_zero_do_no_harm(void **state)
{
    (void)state;
    static const char lines[] = "0:\0:/job\n\0\0\n0::/job\n";
    static const char quota[] = "200000\0100000\n";
    with_v2("200000 100000\n");
    write_bytes("/proc/self/cgroup", lines, sizeof lines - 1);
    assert_cpus(2);
    write_bytes("/sys/fs/cgroup/job/cpu.max", quota, sizeof quota - 1);
    assert_cpus(AFFINITY);
}

static void a_line_that_is_too_long_is_skipped_alone(void **state)
{
    (void)state;
    static char text[20000];
    with_v2("200000 100000\n");
    for (size_t length = 1000; length < 1100; length++) {
        memset(text, 'x', length);
        memcpy(text, "1:cpu:/", 7);
        memcpy(text + length, "\n0::/job\n", sizeof "\n0::/job\n");
        write_file("/proc/self/cgroup", text);
        assert_cpus(2);
    }
    memset(text, '/', 15000);
    memcpy(text + 15000, "\n0::/job\n", sizeof "\n0::/job\n");
    write_file("/proc/self/cgroup", text);
    assert_cpus(2);
}

static void a_file_without_any_newline_is_skipped(void **state)
{
    (void)state;
    static char text[5000];
    with_v2("200000 100000\n");
    memset(text, ':', sizeof text - 1);
    write_file("/proc/self/cgroup", text);
    assert_cpus(AFFINITY);
}

static void a_directory_in_place_of_a_file_sets_no_limit(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/job\n");
    write_file("/sys/fs/cgroup/job/cpu.max/inner", "100000 100000\n");
    assert_cpus(AFFINITY);
}

static void a_root_that_is_too_long_leaves_the_affinity(void **state)
{
    (void)state;
    static char long_root[5000];
    memset(long_root, '/', sizeof long_root - 1);
    assert_int_equal(sheaf__cpus_from(3, long_root), 3);
}

/* ---- this machine ---------------------------------------------------------------------------- */

static void usable_cpus_follow_the_affinity_of_the_thread(void **state)
{
    (void)state;
    cpu_set_t before;
    cpu_set_t one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    unsigned all = (unsigned)CPU_COUNT(&before);
    assert_in_range(sheaf__cpus_usable(), 1, all);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &before) && CPU_COUNT(&one) == 0) CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    unsigned pinned = sheaf__cpus_usable();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(pinned, 1);
}

#define in_tree(test) cmocka_unit_test_setup_teardown(test, root_setup, root_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_tree(an_empty_tree_leaves_the_affinity),
        in_tree(a_root_that_does_not_exist_leaves_the_affinity),
        in_tree(no_affinity_counts_as_one),
        in_tree(v2_without_cpu_max_sets_no_limit),
        in_tree(v2_max_sets_no_limit),
        in_tree(v1_minus_one_sets_no_limit),
        in_tree(other_controllers_of_v1_are_not_looked_at),
        in_tree(v2_quota_of_two_cpus),
        in_tree(a_part_of_a_cpu_is_rounded_up),
        in_tree(less_than_a_cpu_counts_as_one),
        in_tree(a_quota_above_the_affinity_does_not_add),
        in_tree(other_periods_count),
        in_tree(a_file_without_a_newline_counts),
        in_tree(v2_parents_count_and_the_smallest_wins),
        in_tree(siblings_with_a_longer_name_do_not_count),
        in_tree(v2_in_the_root_group),
        in_tree(v2_of_a_container_that_sees_the_path_of_its_host),
        in_tree(v2_of_a_hybrid_system),
        in_tree(a_path_out_of_the_namespace_means_the_mounts_root),
        in_tree(v1_quota_of_three_cpus),
        in_tree(v1_with_the_controller_alone),
        in_tree(v1_and_v2_together_the_smaller_wins),
        in_tree(a_long_list_of_lines_is_read_to_its_end),
        in_tree(broken_cpu_max_files_set_no_limit),
        in_tree(broken_files_of_v1_set_no_limit),
        in_tree(a_quota_of_v1_without_its_period_sets_no_limit),
        in_tree(a_broken_file_does_not_hide_the_limit_of_its_parent),
        in_tree(broken_lines_are_skipped),
        in_tree(bytes_of_zero_do_no_harm),
        in_tree(a_line_that_is_too_long_is_skipped_alone),
        in_tree(a_file_without_any_newline_is_skipped),
        in_tree(a_directory_in_place_of_a_file_sets_no_limit),
        in_tree(a_root_that_is_too_long_leaves_the_affinity),
        cmocka_unit_test(usable_cpus_follow_the_affinity_of_the_thread),
    };
    return cmocka_run_group_tests_name("cpus", tests, NULL, NULL);
}
