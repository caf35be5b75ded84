/* Links without memory: what cannot be kept ends in the open, and the next one
 * is served. The linker puts the two functions below before the C library's
 * (--wrap), for the objects of this program alone. */
#include <stdlib.h>

#include "../support/netkit.h"

static unsigned refusals; /* Of the next allocations. */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t each);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);

static bool refuses(void)
{
    if (refusals == 0)
        return false;
    refusals--;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return refuses() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t each)
{
    return refuses() ? NULL : __real_calloc(n, each);
}

TestSuite(net_memory, .init = setup, .fini = teardown, .timeout = 60);

/* libuv hears of no further connection until the last one was taken. */
Test(net_memory, a_listener_that_has_no_memory_hears_the_next)
{
    const int first = raw(), second = raw(), third = raw();
    struct wr_net_stats stats;

    refusals = 3;
    do {
        uv_run(&w.loop, UV_RUN_ONCE);
        wr_net_stats(w.b.net, &stats);
    } while (stats.no_room < 3);
    cr_assert_eq(refusals, 0);
    cr_assert_eq(stats.half_open, 0);
    close(first);
    close(second);
    close(third);
    dial_and_open();
}

Test(net_memory, closing_a_listener_that_has_no_memory)
{
    const int fd = raw();

    refusals = 1;
    while (refusals > 0)
        uv_run(&w.loop, UV_RUN_ONCE);
    wr_listener_close(w.listener);
    close(fd);
}

/* A message that cannot be kept is not lost in silence: the link ends, and who
 * waits for an answer asks again. */
Test(net_memory, a_link_that_has_no_memory_ends)
{
    struct wr_link *const l = dial_and_open();

    refusals = 1;
    cr_assert_eq(wr_link_send(l, wr_span("x", 1), NULL), WR_ECLOSED);
    UNTIL(w.a.closes == 1 && w.b.closes == 1);
    cr_assert_eq(w.a.why, WR_ENOMEM, "%s", w.a.text);
}
