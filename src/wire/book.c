/* book.c - see book.h. */
#include "wire/book.h"

#include <stdlib.h>

#include "crypto/credential.h"

_Static_assert((int)WR_MEMBERS_MAX == (int)WR_CRED_MEMBERS_MAX &&
                   (int)WR_HOST_ID_BYTES == (int)WR_CRED_HOST,
               "a credential names a host as the book does");

static uint32_t slot_of(const struct wr_host_id *id)
{
    /* Host ids are hashes already, given by the issuer. */
    return (uint32_t)id->b[0] | (uint32_t)id->b[1] << 8 |
           (uint32_t)id->b[2] << 16 | (uint32_t)id->b[3] << 24;
}

enum wr_err wr_book_init(struct wr_book *b, const uint8_t ring[32],
                         uint32_t hosts, uint32_t ids)
{
    uint32_t slots = 4;

    WR_CHECK(hosts > 0 && hosts < WR_NO_HOST / WR_MEMBERS_MAX);
    while (slots < 2 * hosts)
        slots *= 2;
    *b = (struct wr_book){
        .hosts = calloc(hosts, sizeof(*b->hosts)),
        .hosts_cap = hosts,
        .ids = calloc(ids, sizeof(*b->ids)),
        .ids_cap = ids,
        .index = calloc(slots, sizeof(*b->index)),
        .index_mask = slots - 1,
    };
    memcpy(b->ring, ring, sizeof(b->ring));
    if (b->hosts == NULL || b->ids == NULL || b->index == NULL) {
        wr_book_done(b);
        return WR_ENOMEM;
    }
    return WR_OK;
}

void wr_book_done(struct wr_book *b)
{
    free(b->hosts);
    free(b->ids);
    free(b->index);
    *b = (struct wr_book){0};
}

static uint32_t *index_at(const struct wr_book *b, const struct wr_host_id *id)
{
    uint32_t i = slot_of(id) & b->index_mask;

    while (b->index[i] != 0 &&
           memcmp(&b->hosts[b->index[i] - 1].id, id, sizeof(*id)) != 0)
        i = (i + 1) & b->index_mask;
    return &b->index[i];
}

wr_host wr_book_find(const struct wr_book *b, const struct wr_host_id *id)
{
    const uint32_t at = *index_at(b, id);

    return at == 0 ? WR_NO_HOST : at - 1;
}

static wr_host add(struct wr_book *b, const struct wr_host_id *id,
                   uint8_t members)
{
    if (b->hosts_n == b->hosts_cap || members > b->ids_cap - b->ids_n)
        return WR_NO_HOST;
    *index_at(b, id) = b->hosts_n + 1;
    b->hosts[b->hosts_n] =
        (struct wr_book_host){.id = *id, .members = members, .first = b->ids_n};
    b->ids_n += members;
    b->each = b->hosts_n == 0 || b->each == members ? members : 0;
    return b->hosts_n++;
}

wr_host wr_book_add(struct wr_book *b, const struct wr_host_id *id,
                    uint8_t members, uint32_t site, const struct wr_addr *addr)
{
    wr_host h = wr_book_find(b, id);

    WR_CHECK(members >= 1 && members <= WR_MEMBERS_MAX);
    if (h != WR_NO_HOST)
        return h;
    h = add(b, id, members);
    if (h == WR_NO_HOST)
        return h;
    b->hosts[h].site = site;
    if (addr != NULL)
        b->hosts[h].addr = *addr;
    for (uint8_t i = 0; i < members; i++)
        wr_cred_member_id(b->ring, id->b, i, b->ids[b->hosts[h].first + i].b);
    return h;
}
