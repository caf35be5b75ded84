/* resolve.c - see resolve.h. */
#include "client/resolve.h"

#include <string.h>

#include "object/unixfs.h"

enum { GUESS_BYTES = 256 << 10 }; /* What a block may weigh in the window. */

enum wr_err wr_tree_why(enum wr_err err, const struct wr_cid *cid,
                        struct wr_why *why)
{
    char text[WR_CID_TEXT_SIZE];

    wr_cid_print(cid, text);
    return wr_why(
        why, err, "%s: %s", text,
        err == WR_EDAMAGED
            ? "its tree contradicts itself or would write outside of its "
              "place; it was made by mistake or malice"
        : err == WR_EUNSUPPORTED ? "it is no file, directory or link"
        : err == WR_ETOOBIG      ? "it is beyond all limits"
                                 : wr_err_text(err));
}

static void end(struct wr_resolve *r, const struct wr_why *why,
                struct wr_buf *block)
{
    const struct wr_cid cid = r->fetch.cid;

    r->done(r, why, &cid, block);
}

static void fetch(struct wr_resolve *r, const struct wr_cid *cid);

/* The next name of the path; empty behind the last. */
static struct wr_span next_name(struct wr_resolve *r)
{
    const char *p = r->path + r->at;

    while (*p == '/')
        p++;
    const size_t n = strcspn(p, "/");
    r->at = (size_t)(p - r->path) + n;
    return wr_span(p, n);
}

static void have_block(struct wr_resolve *r, struct wr_buf *buf)
{
    struct wr_why why = {0};
    struct wr_dir_item item;
    struct wr_node node;
    enum wr_err err =
        wr_node_decode(&r->fetch.cid, wr_span(buf->p, buf->n), &node);

    if (err == WR_OK && !r->finding) {
        const struct wr_span name = next_name(r);

        if (name.n == 0) {
            end(r, &why, buf);
            return;
        }
        wr_dir_find_init(&r->find, name);
        r->finding = true;
        if (node.kind == WR_NODE_FILE || node.kind == WR_NODE_SYMLINK)
            err = WR_ENOTFOUND;
    }
    if (err == WR_OK)
        err = wr_dir_find_step(&r->find, &node, &item);
    wr_buf_unref(buf);
    if (err == WR_OK) {
        r->finding = item.kind != WR_DIR_ENTRY;
        fetch(r, &item.cid);
        return;
    }
    if (err == WR_ENOTFOUND)
        wr_why(&why, err, "there is no '%.*s' in this tree",
               (int)r->at - (r->path[0] == '/'), r->path + (r->path[0] == '/'));
    else
        wr_tree_why(err, &r->fetch.cid, &why);
    end(r, &why, NULL);
}

static void on_block(struct wr_fetch *f, uint8_t status,
                     const struct wr_msg *answer, struct wr_buf *buf)
{
    struct wr_resolve *r = f->arg;
    char what[WR_CID_TEXT_SIZE];
    struct wr_why why;

    if (status == WR_STATUS_OK) {
        r->fetched += buf->n;
        have_block(r, buf);
        return;
    }
    wr_cid_print(&f->cid, what);
    wr_session_why(r->session, status, answer, what, &why);
    end(r, &why, NULL);
}

static void fetch(struct wr_resolve *r, const struct wr_cid *cid)
{
    const struct wr_cid copy = *cid;
    struct wr_buf *buf;

    r->fetch.done = on_block;
    r->fetch.arg = r;
    const enum wr_err err =
        wr_fetch_start(&r->fetch, r->session, &copy, GUESS_BYTES, &buf);
    if (err != WR_OK) {
        struct wr_why why;

        wr_why(&why, err, "too much at once: %s", wr_err_text(err));
        end(r, &why, NULL);
    } else if (buf != NULL) {
        have_block(r, buf);
    }
}

void wr_resolve_start(struct wr_resolve *r, struct wr_session *session,
                      const struct wr_cid *cid, const char *path)
{
    r->session = session;
    r->path = path != NULL ? path : "";
    fetch(r, cid);
}

void wr_resolve_cancel(struct wr_resolve *r)
{
    wr_fetch_cancel(&r->fetch);
}
