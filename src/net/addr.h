/*
 * addr.h - addresses as text and as sockets know them. The address itself is
 * the wire's (wire/book.h): IPv6, or IPv4 mapped into it.
 *
 * Not here: names, which take time to resolve (dial.h).
 */
#ifndef WR_NET_ADDR_H
#define WR_NET_ADDR_H

#include <sys/socket.h>

#include "wire/book.h"

/* "[ffff:...:255.255.255.255]:65535" and its NUL. */
enum { WR_ADDR_TEXT = 56, WR_ADDR_NAME = 256 };

/* The host and port of "host", "host:port" or "[address]:port", names too; a
 * port that is missing is `port`. WR_EINVAL. */
WR_MUST_USE enum wr_err wr_addr_split(const char *text, uint16_t port,
                                      char host[static WR_ADDR_NAME],
                                      uint16_t *ret_port);

/* "192.0.2.1:7000" or "[2001:db8::1]:7000"; a port that is missing is `port`.
 * WR_EINVAL: anything else, names included. */
WR_MUST_USE enum wr_err wr_addr_parse(const char *text, uint16_t port,
                                      struct wr_addr *ret);

/* Into `ret`, which is returned. */
const char *wr_addr_text(const struct wr_addr *a,
                         char ret[static WR_ADDR_TEXT]);

bool wr_addr_is_v4(const struct wr_addr *a);

/* 0.0.0.0 or [::]: every address of this machine. */
bool wr_addr_is_any(const struct wr_addr *a);

void wr_addr_to_socket(const struct wr_addr *a, struct sockaddr_storage *ret);

/* All zeros for a family that is not the Internet's. */
void wr_addr_of_socket(const struct sockaddr *sa, struct wr_addr *ret);

#endif
