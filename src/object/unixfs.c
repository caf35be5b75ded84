/* unixfs.c - see unixfs.h. */
#include "object/unixfs.h"

enum {
    FIELD_TYPE = 1,
    FIELD_DATA,
    FIELD_FILESIZE,
    FIELD_BLOCKSIZE,
    FIELD_HASH_TYPE,
    FIELD_FANOUT,
    FIELD_MODE,
    FIELD_MTIME,
};

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct field {
    uint64_t number;
    unsigned wire;
    uint64_t value;       /* WIRE_VARINT. */
    struct wr_span bytes; /* All others. */
};

static bool read_field(struct wr_reader *r, struct field *ret)
{
    const uint64_t tag = wr_read_varint(r);
    struct field f = {.number = tag >> 3, .wire = (unsigned)(tag & 7)};

    if (f.wire == WIRE_VARINT) {
        f.value = wr_read_varint(r);
    } else if (f.wire == WIRE_64) {
        f.bytes = wr_read(r, 8);
    } else if (f.wire == WIRE_32) {
        f.bytes = wr_read(r, 4);
    } else if (f.wire == WIRE_BYTES) {
        const uint64_t n = wr_read_varint(r);

        f.bytes = wr_read(r, n > r->left ? SIZE_MAX : (size_t)n);
    } else {
        return false;
    }
    if (r->bad || f.number == 0)
        return false;
    *ret = f;
    return true;
}

/* UnixTime { int64 Seconds = 1; fixed32 FractionalNanoseconds = 2 } */
static bool read_mtime(struct wr_span in, struct wr_unixfs *u)
{
    struct wr_reader r = wr_reader(in);
    bool has_seconds = false;
    struct field f;

    while (r.left > 0) {
        if (!read_field(&r, &f))
            return false;
        if (f.number == 1 && f.wire == WIRE_VARINT) {
            has_seconds = true;
            u->mtime_s = (int64_t)f.value;
        } else if (f.number == 2 && f.wire == WIRE_32) {
            u->mtime_ns = (uint32_t)f.bytes.p[0] | (uint32_t)f.bytes.p[1] << 8 |
                          (uint32_t)f.bytes.p[2] << 16 |
                          (uint32_t)f.bytes.p[3] << 24;
        } else {
            return false;
        }
    }
    return has_seconds && u->mtime_ns < 1000000000;
}

/* True once: a field given twice would mean different things to different
 * readers. */
static bool first(bool *has)
{
    const bool is_first = !*has;

    *has = true;
    return is_first;
}

static enum wr_err take_field(struct wr_unixfs *u, const struct field *f,
                              bool *has_type)
{
    const bool is_bytes = f->number == FIELD_DATA || f->number == FIELD_MTIME;
    bool ok = true;

    if (f->number > FIELD_MTIME)
        return WR_OK;
    if (f->wire != (is_bytes ? WIRE_BYTES : WIRE_VARINT))
        return WR_EDAMAGED;
    switch (f->number) {
    case FIELD_TYPE:
        if (f->value > WR_UNIXFS_HAMT_SHARD)
            return WR_EUNSUPPORTED;
        ok = first(has_type);
        u->type = (enum wr_unixfs_type)f->value;
        break;
    case FIELD_DATA:
        ok = first(&u->has_data);
        u->data = f->bytes;
        break;
    case FIELD_FILESIZE:
        ok = first(&u->has_filesize);
        u->filesize = f->value;
        break;
    case FIELD_BLOCKSIZE:
        u->n_blocksizes++;
        break;
    case FIELD_HASH_TYPE:
        ok = first(&u->has_hash_type);
        u->hash_type = f->value;
        break;
    case FIELD_FANOUT:
        ok = first(&u->has_fanout);
        u->fanout = f->value;
        break;
    case FIELD_MODE:
        ok = first(&u->has_mode) && f->value <= UINT32_MAX;
        u->mode = (uint32_t)f->value;
        break;
    case FIELD_MTIME:
        ok = first(&u->has_mtime) && read_mtime(f->bytes, u);
        break;
    default:
        WR_UNREACHABLE();
    }
    return ok ? WR_OK : WR_EDAMAGED;
}

enum wr_err wr_unixfs_decode(struct wr_span data, struct wr_unixfs *ret)
{
    struct wr_reader r = wr_reader(data);
    struct wr_unixfs u = {.self = data};
    bool has_type = false;
    struct field f;

    while (r.left > 0) {
        enum wr_err err;

        if (!read_field(&r, &f))
            return WR_EDAMAGED;
        err = take_field(&u, &f, &has_type);
        if (err != WR_OK)
            return err;
    }
    if (!has_type)
        return WR_EDAMAGED;
    *ret = u;
    return WR_OK;
}

struct wr_reader wr_unixfs_blocksizes(const struct wr_unixfs *u)
{
    return wr_reader(u->self);
}

bool wr_unixfs_next_blocksize(struct wr_reader *it, uint64_t *ret)
{
    struct field f;

    while (it->left > 0 && read_field(it, &f)) {
        if (f.number == FIELD_BLOCKSIZE) {
            *ret = f.value;
            return true;
        }
    }
    return false;
}

static void write_number(struct wr_writer *w, unsigned field, uint64_t value)
{
    wr_write_varint(w, field << 3 | WIRE_VARINT);
    wr_write_varint(w, value);
}

static size_t number_bytes(bool has, uint64_t value)
{
    return has ? 1 + wr_varint_size(value) : 0;
}

static size_t mtime_bytes(const struct wr_unixfs *u)
{
    return 1 + wr_varint_size((uint64_t)u->mtime_s) +
           (u->mtime_ns == 0 ? 0 : 5);
}

