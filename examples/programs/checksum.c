/* Hashes files on all cores, and prints what sha256sum would.
 *
 *     checksum /usr/include >sums && sha256sum --check --quiet sums
 *
 * Shows a stream of calls: sheaf_gather_stream() takes files from a source, hashes so many of them
 * at once, and hands the outcomes to a sink in the order of the files, failed ones too.  Expect the
 * lines in sorted order, a bar on the terminal, and the time that the slowest core or the disk
 * needs.
 *
 * A task here reads from the disk and thus blocks its worker, which is meant: --jobs says how many
 * workers there are. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "cli.h"
#include "walk.h"

static const char usage[] =
    "Usage: checksum [OPTION]... [PATH]...\n"
    "Print SHA-256 sums of files, and of all files under folders, as sha256sum does.\n"
    "Folders are walked in the byte order of the paths; links in them are left out.\n"
    "Without a PATH, or when it is -, standard input is read.\n"
    "\n"
    "  -j, --jobs=N  so many files at a time (default: the CPUs of the process)\n"
    "  -h, --help    this text\n"
    "\n"
    "The exit status is 0, 1 if a file could not be read, 2 for wrong arguments.\n";

enum { SUM_SIZE = 32, READ_SIZE = 32 * 1024, MEBIBYTE = 1 << 20, AHEAD = 16 };

struct list;

struct file {
    struct list *list;
    char *path;
    int error; /* an errno value: what the walk came upon in its place */
    unsigned char sum[SUM_SIZE];
};

struct list {
    struct file *files;
    size_t count;
    size_t room;
    size_t next;  /* the source's */
    size_t bytes; /* of all files, as far as they tell */
    atomic_size_t done;
    long jobs;
    bool failed; /* the sink's: a file could not be read */
};

/* ---------------------------------------------------------------- which files */

/* A walk_fn. */
static int add(void *context, const char *path, int error, size_t bytes)
{
    struct list *list = context;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct file *files = realloc(list->files, room * sizeof *files);
        if (!files) {
            return ENOMEM;
        }
        list->files = files;
        list->room = room;
    }
    char *copy = strdup(path);
    if (!copy) {
        return ENOMEM;
    }
    list->files[list->count++] = (struct file){.list = list, .path = copy, .error = error};
    list->bytes += bytes;
    return SHEAF_OK;
}

/* ---------------------------------------------------------------- one file */

static int hash_open_file(struct file *file, int fd, EVP_MD_CTX *hash)
{
    struct list *list = file->list;
    char bytes[READ_SIZE];
    if (!EVP_DigestInit_ex(hash, EVP_sha256(), NULL)) {
        return EIO;
    }
    for (;;) {
        SHEAF_TRY(sheaf_checkpoint());
        ssize_t count = read(fd, bytes, sizeof bytes);
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        if (count == 0) {
            return EVP_DigestFinal_ex(hash, file->sum, NULL) ? SHEAF_OK : EIO;
        }
        if (count > 0) {
            if (!EVP_DigestUpdate(hash, bytes, (size_t)count)) {
                return EIO;
            }
            size_t done = atomic_fetch_add(&list->done, (size_t)count) + (size_t)count;
            cli_bar("MiB", done / MEBIBYTE, list->bytes / MEBIBYTE);
        }
    }
}

static int hash_file(void *arg, sheaf_value *result)
{
    (void)result;
    struct file *file = arg;
    if (file->error) {
        return file->error;
    }
    bool is_input = strcmp(file->path, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return errno;
    }
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    int status = hash ? hash_open_file(file, fd, hash) : ENOMEM;
    EVP_MD_CTX_free(hash);
    if (!is_input) {
        close(fd);
    }
    return status;
}

/* ---------------------------------------------------------------- all files */

static bool next_file(void *context, sheaf_call *next)
{
    struct list *list = context;
    if (list->next == list->count) {
        return false;
    }
    *next = (sheaf_call){.fn = hash_file, .arg = &list->files[list->next++]};
    return true;
}

/* As sha256sum does: where the name had to be escaped the line begins with a backslash. */
static void print_sum(const struct file *file)
{
    char sum[2 * SUM_SIZE + 1];
    for (int i = 0; i < SUM_SIZE; i++) {
        snprintf(sum + (size_t)i * 2, 3, "%02x", file->sum[i]);
    }
    if (!file->path[strcspn(file->path, "\\\n\r")]) {
        cli_print("%s  %s\n", sum, file->path);
        return;
    }
    cli_print("\\%s  ", sum);
    for (const char *c = file->path; *c; c++) {
        const char *escape = *c == '\\' ? "\\\\" : *c == '\n' ? "\\n" : *c == '\r' ? "\\r" : NULL;
        cli_print(escape ? "%s" : "%.1s", escape ? escape : c);
    }
    cli_print("\n");
}

static int tell(void *context, size_t index, int status, sheaf_value value)
{
    (void)value;
    struct list *list = context;
    const struct file *file = &list->files[index];
    if (status == SHEAF_OK) {
        print_sum(file);
    } else {
        cli_complain("%s: %s", file->path, sheaf_status_text(status));
        list->failed = true;
    }
    return SHEAF_OK;
}

static int hash_all(void *arg, sheaf_value *result)
{
    (void)result;
    struct list *list = arg;
    size_t limit = AHEAD * (size_t)sheaf_pool_workers(sheaf_pool_current());
    return sheaf_gather_stream(SHEAF_GATHER_OPTIONS(.flags = SHEAF_GATHER_COLLECT, .limit = limit),
                               next_file, tell, list);
}

/* Returns: SHEAF_OK, an errno value, a status */
static int checksum(struct list *list, char **paths)
{
    SHEAF_TRY(*paths ? SHEAF_OK : add(list, "-", 0, 0));
    for (; *paths; paths++) {
        SHEAF_TRY(strcmp(*paths, "-") == 0 ? add(list, "-", 0, 0) : walk(*paths, add, list));
    }
    return sheaf_run(SHEAF_OPTIONS(.workers = (int)list->jobs), hash_all, list, NULL);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"jobs", required_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct list list = {0};
    int option;
    while ((option = cli_option(argc, argv, "j:h", options)) != -1) {
        if (option == 'h') {
            return cli_help(usage);
        }
        if (option != 'j' || !cli_number("--jobs", optarg, 1, SHEAF_WORKERS_MAX, &list.jobs)) {
            return CLI_MISUSE;
        }
    }
    int status = checksum(&list, argv + optind);
    for (size_t i = 0; i < list.count; i++) {
        free(list.files[i].path);
    }
    free(list.files);
    return cli_exit(status, list.failed);
}
