/*
 * objtool - src/object as a small program, for tests against other
 * implementations.
 *
 *     objtool file|program PROFILE HASH CHUNKER BLOCKS   imports stdin
 *     objtool dir PROFILE HASH BLOCKS      makes a directory of the names on
 *                                          stdin, each ended by NUL, each a
 *                                          file that holds its own name
 *     objtool names PROFILE HASH BLOCKS    the same, but keeps no file
 *     objtool link PROFILE HASH TARGET BLOCKS            makes a symbolic link
 *     objtool tree PROFILE HASH DIR BLOCKS imports a directory with all below
 *     objtool cat CID BLOCKS [FROM TO]     writes a file, or a range of it
 *     objtool ls CID BLOCKS                one line for each entry: CID, name
 *     objtool find CID BLOCKS NAME         the CID of one entry
 *
 * The first six print the root's CID. HASH and CHUNKER may be "-", the
 * profile's own. BLOCKS is one file to which blocks are appended, each as four
 * big-endian bytes of length and a CID, the same and the block. Not a tool for
 * users: it stops at the first error and frees little.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object/dirread.h"
#include "object/profile.h"
#include "object/walk.h"

enum { SLOTS = 8 };

static FILE *pack;         /* Of the commands that write. */
static struct wr_span all; /* All blocks, of those that read. */

static void must(enum wr_err err, const char *what)
{
    if (err == WR_OK)
        return;
    fprintf(stderr, "objtool: %s: %s\n", what, wr_err_text(err));
    exit(1);
}

static struct wr_cid cid_of(const char *text)
{
    struct wr_cid cid;

    must(wr_cid_parse(wr_span_str(text), &cid, NULL), text);
    return cid;
}

static void save_span(struct wr_span bytes)
{
    uint8_t head[4];
    struct wr_writer w = wr_writer(head, sizeof(head));

    wr_write_be32(&w, (uint32_t)bytes.n);
    if (fwrite(head, 1, sizeof(head), pack) != sizeof(head) ||
        fwrite(bytes.p, 1, bytes.n, pack) != bytes.n)
        must(WR_EIO, "write");
}

static void save(const struct wr_cid *cid, struct wr_span bytes)
{
    uint8_t name[WR_CID_BIN_MAX];

    save_span(wr_span(name, wr_cid_encode(cid, name)));
    save_span(bytes);
}

static void open_pack(const char *path, bool writes)
{
    FILE *f = fopen(path, writes ? "ab" : "rb");
    uint8_t *p = NULL;
    size_t n = 0, room = 0, got = 1;

    must(f == NULL ? WR_EIO : WR_OK, path);
    if (writes) {
        pack = f;
        return;
    }
    while (got > 0) {
        if (n == room) {
            room = room == 0 ? 1 << 20 : 2 * room;
            p = realloc(p, room);
            must(p == NULL ? WR_ENOMEM : WR_OK, path);
        }
        got = fread(p + n, 1, room - n, f);
        n += got;
    }
    fclose(f);
    all = wr_span(p, n);
}

/* The verified block, among those that were read. */
static struct wr_span load(const struct wr_cid *cid)
{
    struct wr_reader r = wr_reader(all);

    while (r.left > 0 && !r.bad) {
        const struct wr_span name = wr_read(&r, wr_read_be32(&r));
        const struct wr_span block = wr_read(&r, wr_read_be32(&r));
        struct wr_cid is;

        must(wr_cid_decode(name, &is, NULL), "pack");
        if (wr_cid_eq(&is, cid) && wr_cid_matches(cid, block))
            return block;
    }
    must(WR_ENOTFOUND, "block");
    return wr_span(NULL, 0);
}

static void print_root(const struct wr_cid *cid)
{
    char text[WR_CID_TEXT_SIZE];

    wr_cid_print(cid, text);
    puts(text);
}

static void save_popped(struct wr_build *b)
{
    struct wr_block block;

    while (wr_build_pop(b, &block))
        save(&block.cid, block.bytes);
}

/* Cuts, hashes and keeps what stands at the front of the buffer. */
static size_t take_chunk(struct wr_build *b, struct wr_chunker *c,
                         struct wr_span buf, bool eof)
{
    const size_t n = wr_chunker_next(c, buf, eof);
    const struct wr_span chunk = wr_span(buf.p, n);
    struct wr_cid cid;

    if (n == 0)
        return 0;
    cid = wr_cid_of(WR_CODEC_RAW, b->hash, chunk);
    save(&cid, chunk);
    must(wr_build_leaf(b, cid.digest, (uint32_t)n), "leaf");
    save_popped(b);
    return n;
}

