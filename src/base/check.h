/*
 * check.h - assertions that stay on in release builds.
 *
 * WR_CHECK states what a programmer promised. It is never applied to a peer's
 * bytes, to a file's content or to a user's input: those are answered, counted
 * or refused. A failed check prints the expression and aborts.
 */
#ifndef WR_BASE_CHECK_H
#define WR_BASE_CHECK_H

#undef NDEBUG
#include <assert.h>

#define WR_CHECK(expr) assert(expr)
#define WR_UNREACHABLE()                                                       \
    do {                                                                       \
        assert(0 && "unreachable");                                            \
        __builtin_unreachable();                                               \
    } while (0)

#define WR_MUST_USE __attribute__((warn_unused_result))
#define WR_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
