/* The library on the caller's loop, many operations at once. */
#include "client_bed.h"

#include <stdio.h>

TestSuite(client_loop, .init = bed_open, .fini = bed_close, .timeout = 100);

struct on_loop {
    uv_loop_t loop;
    wreath *w;
    unsigned puts, gets, closed;
    char cid[4][WREATH_CID_SIZE];
};

static void loop_closed(void *arg)
{
    ((struct on_loop *)arg)->closed++;
}

static void loop_got(void *arg, const wreath_error *error,
                     const wreath_get_result *result)
{
    struct on_loop *l = arg;

    cr_assert_eq(error->code, WREATH_OK, "%s", error->text);
    cr_assert_not_null(result);
    if (++l->gets == 4)
        wreath_close_async(l->w, loop_closed, l);
}

static void loop_put(void *arg, const wreath_error *error,
                     const wreath_put_result *result)
{
    struct on_loop *l = arg;
    wreath_error e;
    char name[8];

    cr_assert_eq(error->code, WREATH_OK, "%s", error->text);
    snprintf(name, sizeof(name), "l%u", l->puts++);
    cr_assert_not_null(wreath_get_path_start(l->w, result->cid, at(name), NULL,
                                             loop_got, l, &e));
}

Test(client_loop, many_at_once_on_the_callers_loop)
{
    struct on_loop l = {0};
    const wreath_options o = {.dir = bed.home, .loop = &l.loop};
    uint8_t *bytes[4];

    uv_loop_init(&l.loop);
    expect_ok(wreath_open(&o, &l.w, &bed.error));
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = noise(6 << 20, 20 + i);
        cr_assert_not_null(wreath_put_bytes_start(l.w, bytes[i], 6 << 20, NULL,
                                                  loop_put, &l, &bed.error));
    }
    uv_run(&l.loop, UV_RUN_DEFAULT);
    cr_assert_eq(l.gets, 4);
    cr_assert_eq(l.closed, 1);
    cr_assert_eq(uv_loop_close(&l.loop), 0);
    for (unsigned i = 0; i < 4; i++)
        free(bytes[i]);
}

static void expect_canceled(void *arg, const wreath_error *error,
                            const wreath_put_result *result)
{
    cr_assert_eq(error->code, WREATH_ECANCELED, "%s", error->text);
    cr_assert_null(result);
    (*(unsigned *)arg)++;
}

/* Closing in the middle: each operation ends, nothing is left on the loop. */
Test(client_loop, closing_in_the_middle)
{
    struct on_loop l = {0};
    const wreath_options o = {.dir = bed.home, .loop = &l.loop};
    uint8_t *bytes = noise(20 << 20, 30);
    unsigned canceled = 0;

    uv_loop_init(&l.loop);
    expect_ok(wreath_open(&o, &l.w, &bed.error));
    for (unsigned i = 0; i < 2; i++)
        cr_assert_not_null(wreath_put_bytes_start(l.w, bytes, 20 << 20, NULL,
                                                  expect_canceled, &canceled,
                                                  &bed.error));
    for (unsigned i = 0; i < 50; i++)
        uv_run(&l.loop, UV_RUN_NOWAIT);
    wreath_close_async(l.w, loop_closed, &l);
    uv_run(&l.loop, UV_RUN_DEFAULT);
    cr_assert_eq(canceled, 2);
    cr_assert_eq(l.closed, 1);
    cr_assert_eq(uv_loop_close(&l.loop), 0);
    free(bytes);
}
