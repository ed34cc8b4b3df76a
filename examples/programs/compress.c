/* Compresses on all cores, into what gunzip reads.
 *
 *     tar -c folder | compress >folder.tar.gz
 *
 * Shows a stream within bounded memory (gzip.c): sheaf_gather_stream() asks a source for blocks,
 * compresses so many of them at once, and a sink writes them in their order.  And it shows Ctrl-C:
 * while it writes files the program ends cancelled (SHEAF_RUN_SIGINT), which takes the same way
 * through the code as an error, so that no half file is left.
 *
 * Expect a size like gzip's, and its time divided by the cores. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "gzip.h"

static const char usage[] =
    "Usage: compress [OPTION]... [FILE]...\n"
    "Compress each FILE to FILE.gz and remove it.  Without a FILE, or when it is -, compress\n"
    "standard input to standard output.\n"
    "\n"
    "  -1 ... -9           from fast to small (default: -6)\n"
    "  -c, --stdout        write to standard output, keep the files\n"
    "  -f, --force         replace a FILE.gz that exists; write to a terminal\n"
    "  -k, --keep          keep the files\n"
    "  -p, --processes=N   so many blocks at a time (default: the CPUs of the process)\n"
    "  -h, --help          this text\n"
    "\n"
    "The exit status is 0, 1 if a file was not compressed, 2 for wrong arguments, 130 after\n"
    "Ctrl-C.\n";

static const char suffix[] = ".gz";

struct settings {
    bool to_stdout;
    bool force;
    bool keep;
    int level;
    long processes;
    char **files;
    bool failed; /* a file was not compressed, which has been told */
};

/* Returns: SHEAF_OK, an errno value, SHEAF_CANCELLED */
static int fill(const struct settings *settings, int in, const struct stat *from, int out)
{
    SHEAF_TRY(gzip(in, out, settings->level, (uint32_t)from->st_mtime, (size_t)from->st_size));
    if (out == STDOUT_FILENO) {
        return SHEAF_OK;
    }
    struct timespec times[2] = {from->st_atim, from->st_mtim};
    return fchmod(out, from->st_mode & ALLPERMS) || futimens(out, times) ? errno : SHEAF_OK;
}

/* A file that is not complete is removed. */
static int write_file(const struct settings *settings, const char *name, int in,
                      const struct stat *from)
{
    if (settings->force && unlink(name) && errno != ENOENT) {
        return errno;
    }
    int out = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (out < 0) {
        return errno;
    }
    int status = fill(settings, in, from, out);
    if (close(out) && status == SHEAF_OK) {
        status = errno;
    }
    if (status != SHEAF_OK) {
        unlink(name);
    }
    return status;
}

static int replace_file(const struct settings *settings, const char *path, int in,
                        const struct stat *from)
{
    char *name;
    if (asprintf(&name, "%s%s", path, suffix) < 0) {
        return ENOMEM;
    }
    int status = write_file(settings, name, in, from);
    free(name);
    SHEAF_TRY(status);
    return settings->keep || unlink(path) == 0 ? SHEAF_OK : errno;
}

static bool is_compressed(const char *path)
{
    size_t length = strlen(path);
    size_t end = strlen(suffix);
    return length > end && strcmp(path + length - end, suffix) == 0;
}

/* Returns: SHEAF_OK, SHEAF_CANCELLED, an errno value: EEXIST says that the output exists */
static int compress_file(const struct settings *settings, const char *path)
{
    struct stat from;
    bool is_input = strcmp(path, "-") == 0;
    int links = settings->to_stdout ? 0 : O_NOFOLLOW;
    int in = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | links);
    if (in < 0) {
        return errno;
    }
    int status = fstat(in, &from) ? errno : SHEAF_OK;
    if (status != SHEAF_OK) {
        /* Nothing is known of it. */
    } else if (is_input || settings->to_stdout) {
        status = S_ISDIR(from.st_mode) ? EISDIR : fill(settings, in, &from, STDOUT_FILENO);
    } else if (!S_ISREG(from.st_mode)) {
        status = S_ISDIR(from.st_mode) ? EISDIR : EINVAL;
    } else {
        status = replace_file(settings, path, in, &from);
    }
    if (!is_input) {
        close(in);
    }
    return status;
}

/* What goes wrong with one file is told, and the next one has its turn; not so a cancellation. */
static int compress_all(void *arg, sheaf_value *result)
{
    (void)result;
    struct settings *settings = arg;
    for (char **file = settings->files; *file; file++) {
        if (is_compressed(*file) && !settings->to_stdout) {
            cli_complain("%s: has the suffix %s already", *file, suffix);
            settings->failed = true;
            continue;
        }
        int status = compress_file(settings, *file);
        if (status == SHEAF_CANCELLED) {
            return status;
        }
        if (status != SHEAF_OK) {
            cli_complain("%s: %s", *file, sheaf_status_text(status));
            settings->failed = true;
        }
    }
    return SHEAF_OK;
}

/* Returns: whether the arguments make sense; if not it has been told */
static bool read_option(struct settings *settings, int option)
{
    switch (option) {
    case 'c':
        settings->to_stdout = true;
        return true;
    case 'f':
        settings->force = true;
        return true;
    case 'k':
        settings->keep = true;
        return true;
    case 'p':
        return cli_number("--processes", optarg, 1, SHEAF_WORKERS_MAX, &settings->processes);
    case '?':
        return false;
    default:
        settings->level = option - '0';
        return true;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"stdout", no_argument, NULL, 'c'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"keep", no_argument, NULL, 'k'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"processes", required_argument, NULL, 'p'},
                                            {0}};
    static char input[] = "-";
    char *only_input[] = {input, NULL};
    struct settings settings = {.level = 6};
    int option;
    while ((option = cli_option(argc, argv, "123456789cfkp:h", options)) != -1) {
        if (option == 'h') {
            return cli_help(usage);
        }
        if (!read_option(&settings, option)) {
            return CLI_MISUSE;
        }
    }
    settings.files = argv[optind] ? argv + optind : only_input;
    settings.to_stdout = settings.to_stdout || !argv[optind];
    if (settings.to_stdout && !settings.force && isatty(STDOUT_FILENO)) {
        cli_complain("compressed data is not written to a terminal; -f does so, --help helps");
        return CLI_MISUSE;
    }
    /* A write to standard output leaves nothing behind: there Ctrl-C ends the program as ever. */
    unsigned flags = settings.to_stdout ? 0 : SHEAF_RUN_SIGINT;
    int status = sheaf_run(SHEAF_OPTIONS(.workers = (int)settings.processes, .flags = flags),
                           compress_all, &settings, NULL);
    return cli_exit(status, settings.failed);
}
