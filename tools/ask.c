/* ask.c - see ask.h. */
#include "ask.h"

#include <stdlib.h>
#include <string.h>

#include "leaf.h"

json_t *cli_json_read(char *text)
{
    /* Escapes are how JSON has them. */
    for (char *p = text; (p = strstr(p, "\\u00")) != NULL; p += 4)
        if ((p[4] == '0' || p[4] == '1') && p[5] != '\0')
            memcpy(p + 4, "3f", 2);
    json_t *o = json_loads(text, 0, NULL);

    free(text);
    return o;
}

static enum wr_err parse(char *text, json_t **ret, struct wr_why *why)
{
    *ret = cli_json_read(text);
    if (*ret == NULL)
        return wr_why(why, WR_EFAIL,
                      "the super-peer's answer makes no sense; is it of "
                      "another version?");
    return WR_OK;
}

enum wr_err cli_try(struct cli *cli, const char *what, const char *arg,
                    json_t **ret, struct wr_why *why)
{
    const wreath_options options = {.dir = cli->dir, .timeout_ms = 10000};
    wreath_error error;
    wreath *w;
    char *text;

    wreath_code code = wreath_open(&options, &w, &error);
    if (code == WREATH_OK) {
        code = wreath_query(w, what, arg, &text, &error);
        wreath_close(w);
    }
    if (code != WREATH_OK)
        return wr_why(why, (enum wr_err)code, "%s", error.text);
    return parse(text, ret, why);
}

int cli_ask(struct cli *cli, const char *what, const char *arg, json_t **ret)
{
    struct wr_why why;

    if (cli_try(cli, what, arg, ret, &why) != WR_OK)
        return cli_fail(cli, &why);
    return 0;
}

void cli_json(const json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
}
