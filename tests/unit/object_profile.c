/* Profiles: what they are, and what a user may change. */
#include <criterion/criterion.h>

#include "object/profile.h"

Test(object_profile, the_two_that_there_are)
{
    struct wr_profile p = wr_profile_default();

    cr_assert_str_eq(p.name, "wreath");
    cr_assert_eq(p.hash, WR_HASH_BLAKE2B_256);
    cr_assert_eq(p.chunking.kind, WR_CHUNKING_FASTCDC);
    cr_assert_eq(p.chunking.size, 256 << 10);
    cr_assert(p.keeps_mode);

    cr_assert_eq(wr_profile_parse("unixfs-v1-2025", &p), WR_OK);
    cr_assert_eq(p.hash, WR_HASH_SHA2_256);
    cr_assert_eq(p.chunking.kind, WR_CHUNKING_FIXED);
    cr_assert_eq(p.chunking.size, 1 << 20);
    cr_assert_eq(p.file_links, 1024);
    cr_assert_eq(p.dir_block_max, 262144);
    cr_assert(!p.keeps_mode);
}

Test(object_profile, overrides)
{
    struct wr_profile p;

    cr_assert_eq(wr_profile_of(NULL, NULL, NULL, &p), WR_OK);
    cr_assert_str_eq(p.name, "wreath");
    cr_assert_eq(
        wr_profile_of("unixfs-v1-2025", "blake2b-256", "size-4096", &p), WR_OK);
    cr_assert_eq(p.hash, WR_HASH_BLAKE2B_256);
    cr_assert_eq(p.chunking.size, 4096);
    cr_assert_eq(p.dir_block_max, 262144);

    p.name = "untouched";
    cr_assert_eq(wr_profile_of("unixfs-v0-2015", NULL, NULL, &p),
                 WR_EUNSUPPORTED);
    cr_assert_eq(wr_profile_of(NULL, "sha2-512", NULL, &p), WR_EUNSUPPORTED);
    cr_assert_eq(wr_profile_of(NULL, NULL, "rabin", &p), WR_EUNSUPPORTED);
    cr_assert_eq(wr_profile_of(NULL, NULL, "size-1", &p), WR_ETOOBIG);
    cr_assert_str_eq(p.name, "untouched");
}
