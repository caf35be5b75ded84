/* cli.c - see cli.h. */
#include "cli.h"

#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/log.h"
#include "sys/usage.h"

/* A name in it may hold any bytes; it stays one line. */
static void print_line(const char *text)
{
    for (; *text != '\0'; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text,
              stderr);
    fputc('\n', stderr);
}

static void say(const struct cli *cli, const char *text)
{
    char line[CLI_LINE_MAX];

    fputs("wreath: ", stderr);
    print_line(cli_advice(cli, text, line));
}

void cli_remark(const struct cli *cli, const char *fmt, ...)
{
    char text[CLI_LINE_MAX];
    va_list ap;

    if (cli->quiet)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    print_line(text);
}

int cli_fail(const struct cli *cli, const struct wr_why *why)
{
    const int status = wr_err_status(why->err);
    const char *text = why->text[0] != '\0' ? why->text : wr_err_text(why->err);
    char line[CLI_LINE_MAX];

    say(cli, text);
    if (cli->json) {
        json_t *o =
            json_pack("{s:s, s:s, s:i}", "error", cli_advice(cli, text, line),
                      "kind", wr_err_text(why->err), "status", status);

        if (o != NULL) {
            json_dumpf(o, stdout, JSON_COMPACT);
            putchar('\n');
        }
        json_decref(o);
    }
    return status == 0 ? 1 : status;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < cli_commands_n; i++)
        if (strcmp(cli_commands[i].name, name) == 0)
            return &cli_commands[i];
    return NULL;
}

/* After an error: one line, whatever the command takes. */
static void print_hint(const char *command, const char *usage)
{
    const char *option = strstr(usage, " [--");

    if (strlen(usage) < 64 || option == NULL)
        fprintf(stderr, "usage: wreath %s\n", usage);
    else
        fprintf(stderr,
                "usage: wreath %.*s [OPTION...]; 'wreath %s --help' lists "
                "them\n",
                (int)(option - usage), usage, command);
}

int cli_usage(const struct cli *cli, const char *command, const char *fmt, ...)
{
    const struct command *c = find(command);
    char text[CLI_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    say(cli, text);
    print_hint(command, c != NULL ? c->usage : "COMMAND ...");
    return 2;
}

void cli_describe(const struct command *c)
{
    wr_usage_print(stdout, "wreath", c->usage);
    printf("\n%s\n", c->summary);
    if (c->help != NULL)
        printf("\n%s", c->help);
    fputs("\nEvery command takes --dir DIR, --json and --quiet; wreath(1) "
          "tells more.\n",
          stdout);
}

enum { ROWS_MAX = 24, GLOBAL_DIR = 1, GLOBAL_JSON, GLOBAL_QUIET, GLOBAL_HELP };
enum { ROW_BASE = 1000 };

static int take(struct cli *cli, const char *command,
                const struct option_row *row)
{
    struct wr_why why;

    if (row->setting != NULL) {
        if (wr_config_set(&cli->config, row->setting, optarg, WR_FROM_FLAG,
                          &why) != WR_OK)
            return cli_usage(cli, command, "%s", why.text) + 1;
    } else if (row->value != NULL) {
        *row->value = optarg;
    } else {
        *row->flag = true;
    }
    return 0;
}

void cli_set_dir(struct cli *cli, const char *dir)
{
    snprintf(cli->dir, sizeof(cli->dir), "%s", dir);
    cli->dir_given = true;
}

const char *cli_word(const char *text, char *ret, size_t room)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-./,:@%+=";
    size_t n = 0;

    for (; *text != '\0' && n + 2 < room; text++) {
        if (strchr(plain, *text) == NULL && (unsigned char)*text < 0x80)
            ret[n++] = '\\';
        ret[n++] = *text;
    }
    ret[n] = '\0';
    return ret;
}

const char *cli_self(const struct cli *cli, char ret[CLI_SELF_MAX])
{
    static const char before[] = "wreath --dir ";
    const size_t n = sizeof(before) - 1;

    strcpy(ret, cli->dir_given ? before : "wreath");
    if (cli->dir_given)
        cli_word(cli->dir, ret + n, CLI_SELF_MAX - n);
    return ret;
}

const char *cli_advice(const struct cli *cli, const char *text,
                       char ret[CLI_LINE_MAX])
{
    static const char quoted[] = "'wreath ";
    char self[CLI_SELF_MAX];
    const char *at;
    int n = 0;

    cli_self(cli, self);
    while (n < CLI_LINE_MAX && (at = strstr(text, quoted)) != NULL) {
        const bool ours = strncmp(at + strlen(quoted), "--", 2) != 0;

        n += snprintf(ret + n, (size_t)(CLI_LINE_MAX - n), "%.*s'%s ",
                      (int)(at - text), text, ours ? self : "wreath");
        text = at + strlen(quoted);
    }
    if (n < CLI_LINE_MAX)
        snprintf(ret + n, (size_t)(CLI_LINE_MAX - n), "%s", text);
    return ret;
}

