/* usage.c - see usage.h. */
#include "sys/usage.h"

#include <string.h>

enum { COLUMNS = 80 };

/* One way to call it; what is too long goes on below its second word. */
static const char *one_way(FILE *to, size_t at, const char *usage)
{
    const size_t indent = at + 1 + strcspn(usage, " \n");

    while (*usage != '\0' && *usage != '\n') {
        const size_t n =
            usage[0] == '[' ? strcspn(usage, "]") + 1 : strcspn(usage, " \n");

        if (at + 1 + n >= COLUMNS) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
        }
        fprintf(to, " %.*s", (int)n, usage);
        at += 1 + n;
        usage += n;
        usage += *usage == ' ';
    }
    fputc('\n', to);
    return usage + (*usage == '\n');
}

void wr_usage_print(FILE *to, const char *program, const char *usage)
{
    const char *head = "usage:";

    while (*usage != '\0') {
        fprintf(to, "%-6s %s", head, program);
        usage = one_way(to, sizeof("usage:") + strlen(program), usage);
        head = "";
    }
}
