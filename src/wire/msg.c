/* msg.c - see msg.h. */
#include "wire/msg.h"

#include <assert.h>

#define X(name, number, leaf, bulk)                                            \
    static_assert((number) < WR_MSG_KINDS, #name " counts");
WR_MSG_MAP(X)
#undef X

const char *wr_msg_name(unsigned kind)
{
    switch (kind) {
#define X(name, number, leaf, bulk)                                            \
    case number:                                                               \
        return #name;
        WR_MSG_MAP(X)
#undef X
    default:
        return "?";
    }
}

bool wr_msg_known(unsigned kind)
{
    return wr_msg_name(kind)[0] != '?';
}

bool wr_msg_from_leaf(unsigned kind)
{
    switch (kind) {
#define X(name, number, leaf, bulk)                                            \
    case number:                                                               \
        return leaf;
        WR_MSG_MAP(X)
#undef X
    default:
        return false;
    }
}

bool wr_msg_bulk(unsigned kind)
{
    switch (kind) {
#define X(name, number, leaf, bulk)                                            \
    case number:                                                               \
        return bulk;
        WR_MSG_MAP(X)
#undef X
    default:
        return false;
    }
}

uint8_t wr_msg_answer(unsigned kind)
{
    switch (kind) {
    case WR_MSG_HAVE:
        return WR_MSG_HAD;
    case WR_MSG_PUT:
        return WR_MSG_PUT_DONE;
    case WR_MSG_GET:
        return WR_MSG_DATA;
    case WR_MSG_ROOT_PUT:
        return WR_MSG_ROOT_DONE;
    case WR_MSG_ROOT_GET:
        return WR_MSG_ROOT;
    case WR_MSG_SYNC:
        return WR_MSG_SYNCED;
    case WR_MSG_QUERY:
        return WR_MSG_REPORT;
    default:
        return 0;
    }
}

const char *wr_status_name(unsigned status)
{
    switch (status) {
#define X(name, number)                                                        \
    case number:                                                               \
        return #name;
        WR_STATUS_MAP(X)
#undef X
    default:
        return "?";
    }
}