static struct wr_tree put_file(const struct wr_profile *profile, FILE *in,
                               bool is_program)
{
    const size_t room = 2 * wr_chunking_max(&profile->chunking);
    uint8_t *buf = malloc(room);
    struct wr_chunker c;
    struct wr_build b;
    struct wr_tree tree;
    size_t have = 0, n;
    bool eof = false;

    must(buf == NULL ? WR_ENOMEM : WR_OK, "buffer");
    wr_chunker_init(&c, &profile->chunking);
    wr_build_init(&b, profile->hash, profile->file_links);
    wr_build_begin(&b, is_program && profile->keeps_mode, WR_MODE_EXECUTABLE);
    while (!eof || have > 0) {
        const size_t got = fread(buf + have, 1, room - have, in);

        have += got;
        eof = have < room;
        while ((n = take_chunk(&b, &c, wr_span(buf, have), eof)) > 0) {
            have -= n;
            memmove(buf, buf + n, have);
        }
    }
    wr_build_end(&b);
    save_popped(&b);
    must(wr_build_root(&b, &tree), "root");
    wr_build_done(&b);
    free(buf);
    return tree;
}

static struct wr_tree finish_dir(struct wr_dir *d)
{
    struct wr_block block;
    struct wr_tree tree;

    must(wr_dir_end(d), "directory");
    while (wr_dir_pop(d, &block))
        save(&block.cid, block.bytes);
    must(wr_dir_root(d, &tree), "root");
    wr_dir_done(d);
    return tree;
}

static void put_dir(const struct wr_profile *profile, bool keeps_files)
{
    char name[WR_DIR_NAME_MAX + 2];
    struct wr_tree tree;
    struct wr_dir d;
    size_t n = 0;
    int c;

    wr_dir_init(&d, profile->hash, profile->dir_block_max);
    while ((c = getchar()) != EOF) {
        const struct wr_span bytes = wr_span(name, n);

        if (c != '\0') {
            must(n > WR_DIR_NAME_MAX ? WR_ETOOBIG : WR_OK, "name");
            name[n++] = (char)c;
            continue;
        }
        tree = (struct wr_tree){
            .cid = wr_cid_of(WR_CODEC_RAW, profile->hash, bytes), .tsize = n};
        if (keeps_files)
            save(&tree.cid, bytes);
        must(wr_dir_add(&d, bytes, &tree), "entry");
        n = 0;
    }
    tree = finish_dir(&d);
    print_root(&tree.cid);
}

static struct wr_tree put_link(const struct wr_profile *profile,
                               const char *target)
{
    uint8_t buf[WR_SYMLINK_BLOCK_MAX];
    struct wr_block block;
    struct wr_tree tree;

    must(wr_symlink(profile->hash, wr_span_str(target), buf, &block, &tree),
         "link");
    save(&block.cid, block.bytes);
    return tree;
}

static struct wr_tree put_tree(const struct wr_profile *profile,
                               const char *path);

static struct wr_tree put_path(const struct wr_profile *profile,
                               const char *path)
{
    char target[WR_SYMLINK_MAX + 1] = {0};
    struct wr_tree tree;
    struct stat st;
    FILE *f;

    must(lstat(path, &st) == 0 ? WR_OK : WR_EIO, path);
    if (S_ISDIR(st.st_mode))
        return put_tree(profile, path);
    if (S_ISLNK(st.st_mode)) {
        must(readlink(path, target, WR_SYMLINK_MAX) > 0 ? WR_OK : WR_EIO, path);
        return put_link(profile, target);
    }
    f = fopen(path, "rb");
    must(f == NULL ? WR_EIO : WR_OK, path);
    tree = put_file(profile, f, (st.st_mode & S_IXUSR) != 0);
    fclose(f);
    return tree;
}

static struct wr_tree put_tree(const struct wr_profile *profile,
                               const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    struct wr_dir d;

    must(dir == NULL ? WR_EIO : WR_OK, path);
    wr_dir_init(&d, profile->hash, profile->dir_block_max);
    while ((e = readdir(dir)) != NULL) {
        const struct wr_span name = wr_span_str(e->d_name);
        char below[4096];
        struct wr_tree tree;

        if (!wr_name_ok(name))
            continue; /* "." and "..". */
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        tree = put_path(profile, below);
        must(wr_dir_add(&d, name, &tree), below);
    }
    closedir(dir);
    return finish_dir(&d);
}