static int take_global(struct cli *cli, const char *command, int code)
{
    switch (code) {
    case GLOBAL_DIR:
        cli_set_dir(cli, optarg);
        return 0;
    case GLOBAL_JSON:
        cli->json = true;
        return 0;
    case GLOBAL_QUIET:
        cli->quiet = true;
        return 0;
    case GLOBAL_HELP:
        cli_describe(find(command));
        return 1;
    default: /* getopt_long has said what is wrong. */
        print_hint(command, find(command)->usage);
        return 3;
    }
}

int cli_options(struct cli *cli, const char *command,
                const struct option_row *rows, size_t n, int argc, char **argv,
                int *ret_first)
{
    struct option longs[ROWS_MAX + 5] = {
        {"dir", required_argument, NULL, GLOBAL_DIR},
        {"json", no_argument, NULL, GLOBAL_JSON},
        {"quiet", no_argument, NULL, GLOBAL_QUIET},
        {"help", no_argument, NULL, GLOBAL_HELP},
    };
    static char name[] = "wreath";
    char shorts[2 * ROWS_MAX + 8] = "qh";
    size_t s = 2;
    int code, end = 0;

    WR_CHECK(n <= ROWS_MAX);
    for (size_t i = 0; i < n; i++) {
        longs[4 + i] = (struct option){rows[i].name,
                                       rows[i].flag != NULL ? no_argument
                                                            : required_argument,
                                       NULL, ROW_BASE + (int)i};
        if (rows[i].letter != 0)
            shorts[s++] = rows[i].letter;
        if (rows[i].letter != 0 && rows[i].flag == NULL)
            shorts[s++] = ':';
    }
    optind = 1;
    argv[0] = name; /* What getopt_long calls us. */
    while (end == 0 &&
           (code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct option_row *row = NULL;

        if (code >= ROW_BASE)
            row = &rows[code - ROW_BASE];
        for (size_t i = 0; i < n && row == NULL && code > ' '; i++)
            if (rows[i].letter == code)
                row = &rows[i];
        if (row != NULL)
            end = take(cli, command, row);
        else if (code == 'q')
            cli->quiet = true;
        else
            end = take_global(cli, command, code == 'h' ? GLOBAL_HELP : code);
    }
    if (ret_first != NULL)
        *ret_first = optind;
    else if (end == 0 && optind < argc)
        end =
            cli_usage(cli, command, "'%s' is one word too many", argv[optind]) +
            1;
    return end;
}

const char *cli_time(uint64_t us, char ret[24])
{
    const uint64_t s = us / 1000000;

    if (s >= 3600)
        snprintf(ret, 24, "%u h %u min", (unsigned)(s / 3600),
                 (unsigned)(s % 3600 / 60));
    else if (s >= 60)
        snprintf(ret, 24, "%u min %u s", (unsigned)(s / 60),
                 (unsigned)(s % 60));
    else if (us >= 100000)
        snprintf(ret, 24, "%.1f s", (double)us / 1e6);
    else
        snprintf(ret, 24, "%.1f ms", (double)us / 1e3);
    return ret;
}

void cli_progress_start(struct cli_progress *p, const struct cli *cli,
                        const char *verb)
{
    *p = (struct cli_progress){
        .cli = cli, .verb = verb, .started = wr_clock_now()};
}

static unsigned terminal_width(void)
{
    struct winsize w;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20)
        return w.ws_col;
    return 80;
}

/* TAIL_MOST: about " 37 %  100.0 MiB of 300.0 MiB  100.0 MiB/s  59 min left".
 * KEPT_FREE: for the ^C that a terminal echoes. */
enum { TAIL_MOST = 54, BAR_LEAST = 5, BAR_MOST = 40, KEPT_FREE = 3 };

/* "4 s", "3 min", "2 h": this far ahead nothing is known better. */
static const char *left_text(uint64_t s, char ret[24])
{
    if (s >= 2 * 3600)
        snprintf(ret, 24, "%llu h", (unsigned long long)(s / 3600));
    else if (s >= 2 * 60)
        snprintf(ret, 24, "%u min", (unsigned)(s / 60));
    else
        snprintf(ret, 24, "%u s", (unsigned)s + 1);
    return ret;
}

/* Columns for the bar itself: 0 where the terminal is too narrow. */
static size_t bar_room(const char *verb, size_t room)
{
    const size_t taken = strlen(verb) + 4 + TAIL_MOST;

    if (room < taken + BAR_LEAST)
        return 0;
    return room - taken < BAR_MOST ? room - taken : BAR_MOST;
}

/* "[##...] " with n places, or nothing; `to` has n + 4 bytes. */
static void bar(char *to, size_t n, double part)
{
    const size_t full = (size_t)(part * (double)n);

    *to = '\0';
    if (n == 0)
        return;
    *to++ = '[';
    for (size_t i = 0; i < n; i++)
        *to++ = i < full ? '#' : '.';
    strcpy(to, "] ");
}

