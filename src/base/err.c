/* err.c - see err.h. */
#include "base/err.h"

const char *wr_err_text(enum wr_err err)
{
    switch (err) {
    case WR_OK:
        return "done";
#define X(name, code, status, text)                                            \
    case WR_##name:                                                            \
        return text;
        WR_ERR_MAP(X)
#undef X
    }
    return "unknown error";
}

int wr_err_status(enum wr_err err)
{
    switch (err) {
    case WR_OK:
        return 0;
#define X(name, code, status, text)                                            \
    case WR_##name:                                                            \
        return status;
        WR_ERR_MAP(X)
#undef X
    }
    return 1;
}