static size_t message_bytes(const struct wr_unixfs *u,
                            const uint64_t *blocksizes)
{
    size_t n = 2; /* Type is one small varint. */

    if (u->has_data)
        n += 1 + wr_varint_size(u->data.n) + u->data.n;
    n += number_bytes(u->has_filesize, u->filesize);
    for (size_t i = 0; i < u->n_blocksizes; i++)
        n += number_bytes(true, blocksizes[i]);
    n += number_bytes(u->has_hash_type, u->hash_type);
    n += number_bytes(u->has_fanout, u->fanout);
    n += number_bytes(u->has_mode, u->mode);
    if (u->has_mtime)
        n += 2 + mtime_bytes(u);
    return n;
}

static void write_mtime(struct wr_writer *w, const struct wr_unixfs *u)
{
    wr_write_varint(w, FIELD_MTIME << 3 | WIRE_BYTES);
    wr_write_varint(w, mtime_bytes(u));
    write_number(w, 1, (uint64_t)u->mtime_s);
    if (u->mtime_ns == 0)
        return;
    wr_write_varint(w, 2 << 3 | WIRE_32);
    for (unsigned i = 0; i < 4; i++)
        wr_write_u8(w, (uint8_t)(u->mtime_ns >> (8 * i)));
}

void wr_unixfs_write(struct wr_writer *w, const struct wr_unixfs *u,
                     const uint64_t *blocksizes)
{
    wr_dag_write_data_head(w, message_bytes(u, blocksizes));
    write_number(w, FIELD_TYPE, u->type);
    if (u->has_data) {
        wr_write_varint(w, FIELD_DATA << 3 | WIRE_BYTES);
        wr_write_varint(w, u->data.n);
        wr_write(w, u->data.p, u->data.n);
    }
    if (u->has_filesize)
        write_number(w, FIELD_FILESIZE, u->filesize);
    for (size_t i = 0; i < u->n_blocksizes; i++)
        write_number(w, FIELD_BLOCKSIZE, blocksizes[i]);
    if (u->has_hash_type)
        write_number(w, FIELD_HASH_TYPE, u->hash_type);
    if (u->has_fanout)
        write_number(w, FIELD_FANOUT, u->fanout);
    if (u->has_mode)
        write_number(w, FIELD_MODE, u->mode);
    if (u->has_mtime)
        write_mtime(w, u);
}

/* A part of a file: as many sizes as links, and a sum that is what it says.
 * Parts of no bytes are refused: with them a small block could stand for
 * endless walking without a byte of content. */
static enum wr_err check_file(struct wr_node *node)
{
    struct wr_reader it = wr_unixfs_blocksizes(&node->fs);
    uint64_t sum = node->data.n;
    uint64_t size;

    if (node->fs.n_blocksizes != node->dag.n_links)
        return WR_EDAMAGED;
    while (wr_unixfs_next_blocksize(&it, &size)) {
        if (size == 0 || size > UINT64_MAX - sum)
            return WR_EDAMAGED;
        sum += size;
    }
    if (node->fs.has_filesize && node->fs.filesize != sum)
        return WR_EDAMAGED;
    node->size = sum;
    return WR_OK;
}

static enum wr_err check_shard(const struct wr_node *node)
{
    const uint64_t fanout = node->fs.fanout;

    if (!node->fs.has_fanout || !node->fs.has_hash_type)
        return WR_EDAMAGED;
    if (node->fs.hash_type != WR_HASH_MURMUR3_X64_64)
        return WR_EUNSUPPORTED;
    if (fanout < WR_HAMT_FANOUT_MIN || fanout > WR_HAMT_FANOUT_MAX ||
        (fanout & (fanout - 1)) != 0)
        return WR_EDAMAGED;
    if (node->data.n > fanout / 8 || node->dag.n_links > fanout)
        return WR_EDAMAGED;
    return WR_OK;
}

static enum wr_err classify(struct wr_node *node)
{
    node->data = node->fs.data;
    switch (node->fs.type) {
    case WR_UNIXFS_RAW:
    case WR_UNIXFS_FILE:
        node->kind = WR_NODE_FILE;
        return check_file(node);
    case WR_UNIXFS_DIRECTORY:
        node->kind = WR_NODE_DIR;
        return node->fs.n_blocksizes == 0 ? WR_OK : WR_EDAMAGED;
    case WR_UNIXFS_SYMLINK:
        node->kind = WR_NODE_SYMLINK;
        return node->dag.n_links == 0 && node->data.n > 0 ? WR_OK : WR_EDAMAGED;
    case WR_UNIXFS_HAMT_SHARD:
        node->kind = WR_NODE_SHARD;
        return check_shard(node);
    case WR_UNIXFS_METADATA:
        return WR_EUNSUPPORTED;
    }
    WR_UNREACHABLE();
}

enum wr_err wr_node_decode(const struct wr_cid *cid, struct wr_span block,
                           struct wr_node *ret)
{
    struct wr_node node = {0};
    enum wr_err err;

    if (block.n > WR_DAG_READ_MAX)
        return WR_ETOOBIG;
    if (cid->codec == WR_CODEC_RAW) {
        *ret = (struct wr_node){.kind = WR_NODE_FILE,
                                .data = block,
                                .size = block.n,
                                .is_raw = true};
        return WR_OK;
    }
    if (cid->codec != WR_CODEC_DAG_PB)
        return WR_EUNSUPPORTED;
    err = wr_dag_decode(block, &node.dag);
    if (err != WR_OK)
        return err;
    if (!node.dag.has_data)
        return WR_EUNSUPPORTED; /* Bare dag-pb: sound, but no file. */
    err = wr_unixfs_decode(node.dag.data, &node.fs);
    if (err == WR_OK)
        err = classify(&node);
    if (err == WR_OK)
        *ret = node;
    return err;
}