static void cat(const struct wr_cid *root, uint64_t from, uint64_t to)
{
    struct wr_span held[SLOTS] = {0};
    struct wr_walk_piece piece;
    struct wr_walk_want want;
    struct wr_walk w;

    must(wr_walk_init(&w, root, SLOTS, from, to), "walk");
    while (!wr_walk_finished(&w)) {
        while (wr_walk_want(&w, &want)) {
            bool keep;

            held[want.slot] = load(&want.cid);
            must(wr_walk_give(&w, want.slot, held[want.slot], &keep), "file");
        }
        while (wr_walk_take(&w, &piece)) {
            fwrite(held[piece.slot].p + piece.at, 1, piece.n, stdout);
            must(wr_walk_release(&w, piece.slot), "file");
        }
    }
    wr_walk_done(&w);
}

static void ls(const struct wr_cid *root)
{
    const struct wr_cid *want;
    struct wr_dir_item item;
    struct wr_dir_walk w;
    enum wr_err err;

    must(wr_dir_walk_init(&w, root), "walk");
    while ((want = wr_dir_walk_want(&w, 0)) != NULL) {
        const struct wr_span block = load(want);

        must(wr_dir_walk_give(&w, block), "directory");
        while ((err = wr_dir_walk_next(&w, &item)) == WR_OK) {
            char text[WR_CID_TEXT_SIZE];

            wr_cid_print(&item.cid, text);
            printf("%s %.*s\n", text, (int)item.name.n,
                   (const char *)item.name.p);
        }
        must(err == WR_ENOTFOUND ? WR_OK : err, "directory");
    }
    wr_dir_walk_done(&w);
}

static void find(struct wr_cid at, const char *name)
{
    struct wr_dir_item item = {.kind = WR_DIR_SHARD};
    struct wr_dir_find f;

    wr_dir_find_init(&f, wr_span_str(name));
    while (item.kind == WR_DIR_SHARD) {
        const struct wr_span block = load(&at);
        struct wr_node node;

        must(wr_node_decode(&at, block, &node), "directory");
        must(wr_dir_find_step(&f, &node, &item), name);
        at = item.cid;
    }
    print_root(&at);
}

static const char *own(const char *arg)
{
    return strcmp(arg, "-") == 0 ? NULL : arg;
}

static struct wr_profile profile_of(char **argv, const char *chunking)
{
    struct wr_profile profile;

    must(wr_profile_of(argv[2], own(argv[3]), chunking, &profile), "profile");
    return profile;
}

static int close_pack(void)
{
    must(fclose(pack) == 0 ? WR_OK : WR_EIO, "write");
    return 0;
}

static int usage(void)
{
    fputs("usage: see the top of objtool.c\n", stderr);
    return 2;
}

static int read_command(char **argv, int argc)
{
    const struct wr_cid cid = cid_of(argv[2]);

    open_pack(argv[3], false);
    if (strcmp(argv[1], "ls") == 0)
        ls(&cid);
    else if (strcmp(argv[1], "find") == 0 && argc == 5)
        find(cid, argv[4]);
    else if (strcmp(argv[1], "cat") == 0 && argc == 6)
        cat(&cid, strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
    else if (strcmp(argv[1], "cat") == 0)
        cat(&cid, 0, UINT64_MAX);
    else
        return usage();
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc < 4 ? "" : argv[1];
    struct wr_profile profile;
    struct wr_tree tree;

    if (argc < 4)
        return usage();
    if (strcmp(what, "cat") == 0 || strcmp(what, "ls") == 0 ||
        strcmp(what, "find") == 0)
        return read_command(argv, argc);
    if (argc < 5)
        return usage();
    open_pack(argv[argc - 1], true);
    if (strcmp(what, "dir") == 0 || strcmp(what, "names") == 0) {
        profile = profile_of(argv, NULL);
        put_dir(&profile, what[0] == 'd');
        return close_pack();
    }
    if (argc != 6)
        return usage();
    if (strcmp(what, "link") == 0) {
        profile = profile_of(argv, NULL);
        tree = put_link(&profile, argv[4]);
    } else if (strcmp(what, "tree") == 0) {
        profile = profile_of(argv, NULL);
        tree = put_tree(&profile, argv[4]);
    } else {
        profile = profile_of(argv, own(argv[4]));
        tree = put_file(&profile, stdin, strcmp(what, "program") == 0);
    }
    print_root(&tree.cid);
    return close_pack();
}
