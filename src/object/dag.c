/* dag.c - see dag.h. */
#include "object/dag.h"

enum { /* Field number and wire type 2, as they stand in a block. */
       TAG_DATA = 0x0a,
       TAG_LINK = 0x12,
       TAG_LINK_HASH = 0x0a,
       TAG_LINK_NAME = 0x12,
       TAG_LINK_TSIZE = 0x18,
};

static struct wr_span read_bytes(struct wr_reader *r)
{
    const uint64_t n = wr_read_varint(r);

    if (n > r->left)
        r->bad = true;
    return wr_read(r, r->bad ? 0 : (size_t)n);
}

/* One PBLink. Fields in ascending order and once each, Hash always there:
 * else two serialisations would mean the same node. */
static bool read_link(struct wr_span in, struct wr_dag_link *ret)
{
    struct wr_reader r = wr_reader(in);
    struct wr_dag_link link = {0};
    uint8_t last = 0;

    while (r.left > 0) {
        const uint8_t tag = wr_read_u8(&r);

        if (tag <= last)
            return false;
        last = tag;
        if (tag == TAG_LINK_HASH)
            link.cid = read_bytes(&r);
        else if (tag == TAG_LINK_NAME)
            link.name = read_bytes(&r);
        else if (tag == TAG_LINK_TSIZE)
            link.tsize = wr_read_varint(&r);
        else
            return false;
        if (r.bad)
            return false;
    }
    if (link.cid.n == 0)
        return false;
    *ret = link;
    return true;
}

static enum wr_err take_link(struct wr_dag_node *node, struct wr_span in)
{
    struct wr_dag_link link;
    struct wr_cid cid;

    if (node->n_links == WR_DAG_LINKS_MAX)
        return WR_ETOOBIG;
    if (!read_link(in, &link) ||
        wr_cid_decode(link.cid, &cid, NULL) == WR_EINVAL)
        return WR_EDAMAGED;
    node->n_links++;
    return WR_OK;
}

enum wr_err wr_dag_decode(struct wr_span block, struct wr_dag_node *ret)
{
    struct wr_reader r = wr_reader(block);
    struct wr_dag_node node = {0};
    uint8_t last = 0;

    if (block.n > WR_DAG_READ_MAX)
        return WR_ETOOBIG;
    while (r.left > 0) {
        const uint8_t *at = r.p;
        const uint8_t tag = wr_read_u8(&r);
        const struct wr_span in = read_bytes(&r);

        if (r.bad)
            return WR_EDAMAGED;
        if (tag == TAG_LINK) {
            const enum wr_err err = take_link(&node, in);

            if (err != WR_OK)
                return err;
            if (node.n_links == 1)
                node.links = wr_span(at, 0);
            else if (last != TAG_LINK)
                return WR_EDAMAGED; /* Links on both sides of the data. */
            node.links.n = (size_t)(r.p - node.links.p);
        } else if (tag == TAG_DATA && !node.has_data) {
            node.has_data = true;
            node.data = in;
        } else {
            return WR_EDAMAGED;
        }
        last = tag;
    }
    *ret = node;
    return WR_OK;
}

struct wr_reader wr_dag_links(const struct wr_dag_node *node)
{
    return wr_reader(node->links);
}

bool wr_dag_next(struct wr_reader *it, struct wr_dag_link *ret)
{
    if (it->left == 0)
        return false;
    (void)wr_read_u8(it); /* TAG_LINK, as all was checked on decoding. */
    return read_link(read_bytes(it), ret);
}

static size_t link_body_bytes(size_t cid_n, size_t name_n, uint64_t tsize)
{
    return 1 + wr_varint_size(cid_n) + cid_n + 1 + wr_varint_size(name_n) +
           name_n + 1 + wr_varint_size(tsize);
}

void wr_dag_write_link(struct wr_writer *w, const struct wr_cid *cid,
                       struct wr_span name, uint64_t tsize)
{
    uint8_t bytes[WR_CID_BIN_MAX];
    const size_t n = wr_cid_encode(cid, bytes);

    wr_write_u8(w, TAG_LINK);
    wr_write_varint(w, link_body_bytes(n, name.n, tsize));
    wr_write_u8(w, TAG_LINK_HASH);
    wr_write_varint(w, n);
    wr_write(w, bytes, n);
    wr_write_u8(w, TAG_LINK_NAME);
    wr_write_varint(w, name.n);
    wr_write(w, name.p, name.n);
    wr_write_u8(w, TAG_LINK_TSIZE);
    wr_write_varint(w, tsize);
}

size_t wr_dag_link_bytes(const struct wr_cid *cid, size_t name_n,
                         uint64_t tsize)
{
    uint8_t bytes[WR_CID_BIN_MAX];
    const size_t body =
        link_body_bytes(wr_cid_encode(cid, bytes), name_n, tsize);

    return 1 + wr_varint_size(body) + body;
}

void wr_dag_write_data_head(struct wr_writer *w, size_t n)
{
    wr_write_u8(w, TAG_DATA);
    wr_write_varint(w, n);
}
