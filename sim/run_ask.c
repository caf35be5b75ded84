/* run_ask.c - lookups of a scenario: who asks for what, and what came of it. */
#include "run_private.h"
#include "world_private.h"

enum { ASKS_MAX = 1 << 24 };

void run_ask_init(struct run *r)
{
    if (r->s->load_keys == WR_KEYS_ZIPF)
        wr_zipf_init(&r->zipf, r->s->load_keys_count, r->s->load_zipf_s);
}

static void draw_key(struct run *r, struct wr_id *ret)
{
    struct wr_rng named = {0};

    if (r->s->load_keys == WR_KEYS_ZIPF)
        named.state = r->s->run_seed ^ wr_zipf_draw(&r->zipf, &r->load);
    else
        named.state = wr_rng_next(&r->load);
    wr_rng_fill(&named, ret->b, sizeof(ret->b));
}

void run_ask_later(struct run *r, wr_host host)
{
    if (r->s->load_lookup_every == WR_NEVER)
        return;
    wr_world_at(
        &r->w, r->w.now + wr_rng_exponential(&r->load, r->s->load_lookup_every),
        run_cookie(RUN_ASK, host, r->w.hosts[host].epoch));
}

static struct run_ask *room(struct run *r)
{
    if (r->asks_n == r->asks_cap)
        (void)run_ask_sweep(r);
    if (r->asks_n == r->asks_cap) {
        WR_CHECK(r->asks_cap < ASKS_MAX);
        r->asks =
            world_grown(r->asks, r->asks_n, &r->asks_cap, sizeof(r->asks[0]));
    }
    return &r->asks[r->asks_n];
}

/* Those that wait are found by their key's first bytes: a token. */
void run_ask(struct run *r, wr_host host)
{
    struct wr_event ev = {.kind = WR_EV_LOOKUP};
    const bool counted = r->w.now >= r->begin;
    struct run_ask *a;

    if (r->s->load_lookups > 0 && r->asked_n >= r->s->load_lookups)
        return;
    a = room(r);
    *a = (struct run_ask){
        .at = r->w.now,
        .host = host,
        .epoch = r->w.hosts[host].epoch,
        .counted = counted,
    };
    if (run_is_wreath(r))
        draw_key(r, &a->key);
    else
        a->key = run_system_item(r);
    ev.lookup.key = a->key;
    ev.lookup.trace = r->s->load_trace != 0;
    ev.lookup.token = r->asked_n++;
    a->token = ev.lookup.token;
    r->asks_n++;
    r->sum.asked += counted;
    r->row.asked += counted;
    wr_world_step(&r->w, host, &ev);
}

static void right(struct run *r, const struct run_ask *a, wr_host by,
                  const struct wr_msg *m)
{
    const wr_time took = r->w.now - a->at;
    const wr_time direct = 2 * wr_simnet_base(&r->w.net, a->host, by);

    r->sum.right++;
    r->row.right++;
    wr_hist_add(&r->latency, took);
    wr_hist_add(&r->row_latency, took);
    wr_hist_add(&r->hops, m->routed.hops);
    r->slots[by].served++;
    if (by != a->host && direct > 0) {
        r->stretch_permille += took * 1000 / direct;
        r->stretch_n++;
    }
}

static bool is_right(struct run *r, const struct run_ask *a, wr_ref owner)
{
    return run_is_wreath(r) ? wr_judge_right(&r->judge, &a->key, owner, a->at)
                            : run_system_right(r, &a->key, wr_ref_host(owner));
}

void run_answer(struct run *r, wr_host host, const struct wr_fx *fx)
{
    const struct wr_msg *m = &fx->done.answer;
    uint32_t lo = 0, hi = r->asks_n;
    struct run_ask *a;

    /* Tokens grow, and a sweep keeps the order. */
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;

        if (r->asks[mid].token < fx->done.token)
            lo = mid + 1;
        else
            hi = mid;
    }
    a = &r->asks[lo];
    if (lo == r->asks_n || a->token != fx->done.token || a->host != host)
        return;
    if (!a->counted)
        ;
    else if (fx->done.status != WR_STATUS_OK) {
        r->sum.failed++;
        r->row.failed++;
    } else if (is_right(r, a, m->routed.owner)) {
        right(r, a, wr_ref_host(m->routed.owner), m);
    } else {
        r->sum.wrong++;
        r->row.wrong++;
    }
    a->host = WR_NO_HOST;
}

uint64_t run_ask_sweep(struct run *r)
{
    uint64_t open = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->asks_n; i++) {
        const struct run_ask *a = &r->asks[i];

        if (a->host == WR_NO_HOST)
            continue;
        if (!wr_world_is_up(&r->w, a->host) ||
            r->w.hosts[a->host].epoch != a->epoch) {
            r->sum.gone += a->counted;
            continue;
        }
        open += a->counted;
        r->asks[n++] = *a;
    }
    r->asks_n = n;
    return open;
}
