/* Renders the Mandelbrot set into a PNG file, its rows on all cores.
 *
 *     mandelbrot --centre=-0.7436439,0.1318259 --zoom=2000 -o seahorses.png
 *
 * Shows a loop: sheaf_for() divides the rows among the workers while they run, since rows inside of
 * the set take a hundred times longer than those beside it; it tells its progress, and Ctrl-C is
 * heard between two rows, and at the checkpoint between two pixels.  Expect a second or two. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "cli.h"
#include "fractal.h"

static const char usage[] =
    "Usage: mandelbrot [OPTION]...\n"
    "Render the Mandelbrot set into a PNG file.\n"
    "\n"
    "  -o, --output=FILE     where to (default: mandelbrot.png); - is standard output\n"
    "  -s, --size=WxH        pixels (default: 1200x800)\n"
    "  -c, --centre=RE,IM    what lies in the middle (default: -0.7,0)\n"
    "  -z, --zoom=FACTOR     1 shows the whole set (default)\n"
    "  -i, --iterations=N    so many until a point counts as inside (default: 2000)\n"
    "  -a, --antialias=N     NxN points a pixel (default: 2)\n"
    "  -j, --jobs=N          so many rows at a time (default: the CPUs of the process)\n"
    "  -h, --help            this text\n"
    "\n"
    "The exit status is 0, 1 if the file could not be written, 2 for wrong arguments, 130 after\n"
    "Ctrl-C.\n";

enum { EDGE_MAX = 30000 };

struct picture {
    const char *output;
    long width;
    long height;
    double re;
    double im;
    double zoom;
    long iterations;
    long antialias;
    long jobs;
    uint8_t *pixels;
};

/* ---------------------------------------------------------------- the picture */

static void render_pixel(const struct picture *picture, long x, long y, uint8_t *pixel)
{
    double step = 3.2 / (picture->zoom * (double)picture->width);
    struct colour sum = {{0, 0, 0}};
    long points = picture->antialias * picture->antialias;
    for (long i = 0; i < points; i++) {
        long column = i % picture->antialias;
        long row = i / picture->antialias;
        double right = (double)x + ((double)column + 0.5) / (double)picture->antialias;
        double down = (double)y + ((double)row + 0.5) / (double)picture->antialias;
        double re = picture->re + step * (right - (double)picture->width / 2);
        double im = picture->im - step * (down - (double)picture->height / 2);
        struct colour colour = fractal_colour(re, im, picture->iterations);
        for (int c = 0; c < CHANNELS; c++) {
            sum.part[c] += colour.part[c];
        }
    }
    for (int c = 0; c < CHANNELS; c++) {
        pixel[c] = (uint8_t)lround(255 * fmin(fmax(sum.part[c] / (double)points, 0), 1));
    }
}

static int render_rows(void *context, size_t begin, size_t end)
{
    const struct picture *picture = context;
    for (size_t y = begin; y < end; y++) {
        for (long x = 0; x < picture->width; x++) {
            SHEAF_TRY(sheaf_checkpoint());
            uint8_t *row = picture->pixels + y * (size_t)picture->width * CHANNELS;
            render_pixel(picture, x, (long)y, row + x * CHANNELS);
        }
    }
    return SHEAF_OK;
}

static int render(void *arg, sheaf_value *result)
{
    (void)result;
    struct picture *picture = arg;
    static char unit[] = "rows";
    return sheaf_for(
        SHEAF_LOOP_OPTIONS(.grain = 1, .progress = cli_progress, .progress_context = unit), 0,
        (size_t)picture->height, render_rows, picture);
}

