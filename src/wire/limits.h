/*
 * limits.h - every hard cap of the protocol in one place, each with its
 * reason. What is tuned per process (table sizes of a simulated node, pool
 * bytes) is in that module's configuration; nothing there may exceed these.
 */
#ifndef WR_WIRE_LIMITS_H
#define WR_WIRE_LIMITS_H

enum {
    /* Ring. */
    WR_SUCCS_MAX = 32,   /* Longest successor list a peer may send; r is 16. */
    WR_MEMBERS_MAX = 64, /* Members of one host: fits a 6-bit index. */
    WR_COPIES_MAX = 8,   /* Most copies of a chunk; n is 3 by default. */
    WR_SET_MAX = 16,     /* Hosts named as a replica set: n and spares. */
    WR_HOPS_MAX = 64,    /* Time-to-live: log2 of any ring, many times. */
    WR_NEXT_MAX = 8,     /* Candidates in one NEXT answer. */
    WR_HOSTS_MAX = 4096, /* Super-peers in one book, */
    WR_BOOK_IDS = WR_HOSTS_MAX * 17, /* and members: 17 each by default. */
    WR_READ_HOSTS = 64, /* Hosts that a reader waits for, or names. */

    /* Frames. A header holds at most a full HAVE or roster. */
    WR_HEADER_MAX = 16384,
    WR_BLOCK_READ_MAX = 2097152,  /* Blocks of others: up to 2 MiB. */
    WR_BLOCK_WRITE_MAX = 1048576, /* Blocks that wreath makes: 1 MiB. */
    WR_REPORT_MAX = 1048576,      /* A status report as JSON. */

    /* Data. */
    WR_HAVE_MAX = 128,        /* Digests in one HAVE: 4 KiB, one batch. */
    WR_SYNC_BYTES = 4096,     /* Of a SYNCED's list: 85 items, 128 put ids. */
    WR_ROSTER_MAX = 64,       /* Hosts in one roster message. */
    WR_ROOT_RECORD_MAX = 512, /* Bytes of a signed root record. */
    WR_CREDENTIAL_MAX = 384,  /* Bytes of a signed credential. */
    WR_CONTACTS_MAX = 16,     /* Alternates a leaf is told of. */
    WR_FAREWELL_MAX = 256,    /* Bytes of a signed farewell. */
    WR_SEALED_MAX = 512,      /* A sealed request to join. */
    WR_REVOKED_MAX = 65536,   /* The signed revocation list. */

    /* Links. A member needs one round trip to send a valid first message, and
     * is in the second pool from then on; a school's 300 leaves come from one
     * address. */
    WR_HALF_OPEN_MAX = 256,
    WR_HALF_OPEN_MS = 5000,
    WR_HALF_KNOWN_MAX = 1024,
    WR_HALF_KNOWN_MS = 10000,
    WR_KNOCKS_PER_S = 20,  /* Of one address, before a valid message. */
    WR_KNOCKS_BURST = 128, /* A whole ring on one machine starts at once. */
    WR_KNOCKS_NET = 4,     /* A /24 or /48 may as much as so many addresses. */
    WR_LINK_LINGER_MS = 2000,
    WR_LINK_SILENT_MS = 20000, /* Unacknowledged bytes: TCP_USER_TIMEOUT. */
    /* A frame that has begun, and bytes that a peer has not taken yet, hold
     * buffers that others wait for: who is slower than this, in bytes a second
     * after a silence, is cut off. A modem of 56 kbit/s is not. */
    WR_LINK_FLOOR = 4096,
    WR_LINK_IDLE_S = 60, /* Then the kernel asks whether the peer is there. */
    WR_LINK_ASK_S = 10,  /* Again, until WR_LINK_SILENT_MS are over. */
    WR_LINK_FDS_RESERVE = 64, /* Descriptors that are not for links. */

    /* Words for people, and words of a query. */
    WR_NAME_MAX = 64,
    WR_WORDS_MAX = 400,
    WR_ARGUMENT_MAX = 4096,
};

#endif
