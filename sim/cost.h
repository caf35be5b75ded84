/*
 * cost.h - what a message, and a link, cost on the wire: the bytes that
 * src/net would hand to the kernel, and the headers of TCP and IPv4.
 *
 * Each message is counted as if it were sent alone: the daemon puts what it
 * sends in one turn of its loop into one record, so this is a little more than
 * it needs. Acknowledgements without data are not counted: mostly the answer
 * carries them. Nor are the CARDs that introduce the hosts that a message
 * mentions, once per link and host.
 */
#ifndef WR_SIM_COST_H
#define WR_SIM_COST_H

#include "crypto/credential.h"
#include "crypto/noise.h"
#include "wire/codec.h"
#include "wire/frame.h"

enum {
    WR_COST_SEGMENT = 20 + 20, /* IPv4 and TCP, each without options. */
    /* Ethernet's 1,500 without those and TCP's 12 bytes of time stamps. */
    WR_COST_SEGMENT_DATA = 1448,
    WR_COST_RECORD = 2 + WR_NOISE_TAG, /* net/impl.h: RECORD_HEAD. */
    WR_COST_BODY_INLINE = 16 << 10,    /* net/impl.h: BODY_INLINE. */
    WR_COST_PORT = 4077,               /* Every host's: the daemon's own. */
    WR_COST_CRED = WR_CRED_BYTES_MIN,  /* Of a host without a site. */

    /* XXpsk0 (net/shake.c): e and a tag; e, s and two tags; s and two tags. */
    WR_COST_SHAKE_1 = 2 + 32 + WR_NOISE_TAG,
    WR_COST_SHAKE_2 = 2 + 32 + 32 + 2 * WR_NOISE_TAG + WR_COST_CRED,
    WR_COST_SHAKE_3 = 2 + 32 + 2 * WR_NOISE_TAG + WR_COST_CRED,
};

/* `n` bytes that TCP has to carry. */
static inline uint64_t wr_cost_tcp(uint64_t n)
{
    return n + (n + WR_COST_SEGMENT_DATA - 1) / WR_COST_SEGMENT_DATA *
                   WR_COST_SEGMENT;
}

/* A message with its body. */
uint64_t wr_cost_message(const struct wr_msg *m);

/* Setting a link up: what the dialling side sends (SYN, ACK, messages 1 and 3,
 * HELLO), and the other (SYN-ACK, message 2, HELLO). */
uint64_t wr_cost_dial(void);
uint64_t wr_cost_accept(void);

#endif
