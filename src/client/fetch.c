/* fetch.c - see fetch.h. */
#include "client/fetch.h"

static void on_answer(struct wr_ask *ask, uint8_t status,
                      const struct wr_msg *answer, struct wr_buf *body)
{
    struct wr_fetch *f = ask->arg;

    if (status == WR_STATUS_OK && body == NULL)
        status = WR_STATUS_BAD; /* A head, where the bytes were asked for. */
    if (status != WR_STATUS_OK) {
        wr_buf_unref(body);
        body = NULL;
    }
    f->done(f, status, answer, body);
}

static struct wr_buf *copy_of(struct wr_span bytes)
{
    struct wr_buf *buf = wr_buf_new(bytes.n > 0 ? bytes.n : 1);

    if (buf == NULL)
        return NULL;
    if (bytes.n > 0)
        memcpy(buf->p, bytes.p, bytes.n);
    buf->n = (uint32_t)bytes.n;
    return buf;
}

enum wr_err wr_fetch_start(struct wr_fetch *f, struct wr_session *session,
                           const struct wr_cid *cid, uint32_t bytes,
                           struct wr_buf **ret_buf)
{
    struct wr_id digest;

    f->session = session;
    f->cid = *cid;
    *ret_buf = NULL;
    if (wr_cid_is_inline(cid)) {
        *ret_buf = copy_of(wr_cid_inline(&f->cid));
        return *ret_buf != NULL ? WR_OK : WR_ENOMEM;
    }
    if (wr_cid_matches(cid, (struct wr_span){0})) {
        *ret_buf = copy_of((struct wr_span){0});
        return *ret_buf != NULL ? WR_OK : WR_ENOMEM;
    }
    f->ask.done = on_answer;
    f->ask.arg = f;
    memcpy(digest.b, cid->digest, sizeof(digest.b));
    return wr_session_get(session, &f->ask, cid->hash, &digest, false, bytes)
               ? WR_OK
               : WR_EBUSY;
}

void wr_fetch_cancel(struct wr_fetch *f)
{
    if (f->session != NULL)
        wr_session_cancel(f->session, &f->ask);
}
