/* why.c - see why.h. */
#include "sys/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum wr_err wr_why(struct wr_why *why, enum wr_err err, const char *fmt, ...)
{
    va_list ap;

    if (why == NULL)
        return err;
    why->err = err;
    va_start(ap, fmt);
    (void)vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    return err;
}

enum wr_err wr_err_of_errno(int e)
{
    switch (e) {
    case 0:
        return WR_OK;
    case ENOMEM:
        return WR_ENOMEM;
    case ENOSPC:
    case EDQUOT:
        return WR_EFULL;
    case ENOENT:
    case ENOTDIR:
        return WR_ENOTFOUND;
    case EEXIST:
        return WR_EEXIST;
    case EACCES:
    case EPERM:
    case EROFS:
        return WR_EPERM;
    case EFBIG:
        return WR_ETOOBIG;
    default:
        return WR_EIO;
    }
}

const char *wr_errno_text(int e)
{
    const char *text = strerrordesc_np(e);

    return text != NULL ? text : "unknown error";
}

const char *wr_size_text(uint64_t n, char ret[16])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)n;
    size_t u = 0;

    while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
        v /= 1024;
        u++;
    }
    if (u == 0)
        snprintf(ret, 16, "%u B", (unsigned)n);
    else
        snprintf(ret, 16, v < 10 ? "%.2f %s" : "%.1f %s", v, units[u]);
    return ret;
}