/* "  12.5 MiB/s  7 s left", or for how long nothing has moved. */
static void pace(const struct cli_progress *p, uint64_t done, uint64_t total,
                 char *ret, size_t room)
{
    const uint64_t spent = p->drawn - p->started + 1;
    const uint64_t per_s = (uint64_t)((double)done * 1e6 / (double)spent);
    const uint64_t still = p->drawn - p->moved;
    char rate[16], left[24];

    if (still > WR_SEC(2)) {
        snprintf(ret, room, "  no progress for %u s",
                 (unsigned)(still / WR_SEC(1)));
        return;
    }
    ret[0] = '\0';
    if (done == 0)
        return;
    const int n = snprintf(ret, room, "  %s/s", wr_size_text(per_s, rate));
    /* The first moments say little about the rate. */
    if (per_s > 0 && done < total && spent > WR_SEC(1))
        snprintf(ret + n, room - (size_t)n, "  %s left",
                 left_text((total - done) / per_s, left));
}

void cli_progress_show(struct cli_progress *p, uint64_t done, uint64_t total,
                       const char *note)
{
    const uint64_t now = wr_clock_now();
    char a[16], b[16], blocks[BAR_MOST + 4], speed[64], tail[200], line[256];

    if (done != p->last || p->moved == 0) {
        p->last = done;
        p->moved = now;
    }
    if (!p->cli->tty || p->cli->quiet || now - p->drawn < WR_MS(100))
        return;
    const size_t room = terminal_width() - KEPT_FREE;
    p->drawn = now;
    p->shown = true;
    pace(p, done, total, speed, sizeof(speed));
    wr_size_text(done, a);
    if (total > 0 && done <= total) {
        snprintf(tail, sizeof(tail), "%3u %%  %s of %s%s%s%s",
                 (unsigned)(done * 100 / total), a, wr_size_text(total, b),
                 speed, note != NULL ? "  " : "", note != NULL ? note : "");
        bar(blocks, bar_room(p->verb, room), (double)done / (double)total);
        snprintf(line, sizeof(line), "%s %s%s", p->verb, blocks, tail);
    } else if (done == 0 && note != NULL) {
        snprintf(line, sizeof(line), "%s  %s", p->verb, note);
    } else {
        snprintf(line, sizeof(line), "%s  %s%s%s%s", p->verb, a, speed,
                 note != NULL ? "  " : "", note != NULL ? note : "");
    }
    fprintf(stderr, "\r%.*s\033[K", (int)room, line);
    fflush(stderr);
}

void cli_progress_end(struct cli_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

int cli_open(struct cli *cli, struct wr_home *ret)
{
    struct wr_why why;
    char ini[WR_HOME_PATH_MAX];

    if (wr_home_open(ret, cli->dir, &why) != WR_OK)
        return cli_fail(cli, &why);
    wr_home_path(cli->dir, "wreath.ini", ini);
    if (wr_config_file(&cli->config, ini, &why) == WR_OK)
        return 0;
    wr_home_close(ret);
    return cli_fail(cli, &why);
}

enum wr_err cli_cards_open(const struct cli *cli,
                           const uint8_t ring[WR_SIGN_PUBLIC],
                           struct wr_book *ret_book, struct wr_cards *ret)
{
    enum wr_err err = wr_book_init(ret_book, ring, WR_HOSTS_MAX, WR_BOOK_IDS);

    if (err != WR_OK)
        return err;
    err = wr_cards_init(ret, ring, ret_book);
    if (err != WR_OK)
        wr_book_done(ret_book);
    else
        wr_cards_load(ret, cli->dir);
    return err;
}

void cli_cards_close(struct wr_book *book, struct wr_cards *cards)
{
    wr_cards_done(cards);
    wr_book_done(book);
}

enum wr_err cli_own_card(const struct cli *cli, const struct wr_home *home,
                         bool *ret_left, bool *ret_known)
{
    struct wr_book book;
    struct wr_cards cards;
    bool is_new;
    wr_host self;
    enum wr_err err = cli_cards_open(cli, home->ring, &book, &cards);

    if (err != WR_OK)
        return err;
    err = wr_cards_add(&cards, wr_span(home->cred_bytes, home->cred_n), &self,
                       &is_new);
    if (err == WR_OK) {
        *ret_left = wr_card_of(&cards, self)->left;
        *ret_known = wr_card_of(&cards, self)->confirmed ||
                     wr_cards_state(&cards, self) == WR_ROSTER_REMOVED;
    }
    cli_cards_close(&book, &cards);
    return err;
}

int cli_start_log(const struct cli *cli, const char *command)
{
    const char *format = wr_config_text(&cli->config, WR_CONFIG_log_format);
    enum wr_log_level level;

    if (wr_log_level_parse(wr_config_text(&cli->config, WR_CONFIG_log_level),
                           &level) != WR_OK)
        return cli_usage(cli, command,
                         "log-level is error, warn, info or debug");
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        return cli_usage(cli, command, "log-format is text or json");
    wr_log_init(STDERR_FILENO, level,
                format[0] == 'j' ? WR_LOG_AS_JSON : WR_LOG_AS_TEXT);
    return 0;
}
