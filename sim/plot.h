/*
 * plot.h - one picture as SVG: axes with ticks, lines, bars, areas, points with
 * their intervals, and marks. Colours are classes (report.css), so that light,
 * dark and print are the page's affair.
 *
 * A picture is PLOT_W wide and drawn at about that size, on a telephone and, in
 * columns, on a screen: letters keep their size.
 */
#ifndef WR_SIM_PLOT_H
#define WR_SIM_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    PLOT_W = 380,
    PLOT_H = 232,
    PLOT_POINTS_MAX = 600, /* Of a line: more than there are pixels. */
    PLOT_COLOURS = 8,      /* Classes c1 to c8. */
    PLOT_TAKEN_MAX = 128,
};

enum plot_kind {
    PLOT_NUMBER,
    PLOT_BYTES, /* With k, M, G before the unit. */
    PLOT_TIME,  /* Seconds. */
    PLOT_MS,
    PLOT_NAMES, /* 0 .. n-1. */
};

struct plot_axis {
    enum plot_kind kind;
    double lo, hi;
    bool log;
    const char *what; /* "virtual time"; NULL: the title says it. */
    const char *unit; /* Of NUMBER and BYTES: "% of lookups", "B/s"; or NULL. */
    const char *const *names;
    size_t names_n;
};

/* An event in time, or a value of note. */
struct plot_mark {
    double from, to; /* Equal: a moment. */
    char label[24];
};

struct plot_box {
    double x0, y0, x1, y1;
};

struct plot {
    FILE *to;
    struct plot_axis x, y;
    double left, top, right, bottom;
    struct plot_box taken[PLOT_TAKEN_MAX]; /* By points and their labels. */
    size_t taken_n;
};

/* Round limits for values from `lo` to `hi`; from zero where that is near, or
 * where `zero` says so; nothing above `most`. */
void plot_fit(struct plot_axis *a, double lo, double hi, bool zero,
              double most);

/* Opens the picture and draws its axes; `x` and `y` and `to` are set. Marks lie
 * below all else. */
void plot_open(struct plot *p, const char *title, const struct plot_mark *marks,
               size_t marks_n);
void plot_close(struct plot *p);

/* `colour` is a class: "c1", "wrong". NAN interrupts a line. */
void plot_line(struct plot *p, const char *colour, const double *x,
               const double *y, size_t n);
void plot_area(struct plot *p, const char *colour, const double *x,
               const double *y, size_t n);
void plot_band(struct plot *p, const char *colour, const double *x,
               const double *least, const double *most, size_t n);

/* `title` is shown when it is pointed at. */
void plot_bar(struct plot *p, const char *colour, double x0, double x1,
              double y0, double y1, const char *title);

/* A point, with the half width of its interval each way, 0: none. */
void plot_point(struct plot *p, const char *colour, double x, double y,
                double half_x, double half_y, const char *title);

/* What a point is called: once all points are there, to keep clear of them. One
 * that has no room is left out. */
void plot_label(struct plot *p, double x, double y, const char *text);

/* Names, bars and values below each other; a picture of its own. */
struct plot_row {
    char name[32];
    char text[32]; /* The value. */
    double value;
};
void plot_rows(FILE *to, const char *title, const char *colour,
               const struct plot_row *rows, size_t n);

/* A ring from above: positions 0 to 1, clockwise from the top; who is up lies
 * outside. */
struct plot_dot {
    double at;
    bool up;
};
void plot_ring(FILE *to, const char *title, const struct plot_dot *dots,
               size_t n, const char *inside, const char *below);

#endif
