/*
 * address.h - which of its own addresses a machine tells others.
 */
#ifndef WR_HOST_ADDRESS_H
#define WR_HOST_ADDRESS_H

#include "wire/book.h"

enum { WR_PORT_DEFAULT = 4077 };

/* The machine's first address that is neither loopback nor link-local, with
 * `port`; loopback if there is no other. */
struct wr_addr wr_addr_local(uint16_t port);

#endif
