#include "fractal.h"

#include <math.h>
#include <stdbool.h>

/* Along a circle: night blue, blue, white, gold, brown. */
static struct colour palette(double place)
{
    static const struct {
        double at;
        struct colour colour;
    } stops[] = {
        {0.00, {{0.00, 0.03, 0.25}}}, {0.16, {{0.10, 0.36, 0.80}}}, {0.42, {{0.93, 1.00, 1.00}}},
        {0.64, {{1.00, 0.67, 0.05}}}, {0.86, {{0.22, 0.03, 0.05}}}, {1.00, {{0.00, 0.03, 0.25}}},
    };
    place -= floor(place);
    int i = 1;
    while (stops[i].at < place) {
        i++;
    }
    double part = (place - stops[i - 1].at) / (stops[i].at - stops[i - 1].at);
    part = part * part * (3 - 2 * part);
    struct colour colour;
    for (int c = 0; c < CHANNELS; c++) {
        double from = stops[i - 1].colour.part[c];
        colour.part[c] = from + part * (stops[i].colour.part[c] - from);
    }
    return colour;
}

/* A point outside, that got to z with the derivative d after n steps.  The colour follows how fast
 * it left, without steps; the light comes from above on the left, on the slope of the potential. */
static struct colour shade(double n, double z_re, double z_im, double d_re, double d_im)
{
    double size = z_re * z_re + z_im * z_im;
    double smooth = n + 1 - log2(log2(size) / 2);
    double slope_re = z_re * d_re + z_im * d_im;
    double slope_im = z_im * d_re - z_re * d_im;
    double slope = hypot(slope_re, slope_im);
    double light = slope > 0 ? (slope_im - slope_re) / (slope * M_SQRT2) : 0;
    struct colour colour = palette(0.22 * log2(smooth > 0 ? smooth + 1 : 1) - 0.33);
    for (int c = 0; c < CHANNELS; c++) {
        colour.part[c] *= 0.78 + 0.22 * light;
    }
    return colour;
}

/* The two largest parts of the set, where all iterations would be in vain. */
static bool is_well_inside(double re, double im)
{
    double shifted = re - 0.25;
    double q = shifted * shifted + im * im;
    bool in_cardioid = q * (q + shifted) <= 0.25 * im * im;
    bool in_disc = (re + 1) * (re + 1) + im * im <= 0.0625;
    return in_cardioid || in_disc;
}

struct colour fractal_colour(double re, double im, long iterations)
{
    enum { FAR = 1 << 16 };
    double z_re = 0, z_im = 0, d_re = 0, d_im = 0;
    if (is_well_inside(re, im)) {
        return (struct colour){{0, 0, 0}};
    }
    for (long n = 0; n < iterations; n++) {
        double square_re = z_re * z_re;
        double square_im = z_im * z_im;
        if (square_re + square_im > FAR) {
            return shade((double)n, z_re, z_im, d_re, d_im);
        }
        double next_d = 2 * (z_re * d_re - z_im * d_im) + 1;
        d_im = 2 * (z_re * d_im + z_im * d_re);
        d_re = next_d;
        z_im = 2 * z_re * z_im + im;
        z_re = square_re - square_im + re;
    }
    return (struct colour){{0, 0, 0}};
}
