/* survey.c - see survey.h. */
#include "host/survey.h"

#include <stdlib.h>

#include "base/text.h"
#include "crypto/root.h"
#include "host/super_parts.h"
#include "host/view.h"
#include "proto/node_private.h"
#include "sys/clock.h"

#define PATIENCE WR_SEC(3)

/* Who gets an answer: another host, a leaf, or a survey of our own. */
struct asker {
    struct wr_super *s;
    wr_host from;
    uint64_t rid;
};

static void deliver(struct wr_super *s, wr_host from, uint64_t rid, json_t *o);

static void answer(const struct asker *to, json_t *o)
{
    if (to->from == to->s->self)
        deliver(to->s, to->s->self, to->rid, o);
    else
        wr_super_reply(to->s, to->from, to->rid, WR_STATUS_OK, o);
}

/* ---- what we have ------------------------------------------------------- */

/* Hands an answer of the store on; the asker is freed. */
static void tell(struct asker *to, json_t *o)
{
    if (to->s->hub != NULL)
        answer(to, o);
    else
        json_decref(o);
    free(to);
}

static void on_chunk(void *arg, const struct wr_store_answer *a)
{
    const struct wr_chunk_info *c = a->chunks;
    json_t *puts = json_array();
    uint32_t shown;

    if (a->err != WR_OK || c == NULL) {
        tell(arg, json_pack("{s:b, s:s, s:o}", "here", 0, "error",
                            a->err == WR_ENOTFOUND ? "" : wr_err_text(a->err),
                            "puts", puts));
        return;
    }
    shown = c->refs < WR_STORE_REFS_SHOWN ? c->refs : WR_STORE_REFS_SHOWN;
    for (uint32_t i = 0; i < shown; i++)
        json_array_append_new(puts, wr_view_hex(c->put_ids[i], WR_PUT_ID));
    tell(arg,
         json_pack("{s:b, s:b, s:I, s:I, s:o}", "here", (int)!c->damaged,
                   "damaged", (int)c->damaged, "bytes", (json_int_t)c->length,
                   "refs", (json_int_t)c->refs, "puts", puts));
}

static void on_chunks(void *arg, const struct wr_store_answer *a)
{
    char text[WR_SURVEY_CHUNKS + 1] = "";

    if (a->err == WR_OK)
        for (uint32_t i = 0; i < a->n && i < WR_SURVEY_CHUNKS; i++)
            text[i] = (a->bits[i / 8] >> i % 8 & 1) != 0 ? '1' : '0';
    tell(arg, json_pack("{s:s}", "have", text));
}

static void on_root(void *arg, const struct wr_store_answer *a)
{
    static const char *const states[] = {"?", "open", "kept", "given up"};
    struct wr_root r;

    if (a->err != WR_OK || a->roots == NULL ||
        wr_root_open(a->roots[0].bytes, &r) != WR_OK) {
        tell(arg, json_pack("{s:b}", "here", 0));
        return;
    }
    tell(arg,
         json_pack("{s:b, s:o, s:s, s:I, s:I, s:I, s:o, s:o}", "here", 1, "put",
                   wr_view_hex(r.put, sizeof(r.put)), "state", states[r.state],
                   "version", (json_int_t)r.version, "expiry_s",
                   (json_int_t)r.expiry, "bytes", (json_int_t)r.size, "owner",
                   wr_view_hex(r.host, sizeof(r.host)), "cid",
                   wr_view_hex(r.cid, r.cid_n)));
}

/* How we see the host that is asked about, our clock, and our store. */
static json_t *sees(const struct wr_super *s, const uint8_t *id)
{
    struct wr_host_id host;
    uint32_t rtt = UINT32_MAX;

    memcpy(host.b, id, sizeof(host.b));
    const wr_host h = wr_book_find(&s->book, &host);
    if (h != WR_NO_HOST)
        rtt = h == s->self ? 0 : wr_peers_rtt_us(&s->node->core, h);
    return json_pack(
        "{s:s, s:b, s:o, s:I, s:s, s:o}", "liveness",
        h == WR_NO_HOST ? "unknown" : wr_view_liveness(s, h), "linked",
        (int)(h != WR_NO_HOST && (h == s->self || wr_hub_linked(s->hub, h))),
        "rtt_ms", rtt == UINT32_MAX ? json_null() : json_real(rtt / 1000.0),
        "wall_s", (json_int_t)wr_clock_wall_s(), "version", WR_VERSION, "store",
        wr_view_space(s));
}

