/*
 * ask.h - a question to the super-peer that runs in this directory, or to the
 * parent of this leaf (host/query.c lists the questions).
 */
#ifndef WR_TOOLS_ASK_H
#define WR_TOOLS_ASK_H

#include <jansson.h>

#include "cli.h"

/* 0 and the answer's JSON in *ret (the caller's), or an exit status: it has
 * been printed why. */
int cli_ask(struct cli *cli, const char *what, const char *arg, json_t **ret);

/* The same, but a failure is told and not printed. */
enum wr_err cli_try(struct cli *cli, const char *what, const char *arg,
                    json_t **ret, struct wr_why *why);

/* An answer, of which other hosts may have said a part: without control
 * characters, which a terminal would obey. Frees `text`; NULL: no JSON. */
json_t *cli_json_read(char *text);

/* Of an answer. What it lacks, for another version gave it, is empty, or 0. */
static inline const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text != NULL ? text : "";
}

static inline uint64_t number_of(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

/* Prints `o` as one line of JSON. */
void cli_json(const json_t *o);

#endif
