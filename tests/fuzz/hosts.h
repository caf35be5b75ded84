/* hosts.h - a book of known hosts for fuzz targets: host i is called by 16
 * bytes of the value 0x11 * i, so that an input can name it by accident. */
#ifndef WR_TESTS_FUZZ_HOSTS_H
#define WR_TESTS_FUZZ_HOSTS_H

#include "base/check.h"
#include "wire/book.h"

enum { FUZZ_HOSTS = 12, FUZZ_MEMBERS = 4 };

/* Made once; nobody writes to it. */
static inline const struct wr_book *fuzz_hosts(void)
{
    static const uint8_t ring[32] = {1, 2, 3};
    static struct wr_book book;

    if (book.hosts_n > 0)
        return &book;
    WR_CHECK(wr_book_init(&book, ring, FUZZ_HOSTS, FUZZ_HOSTS * FUZZ_MEMBERS) ==
             WR_OK);
    for (unsigned i = 0; i < FUZZ_HOSTS; i++) {
        struct wr_addr addr = {.port = (uint16_t)(4000 + i)};
        struct wr_host_id id;

        memset(id.b, (int)(0x11 * i), sizeof(id.b));
        /* One member up to four. */
        WR_CHECK(wr_book_add(&book, &id, (uint8_t)(1 + i % FUZZ_MEMBERS), i % 3,
                             &addr) == i);
    }
    return &book;
}

#endif
