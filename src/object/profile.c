/* profile.c - see profile.h. */
#include "object/profile.h"

static const struct wr_profile profiles[] = {
    {.name = "wreath",
     .hash = WR_HASH_BLAKE2B_256,
     .chunking = {WR_CHUNKING_FASTCDC, WR_CHUNK_AVG},
     .file_links = WR_FILE_LINKS,
     .dir_block_max = WR_DIR_BLOCK_MAX,
     .keeps_mode = true},
    {.name = "unixfs-v1-2025",
     .hash = WR_HASH_SHA2_256,
     .chunking = {WR_CHUNKING_FIXED, 1 << 20},
     .file_links = WR_FILE_LINKS,
     .dir_block_max = WR_DIR_BLOCK_MAX,
     .keeps_mode = false},
};

struct wr_profile wr_profile_default(void)
{
    return profiles[0];
}

enum wr_err wr_profile_parse(const char *name, struct wr_profile *ret)
{
    for (size_t i = 0; i < WR_ARRAY_LEN(profiles); i++) {
        if (strcmp(name, profiles[i].name) == 0) {
            *ret = profiles[i];
            return WR_OK;
        }
    }
    return WR_EUNSUPPORTED;
}

enum wr_err wr_profile_of(const char *name, const char *hash,
                          const char *chunking, struct wr_profile *ret)
{
    struct wr_profile p = wr_profile_default();
    enum wr_err err = WR_OK;

    if (name != NULL)
        err = wr_profile_parse(name, &p);
    if (err == WR_OK && hash != NULL)
        err = wr_hash_parse(hash, &p.hash);
    if (err == WR_OK && chunking != NULL)
        err = wr_chunking_parse(chunking, &p.chunking);
    if (err == WR_OK)
        *ret = p;
    return err;
}
