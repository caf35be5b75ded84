/* dir.c - reading a stranger's directory, one block or shards of a HAMT: every
 * name that comes out may stand in a directory, comes out once, and is found by
 * whoever looks for it alone. */
#include <stdlib.h>

#include "blocks.h"
#include "object/dirread.h"

enum { NAMES = 256, STEPS = 64 };

struct names {
    struct wr_span v[NAMES];
    size_t n;
};

static void look_up(const struct fuzz_blocks *blocks, const struct wr_cid *root,
                    const struct wr_dir_item *entry)
{
    struct wr_dir_find find;
    struct wr_cid at = *root;

    wr_dir_find_init(&find, entry->name);
    for (unsigned i = 0;; i++) {
        struct wr_dir_item item;
        struct wr_node node;

        WR_CHECK(i < STEPS);
        WR_CHECK(wr_node_decode(&at, fuzz_block(blocks, &at), &node) == WR_OK);
        WR_CHECK(wr_dir_find_step(&find, &node, &item) == entry->cid_err);
        if (entry->cid_err != WR_OK)
            return;
        if (item.kind == WR_DIR_ENTRY) {
            WR_CHECK(wr_span_eq(item.name, entry->name));
            WR_CHECK(wr_cid_eq(&item.cid, &entry->cid));
            return;
        }
        at = item.cid;
    }
}

/* The names of the open block; false at an error. */
static bool read_block(struct wr_dir_walk *w, struct names *names)
{
    struct wr_dir_item item;
    enum wr_err err;

    while ((err = wr_dir_walk_next(w, &item)) == WR_OK) {
        WR_CHECK(item.kind == WR_DIR_ENTRY && wr_name_ok(item.name));
        for (size_t i = 0; i < names->n; i++)
            WR_CHECK(!wr_span_eq(names->v[i], item.name));
        if (names->n < NAMES)
            names->v[names->n++] = item.name;
    }
    WR_CHECK(err == WR_ENOTFOUND || err == WR_EDAMAGED || err == WR_ETOOBIG ||
             err == WR_EUNSUPPORTED);
    return err == WR_ENOTFOUND;
}

/* All of it; false if it is no sound directory. */
static bool read_all(const struct fuzz_blocks *blocks,
                     const struct wr_cid *root, struct names *names)
{
    const struct wr_cid *want;
    struct wr_dir_walk w;
    bool sound = true;

    WR_CHECK(wr_dir_walk_init(&w, root) == WR_OK);
    for (unsigned i = 0; i < STEPS && sound; i++) {
        want = wr_dir_walk_want(&w, 0);
        if (want == NULL)
            break;
        sound = wr_dir_walk_give(&w, fuzz_block(blocks, want)) == WR_OK &&
                read_block(&w, names);
    }
    sound = sound && wr_dir_walk_want(&w, 0) == NULL;
    wr_dir_walk_done(&w);
    return sound;
}

/* Every name alone, once the whole is known to be sound. */
static void find_all(const struct fuzz_blocks *blocks,
                     const struct wr_cid *root)
{
    const struct wr_cid *want;
    struct wr_dir_item item;
    struct wr_dir_walk w;

    WR_CHECK(wr_dir_walk_init(&w, root) == WR_OK);
    while ((want = wr_dir_walk_want(&w, 0)) != NULL) {
        WR_CHECK(wr_dir_walk_give(&w, fuzz_block(blocks, want)) == WR_OK);
        while (wr_dir_walk_next(&w, &item) == WR_OK)
            look_up(blocks, root, &item);
    }
    wr_dir_walk_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);
    struct fuzz_blocks blocks;
    struct names names = {.n = 0};
    struct wr_cid root;

    fuzz_blocks(&f, &blocks);
    root = fuzz_blocks_root(&blocks);
    if (read_all(&blocks, &root, &names))
        find_all(&blocks, &root);
    return 0;
}
