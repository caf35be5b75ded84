/* addr.c - see addr.h. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool wr_addr_is_v4(const struct wr_addr *a)
{
    return memcmp(a->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool wr_addr_is_any(const struct wr_addr *a)
{
    static const uint8_t zeros[16];
    const size_t skip = wr_addr_is_v4(a) ? sizeof(v4_prefix) : 0;

    return memcmp(a->ip + skip, zeros, sizeof(zeros) - skip) == 0;
}

/* Digits alone, 0 to 65535: strtoul would take signs and spaces. */
static bool parse_port(const char *text, uint16_t *ret)
{
    unsigned v = 0;

    if (*text == '\0' || strlen(text) > 5)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        v = v * 10 + (unsigned)(*text - '0');
    }
    if (v > UINT16_MAX)
        return false;
    *ret = (uint16_t)v;
    return true;
}

/* Splits "host:port" and "[host]:port"; the host alone goes to `host`. */
static bool split(const char *text, char *host, size_t room, const char **port)
{
    const char *end;
    size_t n;

    if (*text == '[') {
        text++;
        end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return false;
        *port = end[1] == ':' ? end + 2 : NULL;
    } else {
        end = strchr(text, ':');
        *port = end != NULL ? end + 1 : NULL;
        if (end == NULL)
            end = text + strlen(text);
        else if (strchr(end + 1, ':') != NULL)
            return false; /* IPv6 wants its brackets. */
    }
    n = (size_t)(end - text);
    if (n == 0 || n >= room)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    return true;
}

enum wr_err wr_addr_split(const char *text, uint16_t port,
                          char host[static WR_ADDR_NAME], uint16_t *ret_port)
{
    const char *digits;

    if (!split(text, host, WR_ADDR_NAME, &digits))
        return WR_EINVAL;
    if (digits != NULL && !parse_port(digits, &port))
        return WR_EINVAL;
    *ret_port = port;
    return WR_OK;
}

enum wr_err wr_addr_parse(const char *text, uint16_t port, struct wr_addr *ret)
{
    char host[WR_ADDR_NAME];
    struct wr_addr a = {0};
    const enum wr_err err = wr_addr_split(text, port, host, &a.port);

    if (err != WR_OK)
        return err;
    if (*text == '[') {
        if (inet_pton(AF_INET6, host, a.ip) != 1)
            return WR_EINVAL;
    } else {
        memcpy(a.ip, v4_prefix, sizeof(v4_prefix));
        if (inet_pton(AF_INET, host, a.ip + sizeof(v4_prefix)) != 1)
            return WR_EINVAL;
    }
    *ret = a;
    return WR_OK;
}

const char *wr_addr_text(const struct wr_addr *a, char ret[static WR_ADDR_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    const bool v4 = wr_addr_is_v4(a);

    (void)inet_ntop(v4 ? AF_INET : AF_INET6,
                    v4 ? a->ip + sizeof(v4_prefix) : a->ip, ip, sizeof(ip));
    (void)snprintf(ret, WR_ADDR_TEXT, v4 ? "%s:%u" : "[%s]:%u", ip,
                   (unsigned)a->port);
    return ret;
}

void wr_addr_to_socket(const struct wr_addr *a, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (wr_addr_is_v4(a)) {
        struct sockaddr_in *const v4 = (struct sockaddr_in *)(void *)ret;

        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        memcpy(&v4->sin_addr, a->ip + sizeof(v4_prefix), 4);
    } else {
        struct sockaddr_in6 *const v6 = (struct sockaddr_in6 *)(void *)ret;

        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(a->port);
        memcpy(&v6->sin6_addr, a->ip, 16);
    }
}

void wr_addr_of_socket(const struct sockaddr *sa, struct wr_addr *ret)
{
    *ret = (struct wr_addr){0};
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *const v4 = (const void *)sa;

        memcpy(ret->ip, v4_prefix, sizeof(v4_prefix));
        memcpy(ret->ip + sizeof(v4_prefix), &v4->sin_addr, 4);
        ret->port = ntohs(v4->sin_port);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *const v6 = (const void *)sa;

        memcpy(ret->ip, &v6->sin6_addr, 16);
        ret->port = ntohs(v6->sin6_port);
    }
}
