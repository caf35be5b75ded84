/*
 * query.c - the questions that people ask a running super-peer, and the few
 * commands that its owner gives it through the local socket. Answers are JSON
 * objects (docs/operations.md lists their fields); the program renders them.
 *
 *     status            this host: state, store, links, counters
 *     peers [fingers]   every known host; each of our members and its view
 *     trace KEY         a lookup, hop by hop; KEY is 64 hexadecimal digits
 *     survey, chunk, …  what all hosts have and see: survey.h
 *     leave             (local) hand everything over, then go for good
 *     scrub [RATE]      (local) read every chunk again, from now on
 *     reload            (local) the revocation list was replaced
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "host/address.h"
#include "host/super_parts.h"
#include "host/view.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

void wr_super_reply(struct wr_super *s, wr_host to, uint64_t rid,
                    enum wr_status status, json_t *o)
{
    struct wr_msg m = {.kind = WR_MSG_REPORT, .rid = rid};
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    struct wr_buf *body = NULL;

    json_decref(o);
    if (text != NULL && strlen(text) > WR_REPORT_MAX) {
        free(text);
        text = strdup("{\"error\":\"the answer is too long to be sent\"}");
        status = WR_STATUS_FAILED;
    }
    if (text != NULL && strlen(text) <= WR_REPORT_MAX)
        body = wr_buf_new(strlen(text));
    if (body != NULL) {
        body->n = (uint32_t)strlen(text);
        memcpy(body->p, text, body->n);
        m.report.body.len = body->n;
    }
    m.report.status =
        (uint8_t)(body == NULL && status == WR_STATUS_OK ? WR_STATUS_FAILED
                                                         : status);
    wr_hub_send(s->hub, to, &m, body);
    wr_buf_unref(body);
    free(text);
}

static void refuse(struct wr_super *s, const struct wr_hub_peer *peer,
                   const struct wr_msg *m, enum wr_status status,
                   const char *text)
{
    wr_super_reply(s, peer->from, m->rid, status,
                   json_pack("{s:s}", "error", text));
}

static bool is_word(struct wr_span span, const char *word)
{
    return wr_span_eq(span, wr_span_str(word));
}

static void start_trace(struct wr_super *s, const struct wr_hub_peer *peer,
                        const struct wr_msg *m)
{
    struct wr_event ev = {.kind = WR_EV_LOOKUP};

    if (wr_unhex_span(m->query.arg, ev.lookup.key.b, WR_ID_BYTES) != WR_OK) {
        refuse(s, peer, m, WR_STATUS_REFUSED, "a key has 64 hex digits");
        return;
    }
    struct wr_talk *talk = wr_super_talk(s, WR_TALK_TRACE, peer->from, m->rid);
    if (talk == NULL) {
        refuse(s, peer, m, WR_STATUS_BUSY, "too many questions at once");
        return;
    }
    ev.lookup.trace = true;
    ev.lookup.token = (wr_token)(talk - s->talks);
    wr_super_feed(s, &ev);
}

static void start_leave(struct wr_super *s, const struct wr_hub_peer *peer,
                        const struct wr_msg *m)
{
    if (!peer->local) {
        refuse(s, peer, m, WR_STATUS_REFUSED,
               "only the owner of a host can make it leave");
        return;
    }
    if (s->state == WR_SUPER_LEAVING || s->state == WR_SUPER_FAREWELL) {
        wr_super_reply(s, peer->from, m->rid, WR_STATUS_OK,
                       json_pack("{s:s, s:I}", "state", wr_view_state(s),
                                 "pushed", (json_int_t)s->pushed));
        return;
    }
    struct wr_talk *talk = NULL;
    if (s->state == WR_SUPER_SERVING)
        talk = wr_super_talk(s, WR_TALK_LEAVE, peer->from, m->rid);
    if (talk == NULL) {
        refuse(s, peer, m, WR_STATUS_BUSY,
               "this host is not serving yet; try again");
        return;
    }
    s->state = WR_SUPER_LEAVING;
    WR_LOG_TEXT(INFO, "host", "leaving for good");
    wr_super_reply(s, peer->from, m->rid, WR_STATUS_OK,
                   json_pack("{s:s}", "state", "leaving"));
    wr_super_feed(
        s, &(struct wr_event){.kind = WR_EV_LEAVE,
                              .leave = {.token = (wr_token)(talk - s->talks)}});
}

/* RATE: bytes a second in decimal digits; without it, as fast as it goes. */
static void start_scrub(struct wr_super *s, const struct wr_hub_peer *peer,
                        const struct wr_msg *m)
{
    char text[24] = "0";
    uint64_t rate;

    if (m->query.arg.n > 0 && m->query.arg.n < sizeof(text)) {
        memcpy(text, m->query.arg.p, m->query.arg.n);
        text[m->query.arg.n] = '\0';
    }
    if (!peer->local) {
        refuse(s, peer, m, WR_STATUS_REFUSED,
               "a scrub is begun on the host itself, with its --dir");
    } else if (m->query.arg.n >= sizeof(text) ||
               wr_bytes_parse(text, &rate) != WR_OK) {
        refuse(s, peer, m, WR_STATUS_REFUSED, "a rate is a number of bytes");
    } else {
        wr_scrub_begin(s, rate);
        wr_super_reply(s, peer->from, m->rid, WR_STATUS_OK,
                       json_pack("{s:o}", "scrub", wr_scrub_view(s)));
    }
}

