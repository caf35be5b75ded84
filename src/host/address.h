/*
 * address.h - the addresses that the settings name, and which of its own a
 * machine tells others.
 */
#ifndef WR_HOST_ADDRESS_H
#define WR_HOST_ADDRESS_H

#include "host/config.h"
#include "sys/why.h"
#include "wire/book.h"

enum { WR_PORT_DEFAULT = 4077 };

/* The machine's first address that is neither loopback nor link-local, with
 * `port`; loopback if there is no other. */
struct wr_addr wr_addr_local(uint16_t port);

/* The settings `listen`, and `advertise` (all zero if it is empty). WR_EINVAL:
 * one of them is no address. */
WR_MUST_USE enum wr_err wr_addr_settings(const struct wr_config *config,
                                         struct wr_addr *ret_listen,
                                         struct wr_addr *ret_advertise,
                                         struct wr_why *why);

#endif
