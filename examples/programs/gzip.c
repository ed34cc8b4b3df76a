/* Each block is compressed by a task of its own, with the end of the one before as its dictionary.
 * Blocks but the last end on a byte (Z_SYNC_FLUSH), so that one stream can be put together of
 * them. */
#include "gzip.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "cli.h"

enum {
    BLOCK_SIZE = 128 * 1024,
    WINDOW_SIZE = 32 * 1024,
    ROOM = BLOCK_SIZE + 1024,
    KIBIBYTE = 1024
};

struct block {
    struct block *next;
    int level;
    bool last;
    size_t dictionary_size;
    size_t size;
    size_t compressed_size;
    uLong check;
    unsigned char dictionary[WINDOW_SIZE];
    unsigned char bytes[BLOCK_SIZE];
    unsigned char compressed[ROOM];
};

/* Source and sink have it by turns; the tasks see their blocks only. */
struct job {
    int in;
    int out;
    int level;
    int error;             /* the source's: why there are no more blocks */
    bool ended;            /* the last block has been read */
    struct block *oldest;  /* those that the sink has not got */
    struct block **newest; /* where the next one goes */
    size_t dictionary_size;
    size_t total;
    size_t size; /* of what has been written, before it was compressed */
    uLong check;
    unsigned char dictionary[WINDOW_SIZE];
};

/* Returns: SHEAF_OK, an errno value */
static int read_block(int fd, struct block *block)
{
    while (block->size < BLOCK_SIZE) {
        ssize_t count = read(fd, block->bytes + block->size, BLOCK_SIZE - block->size);
        if (count == 0) {
            block->last = true;
            return SHEAF_OK;
        }
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        block->size += count > 0 ? (size_t)count : 0;
    }
    return SHEAF_OK;
}

/* Returns: SHEAF_OK, an errno value */
static int write_all(int fd, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, bytes, size);
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        bytes += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return SHEAF_OK;
}

static int compress_block(void *arg, sheaf_value *result)
{
    (void)result;
    struct block *block = arg;
    z_stream stream = {0};
    if (deflateInit2(&stream, block->level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return ENOMEM;
    }
    stream.next_in = block->bytes;
    stream.avail_in = (uInt)block->size;
    stream.next_out = block->compressed;
    stream.avail_out = ROOM;
    int code = deflateSetDictionary(&stream, block->dictionary, (uInt)block->dictionary_size);
    if (code == Z_OK) {
        code = deflate(&stream, block->last ? Z_FINISH : Z_SYNC_FLUSH);
    }
    bool complete = code == (block->last ? Z_STREAM_END : Z_OK) && stream.avail_out > 0;
    deflateEnd(&stream);
    block->compressed_size = ROOM - stream.avail_out;
    block->check = crc32(0, block->bytes, (uInt)block->size);
    return complete ? SHEAF_OK : EIO;
}

/* The source. */
static bool next_block(void *context, sheaf_call *next)
{
    struct job *job = context;
    struct block *block = job->ended ? NULL : calloc(1, sizeof *block);
    if (!block) {
        job->error = job->ended ? SHEAF_OK : ENOMEM;
        return false;
    }
    job->error = read_block(job->in, block);
    if (job->error) {
        free(block);
        return false;
    }
    block->level = job->level;
    block->dictionary_size = job->dictionary_size;
    memcpy(block->dictionary, job->dictionary, job->dictionary_size);
    job->ended = block->last;
    if (!block->last) {
        job->dictionary_size = WINDOW_SIZE;
        memcpy(job->dictionary, block->bytes + BLOCK_SIZE - WINDOW_SIZE, WINDOW_SIZE);
    }
    *job->newest = block;
    job->newest = &block->next;
    *next = (sheaf_call){.fn = compress_block, .arg = block};
    return true;
}

/* The sink: every block comes by here, those that were cancelled too. */
static int put_block(void *context, size_t index, int status, sheaf_value value)
{
    (void)index, (void)value;
    struct job *job = context;
    struct block *block = job->oldest;
    job->oldest = block->next;
    job->newest = job->oldest ? job->newest : &job->oldest;
    if (status == SHEAF_OK) {
        status = write_all(job->out, block->compressed, block->compressed_size);
        job->check = crc32_combine(job->check, block->check, (z_off_t)block->size);
        job->size += block->size;
    }
    free(block);
    if (job->total > 0) {
        cli_bar("KiB", job->size / KIBIBYTE, job->total / KIBIBYTE);
    }
    return status;
}

static void store_32(unsigned char *to, uint64_t number)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (unsigned char)(number >> 8 * i);
    }
}

int gzip(int in, int out, int level, uint32_t mtime, size_t total)
{
    enum { UNIX = 3 };
    unsigned char head[10] = {0x1f, 0x8b, Z_DEFLATED, [9] = UNIX};
    unsigned char tail[8];
    store_32(head + 4, mtime);
    SHEAF_TRY(write_all(out, head, sizeof head));
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        return ENOMEM;
    }
    *job = (struct job){.in = in, .out = out, .level = level, .total = total};
    job->newest = &job->oldest;
    job->check = crc32(0, NULL, 0);
    size_t limit = 2 * (size_t)sheaf_pool_workers(sheaf_pool_current());
    int status =
        sheaf_gather_stream(SHEAF_GATHER_OPTIONS(.limit = limit), next_block, put_block, job);
    status = status ? status : job->error;
    store_32(tail, job->check);
    store_32(tail + 4, job->size);
    free(job);
    return status ? status : write_all(out, tail, sizeof tail);
}
