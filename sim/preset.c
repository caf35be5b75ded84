/* preset.c - see preset.h. */
#include "preset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sys/fs.h"

enum { FILE_MAX_BYTES = 1 << 20 };

const char *wr_preset_summary(const struct wr_preset *p, char ret[128])
{
    const char *from = p->text + strspn(p->text, "; ");

    snprintf(ret, 128, "%.*s", (int)strcspn(from, "\n"), from);
    return ret;
}

static enum wr_err none_such(const char *name, struct wr_why *why)
{
    struct wr_text_guess g = {.name = name};

    for (size_t i = 0; i < wr_presets_n; i++)
        wr_text_offer(&g, wr_presets[i].name);
    if (g.distance <= strlen(name) / 2)
        return wr_why(why, WR_ENOTFOUND,
                      "there is no preset or file '%s'; did you mean '%s'?",
                      name, g.best);
    return wr_why(why, WR_ENOTFOUND,
                  "there is no preset or file '%s'; 'wreath-sim list' lists "
                  "the presets",
                  name);
}

/* "a/burn.ini" is called burn. */
static void name_after(struct wr_scenario *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    const size_t n =
        dot != NULL && dot > base ? (size_t)(dot - base) : strlen(base);

    snprintf(s->name, sizeof(s->name), "%.*s", (int)n, base);
}

enum wr_err wr_scenario_load(struct wr_scenario *s, const char *name,
                             struct wr_why *why)
{
    uint8_t *text;
    size_t n;

    wr_scenario_init(s);
    for (size_t i = 0; i < wr_presets_n; i++)
        if (strcmp(wr_presets[i].name, name) == 0) {
            snprintf(s->name, sizeof(s->name), "%s", name);
            return wr_scenario_read(s, name, wr_presets[i].text, why);
        }
    enum wr_err err = wr_file_read(name, FILE_MAX_BYTES, why, &text, &n);
    if (err == WR_ENOTFOUND)
        return none_such(name, why);
    if (err != WR_OK)
        return err;
    name_after(s, name);
    err = memchr(text, '\0', n) != NULL
              ? wr_why(why, WR_EINVAL, "%s is no text", name)
              : wr_scenario_read(s, name, (const char *)text, why);
    free(text);
    return err;
}
