/* The public header alone, the shared library alone: what a user of libwreath
 * has. Compiled as C here, and as C++ by a test of its own. */
#include <wreath/wreath.h>

#include <stdio.h>
#include <string.h>

static int failed;

static void expect(bool ok, const char *what)
{
    printf("%s - %s\n", ok ? "ok" : "not ok", what);
    failed += !ok;
}

int main(void)
{
    wreath_options options;
    wreath_error error;
    wreath *w = NULL;

    memset(&options, 0, sizeof(options));
    options.dir = "/nonexistent/wreath";
    printf("1..5\n");
    expect(wreath_open(&options, &w, &error) == WREATH_ENOTFOUND,
           "no identity is not found");
    expect(w == NULL, "a failure leaves the handle untouched");
    expect(error.code == WREATH_ENOTFOUND && strlen(error.text) > 20,
           "an error has words");
    expect(wreath_exit_status(WREATH_EUNREACH) == 4 &&
               wreath_exit_status(WREATH_OK) == 0,
           "exit statuses");
    expect(strlen(wreath_version()) >= 5, "a version");
    wreath_close(NULL);
    return failed != 0;
}