static enum wr_err ask_store(struct asker *to, struct wr_span what,
                             const uint8_t *key, uint32_t n)
{
    struct wr_store *store = to->s->store;

    if (wr_span_eq(what, wr_span_str("chunk")))
        return wr_store_stat(store, key, on_chunk, to);
    if (wr_span_eq(what, wr_span_str("chunks")))
        return wr_store_have(store, key, n, NULL, on_chunks, to);
    return wr_store_root_get(store, key, on_root, to);
}

static bool is_ours(struct wr_span what)
{
    static const char *const words[] = {"chunk", "chunks", "root", "sees"};

    for (size_t i = 0; i < WR_ARRAY_LEN(words); i++)
        if (wr_span_eq(what, wr_span_str(words[i])))
            return true;
    return false;
}

/* Answers a question about ourselves, now or later. False: it makes no sense,
 * or there is no room for it. */
static bool say(const struct asker *from, struct wr_span what,
                struct wr_span arg)
{
    uint8_t key[WR_DIGEST * WR_SURVEY_CHUNKS];
    const uint32_t n = (uint32_t)(arg.n / (2 * WR_DIGEST));
    struct asker *to;

    if (wr_span_eq(what, wr_span_str("sees"))) {
        if (wr_unhex_span(arg, key, WR_HOST_ID_BYTES) != WR_OK)
            return false;
        answer(from, sees(from->s, key));
        return true;
    }
    if (n == 0 || n > WR_SURVEY_CHUNKS ||
        (n > 1 && !wr_span_eq(what, wr_span_str("chunks"))) ||
        wr_unhex_span(arg, key, (size_t)n * WR_DIGEST) != WR_OK)
        return false;
    to = malloc(sizeof(*to));
    if (to == NULL)
        return false;
    *to = *from;
    if (ask_store(to, what, key, n) == WR_OK)
        return true;
    free(to);
    return false;
}

/* ---- what all have ------------------------------------------------------ */

static void finish(struct wr_super *s, struct wr_survey *v)
{
    json_t *hosts = json_array();

    for (uint32_t i = 0; i < v->n; i++) {
        json_t *a = v->answers[i] != NULL ? v->answers[i] : json_null();

        json_array_append_new(
            hosts,
            json_pack(
                "{s:o, s:s, s:o}", "host",
                wr_view_hex(s->book.hosts[v->hosts[i]].id.b, WR_HOST_ID_BYTES),
                "liveness", wr_view_liveness(s, v->hosts[i]), "answer", a));
    }
    v->used = false;
    wr_super_reply(s, v->from, v->rid, WR_STATUS_OK,
                   json_pack("{s:o, s:I}", "hosts", hosts, "unasked",
                             (json_int_t)v->unasked));
}

/* Takes `o` over. Who answers late, or twice, or was not asked, is not heard.
 */
static void deliver(struct wr_super *s, wr_host from, uint64_t rid, json_t *o)
{
    const uint32_t slot = (uint32_t)rid;
    struct wr_survey *v = slot < WR_SURVEYS ? &s->surveys[slot] : NULL;

    for (uint32_t i = 0;
         v != NULL && v->used && v->number == rid >> 32 && i < v->n; i++) {
        if (v->hosts[i] != from || !v->open[i])
            continue;
        v->open[i] = false;
        v->answers[i] = o;
        if (--v->waiting == 0)
            finish(s, v);
        return;
    }
    json_decref(o);
}

void wr_survey_report(struct wr_super *s, wr_host from, uint64_t rid,
                      const struct wr_buf *body)
{
    json_t *o = NULL;

    if (body != NULL && body->n <= WR_SURVEY_ANSWER_MAX)
        o = json_loadb((const char *)body->p, body->n, JSON_REJECT_DUPLICATES,
                       NULL);
    if (o != NULL)
        deliver(s, from, rid, o);
}