/* `wreath revoke` and `wreath remove` have written a new list. */
static void reload(struct wr_super *s, const struct wr_hub_peer *peer,
                   const struct wr_msg *m)
{
    char path[WR_HOME_PATH_MAX];
    uint8_t *bytes;
    size_t n;

    wr_home_path(s->cfg.home->dir, "revoked", path);
    if (!peer->local ||
        wr_file_read(path, WR_REVOKED_BYTES_MAX, NULL, &bytes, &n) != WR_OK) {
        refuse(s, peer, m, WR_STATUS_REFUSED, "there is no list to read");
        return;
    }
    const bool news = wr_cards_revoke(&s->cards, wr_span(bytes, n));
    free(bytes);
    wr_super_reply(s, peer->from, m->rid, WR_STATUS_OK,
                   json_pack("{s:b}", "changed", news));
    if (news) {
        /* It is in the file; written once more, it could take the place of
         * one that the command writes right now. */
        s->revoked_saved = s->cards.revoked.number;
        wr_super_on_revoked(s);
    }
}

void wr_super_query(struct wr_super *s, const struct wr_hub_peer *peer,
                    const struct wr_msg *m)
{
    const struct wr_span what = m->query.what;

    if (is_word(what, "status"))
        wr_super_reply(s, peer->from, m->rid, WR_STATUS_OK, wr_view_status(s));
    else if (is_word(what, "peers"))
        wr_super_reply(s, peer->from, m->rid, WR_STATUS_OK,
                       wr_view_peers(s, is_word(m->query.arg, "fingers")));
    else if (is_word(what, "trace"))
        start_trace(s, peer, m);
    else if (is_word(what, "leave"))
        start_leave(s, peer, m);
    else if (is_word(what, "scrub"))
        start_scrub(s, peer, m);
    else if (is_word(what, "reload"))
        reload(s, peer, m);
    else if (!wr_survey_query(s, peer, m))
        refuse(s, peer, m, WR_STATUS_REFUSED, "no such question");
}

void wr_super_query_done(struct wr_super *s, const struct wr_fx *fx)
{
    WR_CHECK(fx->done.token < WR_SUPER_TALKS);
    struct wr_talk *talk = &s->talks[fx->done.token];

    if (talk->used && talk->kind == WR_TALK_TRACE)
        wr_super_reply(s, talk->from, talk->rid,
                       (enum wr_status)fx->done.status,
                       wr_view_trace(s, &fx->done.answer));
    if (talk->used && talk->kind == WR_TALK_LEAVE) {
        if (fx->done.status == WR_STATUS_OK) {
            WR_LOG_TEXT(INFO, "host", "everything is handed over");
            wr_super_farewell(s);
        } else {
            WR_LOG(WARN, "host", "not everything is handed over; we stay",
                   WR_KV_STR("status", wr_status_name(fx->done.status)));
            if (s->state == WR_SUPER_LEAVING) /* Not while it stops. */
                s->state = WR_SUPER_SERVING;
        }
    }
    talk->used = false;
}
