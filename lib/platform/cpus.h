/* How many CPUs this process may use: the affinity mask, cut by the CPU quota of its cgroup. */
#ifndef SHEAF_PLATFORM_CPUS_H
#define SHEAF_PLATFORM_CPUS_H

/* The number of CPUs that threads of this process can keep busy.
 *
 * Returns:  min(CPUs in the caller's affinity mask, quota / period rounded up), at least 1
 * Context:  any thread; reads files, so not for hot paths
 */
unsigned sheaf__cpus_usable(void);

/* The same for a given affinity and a file system that begins at `root`.
 *
 *   affinity  the CPUs in the mask; 0 counts as 1
 *   root      borrowed; "" is the real file system; below it lie proc/self/cgroup and
 *             sys/fs/cgroup
 *
 * The quotas of the process's own cgroup and of all its parents count, the smallest wins, in
 * version 2 (cpu.max) and version 1 (cpu.cfs_quota_us, cpu.cfs_period_us).  A file that is
 * missing, unreadable or makes no sense sets no limit.
 *
 * Returns:  1 .. max(affinity, 1)
 * Context:  any thread
 */
unsigned sheaf__cpus_from(unsigned affinity, const char *root);

#endif
