/* The Mandelbrot set in colours. */
#ifndef EXAMPLES_PROGRAMS_FRACTAL_H
#define EXAMPLES_PROGRAMS_FRACTAL_H

enum { CHANNELS = 3 };

/* Red, green and blue, from 0 to 1. */
struct colour {
    double part[CHANNELS];
};

/* The colour of a point of the plane; black for one that is there after so many iterations. */
struct colour fractal_colour(double re, double im, long iterations);

#endif