/* Returns: whether it was written; if not it has been told */
static bool write_png(const struct picture *picture)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)picture->width,
                       .height = (png_uint_32)picture->height,
                       .format = PNG_FORMAT_RGB};
    bool to_stdout = strcmp(picture->output, "-") == 0;
    FILE *file = to_stdout ? stdout : fopen(picture->output, "wb");
    if (!file) {
        cli_complain("%s: %s", picture->output, sheaf_status_text(errno));
        return false;
    }
    /* By its own means libpng would remove what it could not write, a device too. */
    bool written = png_image_write_to_stdio(&image, file, 0, picture->pixels, 0, NULL);
    if (!written) {
        cli_complain("%s: %s", picture->output, image.message);
    }
    if (!to_stdout && fclose(file) && written) {
        cli_complain("%s: %s", picture->output, sheaf_status_text(errno));
        return false;
    }
    return written;
}

/* ---------------------------------------------------------------- arguments */

/* Reads two numbers with a character between them.  Returns: whether that is all there is */
static bool read_pair(const char *text, char between, double *first, double *second)
{
    char *end;
    *first = strtod(text, &end);
    if (end == text || *end != between) {
        return false;
    }
    text = end + 1;
    *second = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*first) && isfinite(*second);
}

static bool read_size(const char *text, struct picture *picture)
{
    double width, height;
    if (!read_pair(text, 'x', &width, &height) || width < 1 || width > EDGE_MAX || height < 1 ||
        height > EDGE_MAX) {
        cli_complain("--size: '%s' is not like 1200x800, up to %d each", text, EDGE_MAX);
        return false;
    }
    picture->width = (long)width;
    picture->height = (long)height;
    return true;
}

static bool read_zoom(const char *text, double *zoom)
{
    char *end;
    *zoom = strtod(text, &end);
    if (end != text && *end == '\0' && *zoom > 0 && *zoom <= 1e13) {
        return true;
    }
    cli_complain("--zoom: '%s' is not a number above 0, up to 1e13", text);
    return false;
}

/* Returns: whether the argument makes sense; if not it has been told */
static bool read_option(struct picture *picture, int option)
{
    switch (option) {
    case 'o':
        picture->output = optarg;
        return true;
    case 's':
        return read_size(optarg, picture);
    case 'z':
        return read_zoom(optarg, &picture->zoom);
    case 'i':
        return cli_number("--iterations", optarg, 1, 1000000000, &picture->iterations);
    case 'a':
        return cli_number("--antialias", optarg, 1, 16, &picture->antialias);
    case 'j':
        return cli_number("--jobs", optarg, 1, SHEAF_WORKERS_MAX, &picture->jobs);
    case 'c':
        if (read_pair(optarg, ',', &picture->re, &picture->im)) {
            return true;
        }
        cli_complain("--centre: '%s' is not like -0.7,0", optarg);
        return false;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"size", required_argument, NULL, 's'},
                                            {"centre", required_argument, NULL, 'c'},
                                            {"zoom", required_argument, NULL, 'z'},
                                            {"iterations", required_argument, NULL, 'i'},
                                            {"antialias", required_argument, NULL, 'a'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct picture picture = {.output = "mandelbrot.png",
                              .width = 1200,
                              .height = 800,
                              .re = -0.7,
                              .zoom = 1,
                              .iterations = 2000,
                              .antialias = 2};
    int option;
    while ((option = cli_option(argc, argv, "o:s:c:z:i:a:j:h", options)) != -1) {
        if (option == 'h') {
            return cli_help(usage);
        }
        if (!read_option(&picture, option)) {
            return CLI_MISUSE;
        }
    }
    if (argv[optind]) {
        cli_complain("what is '%s'? It takes no arguments but options", argv[optind]);
        return CLI_MISUSE;
    }
    picture.pixels = malloc((size_t)picture.width * (size_t)picture.height * CHANNELS);
    int status = ENOMEM;
    if (picture.pixels) {
        status = sheaf_run(SHEAF_OPTIONS(.workers = (int)picture.jobs, .flags = SHEAF_RUN_SIGINT),
                           render, &picture, NULL);
    }
    bool failed = status == SHEAF_OK && !write_png(&picture);
    free(picture.pixels);
    return cli_exit(status, failed);
}
