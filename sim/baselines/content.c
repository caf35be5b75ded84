/* content.c - see content.h. */
#include "content.h"

#include <stdlib.h>

#include "base/rng.h"

struct wr_id wr_content_key(const struct wr_content *c, uint64_t item)
{
    struct wr_rng named = {c->seed ^ item};
    struct wr_id key;

    wr_rng_fill(&named, key.b, sizeof(key.b));
    return key;
}

wr_host wr_content_host(const struct wr_content *c, const struct wr_id *key,
                        uint32_t copy)
{
    struct wr_rng lot = {wr_id_prefix(key) + copy};

    return (wr_host)wr_rng_below(&lot, c->hosts);
}

bool wr_content_at(const struct wr_content *c, const struct wr_id *key,
                   wr_host host)
{
    for (uint32_t i = 0; i < c->copies; i++)
        if (wr_content_host(c, key, i) == host)
            return true;
    return false;
}

/* Two copies may fall to one host, which has the item once. */
static void count(struct wr_content *c, const struct wr_id *key)
{
    for (uint32_t i = 0; i < c->copies; i++) {
        const wr_host h = wr_content_host(c, key, i);
        uint32_t before = 0;

        while (before < i && wr_content_host(c, key, before) != h)
            before++;
        c->has[h] += before == i;
    }
}

enum wr_err wr_content_init(struct wr_content *c, uint64_t seed, uint64_t items,
                            uint32_t hosts, uint32_t copies)
{
    *c = (struct wr_content){
        .seed = seed, .items = items, .hosts = hosts, .copies = copies};
    c->has = calloc(hosts, sizeof(c->has[0]));
    if (c->has == NULL)
        return WR_ENOMEM;
    for (uint64_t i = 1; i <= items; i++) {
        const struct wr_id key = wr_content_key(c, i);

        count(c, &key);
    }
    return WR_OK;
}

void wr_content_done(struct wr_content *c)
{
    free(c->has);
    *c = (struct wr_content){0};
}
