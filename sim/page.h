/*
 * page.h - text and numbers for people, in a page that is HTML and well-formed
 * XML at once. Whatever comes from a file passes through page_text.
 */
#ifndef WR_SIM_PAGE_H
#define WR_SIM_PAGE_H

#include <stdio.h>

enum { PAGE_NUMBER_MAX = 48 };

/* UTF-8, escaped for elements and for attributes in double quotes; what XML has
 * no place for, and a character that was cut, becomes U+FFFD. */
void page_text(FILE *to, const char *text);
void page_span(FILE *to, const char *text, size_t n);

/* The same of what printf would print, cut at 1 KiB. */
void page_fmt(FILE *to, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Each returns `ret`. */
const char *page_count(double n, char ret[PAGE_NUMBER_MAX]);    /* 18,111 */
const char *page_number(double x, char ret[PAGE_NUMBER_MAX]);   /* 1.12 */
const char *page_ms(double ms, char ret[PAGE_NUMBER_MAX]);      /* 188 ms */
const char *page_rate(double bytes, char ret[PAGE_NUMBER_MAX]); /* 1.2 kB/s */
const char *page_time(double s, char ret[PAGE_NUMBER_MAX]);     /* 5 min 10 s */

/* "99.85 %"; no rounding up to 100 % of what is less. */
const char *page_share(double share, char ret[PAGE_NUMBER_MAX]);

#endif
