/* client_bed.c - see client_bed.h. */
#include "client_bed.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"

struct bed bed;

void bed_open(void)
{
    wreath_options o = {.dir = bed.home, .timeout_ms = 1500};

    signal(SIGPIPE, SIG_IGN);
    umask(022);
    strcpy(bed.dir, "/tmp/wreath-client-XXXXXX");
    cr_assert_not_null(mkdtemp(bed.dir));
    snprintf(bed.home, sizeof(bed.home), "%s/home", bed.dir);
    parent_identity(bed.home, WR_ROLE_LEAF);
    bed.parent = parent_start(bed.home);
    cr_assert_eq(wreath_open(&o, &bed.w, &bed.error), WREATH_OK, "%s",
                 bed.error.text);
}

void bed_close(void)
{
    char command[128];

    wreath_close(bed.w);
    parent_stop(bed.parent);
    snprintf(command, sizeof(command), "rm -rf %s", bed.dir);
    cr_assert_eq(system(command), 0);
}

const char *at(const char *name)
{
    static char path[8][256];
    static unsigned i;

    i = (i + 1) % 8;
    snprintf(path[i], sizeof(path[i]), "%s/%s", bed.dir, name);
    return path[i];
}

uint8_t *noise(size_t n, uint64_t seed)
{
    struct wr_rng rng = {seed};
    uint8_t *p = malloc(n + 1);

    wr_rng_fill(&rng, p, n);
    return p;
}

void write_file(const char *path, const void *p, size_t n, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

    cr_assert(fd >= 0, "%s", path);
    cr_assert_eq(write(fd, p, n), (ssize_t)n);
    close(fd);
}

void expect_ok(wreath_code code)
{
    cr_assert_eq(code, WREATH_OK, "%s", bed.error.text);
}

void expect_error(wreath_code code, wreath_code expected)
{
    cr_assert_eq(code, expected, "%d: %s", code, bed.error.text);
    cr_assert(code == WREATH_OK || strlen(bed.error.text) > 10);
}

int shell(const char *fmt, const char *a, const char *b)
{
    char command[600];

    const char *p = fmt;
    size_t n = 0;

    /* %s twice: the words of this file alone. */
    for (unsigned i = 0; *p != '\0' && n + 1 < sizeof(command);) {
        if (p[0] == '%' && p[1] == 's') {
            n += (size_t)snprintf(command + n, sizeof(command) - n, "%s",
                                  i++ == 0 ? a : b);
            p += 2;
        } else {
            command[n++] = *p++;
        }
    }
    command[n] = '\0';
    return system(command);
}

bool nothing_left(void)
{
    return shell("test -z \"$(find %s -name '*wreath-part*')\"%s", bed.dir,
                 "") == 0;
}
