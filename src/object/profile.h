/*
 * profile.h - how content becomes blocks, as one value: equal content under
 * equal profiles has equal CIDs, everywhere.
 *
 *   wreath           BLAKE2b-256, FastCDC of 256 KiB, executables keep a mode
 *   unixfs-v1-2025   SHA2-256, fixed 1 MiB, no mode: what `ipfs add` makes
 *                    under the same name (IPIP-499)
 *
 * Both: CIDv1, raw leaves, 1024 links, HAMT above 262144 bytes. Called by
 * importers and by the command line. Borrowing: values, and static text.
 */
#ifndef WR_OBJECT_PROFILE_H
#define WR_OBJECT_PROFILE_H

#include "object/chunker.h"
#include "object/dir.h"

enum { WR_MODE_EXECUTABLE = 0755 }; /* The only mode that is ever written. */

struct wr_profile {
    const char *name;
    enum wr_hash hash;
    struct wr_chunking chunking;
    uint32_t file_links;
    size_t dir_block_max;
    bool keeps_mode;
};

/* The default one. */
struct wr_profile wr_profile_default(void);

/* WR_EUNSUPPORTED for a name that is not listed above. */
WR_MUST_USE enum wr_err wr_profile_parse(const char *name,
                                         struct wr_profile *ret);

/* A profile with the user's own hash and chunker; each text may be NULL and
 * overrides the profile's. Errors of wr_profile_parse(), wr_hash_parse() and
 * wr_chunking_parse(), in this order. */
WR_MUST_USE enum wr_err wr_profile_of(const char *name, const char *hash,
                                      const char *chunking,
                                      struct wr_profile *ret);

#endif
