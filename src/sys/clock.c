/* clock.c - see clock.h. */
#include "sys/clock.h"

#include <time.h>

#include "base/check.h"

static uint64_t read_us(clockid_t id)
{
    struct timespec t;

    WR_CHECK(clock_gettime(id, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

wr_time wr_clock_now(void)
{
    return read_us(CLOCK_BOOTTIME);
}

uint64_t wr_clock_wall_s(void)
{
    return read_us(CLOCK_REALTIME) / 1000000;
}

uint64_t wr_clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}
