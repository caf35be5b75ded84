/*
 * clock.h - the two clocks of the operating system, for hosts and drivers.
 *
 * The protocol core never reads either: it is handed `now`. The monotonic one
 * is the core's `wr_time`; the wall clock dates logs and expiries, may jump,
 * and orders nothing.
 */
#ifndef WR_SYS_CLOCK_H
#define WR_SYS_CLOCK_H

#include "base/time.h"

/* Microseconds since an arbitrary start, never going back; it counts while
 * the machine sleeps (CLOCK_BOOTTIME), so a woken laptop knows it is late. */
wr_time wr_clock_now(void);

/* Seconds since 1970-01-01 UTC, as the machine believes. */
uint64_t wr_clock_wall_s(void);

/* The same in microseconds, for the dates of log lines. */
uint64_t wr_clock_wall_us(void);

#endif
