#include "tests/conformance/samples.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/conformance/scenarios"

bool read_file(const char *path, struct text *text)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        return false;
    }
    char bytes[4096];
    size_t count;
    while ((count = fread(bytes, 1, sizeof bytes, stream)) > 0) {
        text_add_bytes(text, bytes, count);
    }
    bool whole = !ferror(stream);
    fclose(stream);
    return whole;
}

static bool starts_with(const struct text *text, const char *words)
{
    return text->length > 0 && strncmp(text->data, words, strlen(words)) == 0;
}

/* Returns: false when one of the two files cannot be read */
static bool read_sample(const char *name, size_t stem, struct sample *sample)
{
    struct text path = {0};
    struct text expected = {0};
    text_add(&path, "%s/%s", FOLDER, name);
    text_add(&expected, "%s/%.*s.expected", FOLDER, (int)stem, name);
    *sample = (struct sample){.path = path.data, .expected_path = expected.data};
    bool read = read_file(path.data, &sample->text) && read_file(expected.data, &sample->expected);
    sample->parallel = starts_with(&sample->text, "# parallel\n");
    sample->stuck = starts_with(&sample->expected, "stuck\n");
    return read;
}

static int compare(const void *one, const void *other)
{
    const struct sample *a = one;
    const struct sample *b = other;
    return strcmp(a->path, b->path);
}

static bool read_folder(DIR *folder, struct samples *samples)
{
    const char *suffix = ".scenario";
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length <= strlen(suffix) ||
            strcmp(entry->d_name + length - strlen(suffix), suffix) != 0) {
            continue;
        }
        samples->array =
            array_grow(samples->array, samples->count, &samples->room, sizeof *samples->array);
        if (!read_sample(entry->d_name, length - strlen(suffix),
                         &samples->array[samples->count++])) {
            return false;
        }
    }
    return true;
}

const struct samples *samples_read(void)
{
    static struct samples samples;
    DIR *folder = samples.count == 0 ? opendir(FOLDER) : NULL;
    if (folder) {
        if (!read_folder(folder, &samples)) {
            samples.count = 0;
        }
        closedir(folder);
        if (samples.count > 0) {
            qsort(samples.array, samples.count, sizeof *samples.array, compare);
        }
    }
    return &samples;
}
