/* hostkit.h - what tests of a host's files share: a directory. */
#ifndef TESTS_HOSTKIT_H
#define TESTS_HOSTKIT_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/home.h"
#include "crypto/secret.h"
#include "sys/fs.h"

static char dir[64];
static struct wr_why why;

static void setup(void)
{
    cr_assert_eq(wr_crypto_init(), WR_OK);
    strcpy(dir, "/tmp/wreath-host-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    char command[96];

    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

static void write_in(const char *name, const char *text)
{
    char path[WR_HOME_PATH_MAX];

    wr_home_path(dir, name, path);
    cr_assert_eq(wr_file_write(path, 0600, wr_span_str(text), &why), WR_OK);
}

#endif