static struct wr_survey *vacant(struct wr_super *s)
{
    for (size_t i = 0; i < WR_SURVEYS; i++)
        if (!s->surveys[i].used)
            return &s->surveys[i];
    return NULL;
}

static void ask(struct wr_super *s, struct wr_survey *v, struct wr_span what,
                struct wr_span arg)
{
    const uint64_t rid = (uint64_t)v->number << 32 | (uint64_t)(v - s->surveys);
    struct wr_msg m = {.kind = WR_MSG_QUERY, .rid = rid};

    m.query.what = what;
    m.query.arg = arg;
    for (uint32_t i = 0; i < v->n; i++)
        if (v->open[i] && v->hosts[i] != s->self)
            wr_hub_send(s->hub, v->hosts[i], &m, NULL);
    /* Ourselves last: that may end it. */
    const struct asker self = {.s = s, .from = s->self, .rid = rid};
    for (uint32_t i = 0; i < v->n; i++)
        if (v->hosts[i] == s->self && !say(&self, what, arg))
            deliver(s, s->self, rid, json_pack("{s:s}", "error", "refused"));
}

static void begin(struct wr_super *s, const struct wr_hub_peer *peer,
                  const struct wr_msg *m, struct wr_span what,
                  struct wr_span arg)
{
    struct wr_survey *v = vacant(s);

    if (v == NULL) {
        wr_super_reply(
            s, peer->from, m->rid, WR_STATUS_BUSY,
            json_pack("{s:s}", "error", "too many questions at once"));
        return;
    }
    *v = (struct wr_survey){.used = true,
                            .from = peer->from,
                            .rid = m->rid,
                            .number = ++s->talk_number,
                            .since = wr_clock_now()};
    for (wr_host h = 0; h < s->book.hosts_n; h++) {
        if (wr_cards_state(&s->cards, h) != WR_ROSTER_ADMITTED)
            continue;
        if (v->n == WR_SURVEY_HOSTS) {
            v->unasked++;
            continue;
        }
        v->open[v->n] = h == s->self || wr_peers_alive(&s->node->core, h);
        v->waiting += v->open[v->n];
        v->hosts[v->n++] = h;
    }
    ask(s, v, what, arg);
}

void wr_survey_tick(struct wr_super *s)
{
    const wr_time now = wr_clock_now();

    for (size_t i = 0; i < WR_SURVEYS; i++)
        if (s->surveys[i].used && now - s->surveys[i].since >= PATIENCE)
            finish(s, &s->surveys[i]);
}

void wr_survey_done(struct wr_super *s)
{
    for (size_t i = 0; i < WR_SURVEYS; i++)
        for (uint32_t k = 0; s->surveys[i].used && k < s->surveys[i].n; k++)
            json_decref(s->surveys[i].answers[k]);
}

static void refuse(struct wr_super *s, const struct wr_hub_peer *peer,
                   const struct wr_msg *m)
{
    wr_super_reply(s, peer->from, m->rid, WR_STATUS_REFUSED,
                   json_pack("{s:s}", "error", "no such question"));
}

bool wr_survey_query(struct wr_super *s, const struct wr_hub_peer *peer,
                     const struct wr_msg *m)
{
    const struct asker from = {.s = s, .from = peer->from, .rid = m->rid};
    struct wr_span what, arg = m->query.arg;
    const uint8_t *space;

    if (is_ours(m->query.what)) {
        if (!say(&from, m->query.what, arg))
            refuse(s, peer, m);
        return true;
    }
    if (!wr_span_eq(m->query.what, wr_span_str("survey")))
        return false;
    space = arg.n > 0 ? memchr(arg.p, ' ', arg.n) : NULL;
    what = wr_span(arg.p, space != NULL ? (size_t)(space - arg.p) : 0);
    /* One host's question must not become every host's. */
    if (space == NULL || !is_ours(what) || !wr_host_is_leaf(peer->from)) {
        refuse(s, peer, m);
        return true;
    }
    begin(s, peer, m, what, wr_span(space + 1, arg.n - what.n - 1));
    return true;
}
