/* address.c - see address.h. */
#include "host/address.h"

#include <ifaddrs.h>
#include <net/if.h>

#include "net/addr.h"

/* Good, better, best: 0 to 2; -1 for one that is of no use to others. */
static int rank(const struct ifaddrs *i)
{
    struct wr_addr a;

    if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 ||
        (i->ifa_flags & IFF_LOOPBACK) != 0)
        return -1;
    if (i->ifa_addr->sa_family == AF_INET)
        return 2;
    if (i->ifa_addr->sa_family != AF_INET6)
        return -1;
    wr_addr_of_socket(i->ifa_addr, &a);
    return a.ip[0] == 0xfe && (a.ip[1] & 0xc0) == 0x80 ? -1 : 1;
}

struct wr_addr wr_addr_local(uint16_t port)
{
    struct wr_addr best = {
        .ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    struct ifaddrs *all = NULL;
    int best_rank = -1;

    if (getifaddrs(&all) == 0) {
        for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
            if (rank(i) > best_rank) {
                best_rank = rank(i);
                wr_addr_of_socket(i->ifa_addr, &best);
            }
        }
        freeifaddrs(all);
    }
    best.port = port;
    return best;
}

enum wr_err wr_addr_settings(const struct wr_config *config,
                             struct wr_addr *ret_listen,
                             struct wr_addr *ret_advertise, struct wr_why *why)
{
    const char *listen = wr_config_text(config, WR_CONFIG_listen);
    const char *advertise = wr_config_text(config, WR_CONFIG_advertise);
    struct wr_addr at, told = {0};

    if (wr_addr_parse(listen, WR_PORT_DEFAULT, &at) != WR_OK)
        return wr_why(why, WR_EINVAL,
                      "listen = %s is no IP address with a port, as "
                      "0.0.0.0:4077",
                      listen);
    if (advertise[0] != '\0' &&
        wr_addr_parse(advertise, WR_PORT_DEFAULT, &told) != WR_OK)
        return wr_why(why, WR_EINVAL,
                      "advertise = %s is no IP address with a port, as "
                      "192.0.2.1:4077",
                      advertise);
    *ret_listen = at;
    *ret_advertise = told;
    return WR_OK;
}
