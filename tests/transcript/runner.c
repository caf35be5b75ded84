/*
 * runner.c - plays transcripts: scripts of events for one or a few nodes, each
 * followed by everything that the nodes did.
 *
 *     runner [--rewrite] FILE...
 *
 * A file is a list of blocks: commands, one a line, a line `----`, the output,
 * an empty line. Other paragraphs are commentary. Time is virtual, jitter is 0,
 * and request ids are numbered as they appear (#1, #2 ...), so the output is
 * exact.
 * --rewrite writes the files anew with what the nodes do now: read the
 * difference before you commit it. Output is TAP, one line per file.
 *
 *     host NAME HEX...          a host and the positions of its members
 *     cfg KEY=VALUE...          succs, round, rejoin, probe (seconds), roster
 *     node NAME...              these hosts are real; the others are the script
 *     start NAME... : NAME...   the first, real, start a ring of the second
 *     join NAME via NAME...     ... `alone`: may start a ring by itself
 *     from X[.i] to Y[.i] MSG   a message, see deliver()
 *     down X Y, up X Y INC      Y's link to X broke; came up
 *     run SECONDS               nodes tick, and their messages to each other
 *                               arrive after 10 ms
 *     cut NAME... , heal        nobody reaches these but they themselves
 *     next NAME HEX             how NAME would answer NEXT_ASK
 *     leave NAME, stop NAME, kill NAME, admit X Y
 *     show NAME...
 */
#include <stdio.h>
#include <stdlib.h>

#include "script.h"

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, SCRIPT_OUT);

    if (f == NULL || text == NULL)
        script_stop("cannot read", path);
    if (fread(text, 1, SCRIPT_OUT - 1, f) == SCRIPT_OUT - 1)
        script_stop("too long", path);
    fclose(f);
    return text;
}

/* One paragraph of commands, one a line. */
static void commands(const char *from, const char *to)
{
    char *copy = strndup(from, (size_t)(to - from));

    script.text_n = 0;
    script.text[0] = '\0';
    for (char *save = NULL, *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save))
        script_command(line);
    free(copy);
}

/* Appends to `ret` what the file should be. A paragraph that a line `----`
 * ends is commands; what follows up to an empty line is their old output. */
static void play(const char *text, char *ret)
{
    const char *line = text, *paragraph = text;
    char *out = ret;

    script_begin();
    while (*line != '\0') {
        const size_t n = strcspn(line, "\n") + (strchr(line, '\n') != NULL);

        out += sprintf(out, "%.*s", (int)n, line);
        if (strncmp(line, "----\n", 5) == 0) {
            commands(paragraph, line);
            out += sprintf(out, "%s\n", script.text);
            line += 5;
            while (*line != '\n' && *line != '\0')
                line += strcspn(line, "\n") + 1;
            line += *line == '\n';
            paragraph = line;
            continue;
        }
        line += n;
        if (n == 1)
            paragraph = line;
    }
    script_end();
}

static void show_difference(const char *was, const char *is)
{
    unsigned at = 1;

    while (*was == *is && *was != '\0') {
        at += *was == '\n';
        was++;
        is++;
    }
    while (at > 1 && was[-1] != '\n') {
        was--;
        is--;
    }
    printf("# line %u: expected: %.*s\n", at, (int)strcspn(was, "\n"), was);
    printf("# line %u: now:      %.*s\n", at, (int)strcspn(is, "\n"), is);
}

static bool file(const char *path, bool rewrite)
{
    char *text = slurp(path), *now = calloc(1, 4 * SCRIPT_OUT);
    char *was = strdup(text);
    bool same;

    if (now == NULL || was == NULL)
        script_stop("no", "memory");
    play(text, now);
    same = strcmp(was, now) == 0;
    if (!same && rewrite) {
        FILE *f = fopen(path, "w");

        if (f == NULL || fputs(now, f) < 0 || fclose(f) != 0)
            script_stop("cannot write", path);
        same = true;
    } else if (!same) {
        show_difference(was, now);
    }
    free(text);
    free(now);
    free(was);
    return same;
}

int main(int argc, char **argv)
{
    const bool rewrite = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    unsigned n = 0, failed = 0;

    for (int i = rewrite ? 2 : 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        const bool ok = file(argv[i], rewrite);

        failed += !ok;
        printf("%sok %u - %s\n", ok ? "" : "not ", ++n,
               slash == NULL ? argv[i] : slash + 1);
    }
    printf("1..%u\n", n);
    return failed == 0 ? 0 : 1;
}
