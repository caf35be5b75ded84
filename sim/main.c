/* main.c - the program `wreath-sim`: finds the command. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cmd.h"
#include "sys/usage.h"

#define SCENARIO_HELP                                                          \
    "  --hosts N          ring.hosts\n"                                        \
    "  --members N        ring.members\n"                                      \
    "  --for TIME         run.for, as 2h\n"                                    \
    "  --set KEY=VALUE    any key; 'wreath-sim list keys' lists them\n"

#define NARROW_HELP                                                            \
    "  --hosts N          hosts there will ever be\n"                          \
    "  --members N        members of each\n"                                   \
    "  --without F,...    leave these faults out\n"                            \
    "  --until TIME       all heals then\n"                                    \
    "  --keep N,...       of what happens only these, as --plan numbers "      \
    "them\n"

static const struct sim_command commands[] = {
    {"run", cmd_run,
     "run SCENARIO|PRESET [--seed S] [--hosts N] [--members N] [--for TIME] "
     "[--set KEY=VALUE] [--check] [--codec] [--json FILE] [--csv FILE] "
     "[--report DIR] [--trace A..B] [--quiet]",
     "Simulate a ring, and measure.",
     SCENARIO_HELP
     "  --seed S           run.seed: draws everything (1)\n"
     "  --check            judge the ring's invariants all the while\n"
     "  --codec            encode and decode each message\n"
     "  --json FILE        write the whole result; - is standard output\n"
     "  --csv FILE         write the series\n"
     "  --report DIR       write a page with pictures, DIR/index.html\n"
     "  --trace A..B       every message from A to B of virtual time, as "
     "2s..3s\n"
     "  --quiet            no progress, no summary\n\n"
     "'run oracles [NAME...]' runs what theory and others' measurements say of "
     "rings,\nat full size, an hour or so; --small: in half a minute\n"},
    {"sweep", cmd_sweep,
     "sweep SCENARIO|PRESET [--vary KEY=A,B,C] [--seeds K] [--seed S] [--jobs "
     "J] [--hosts N] [--members N] [--for TIME] [--set KEY=VALUE] [--check] "
     "[--json FILE] [--report DIR] [--quiet]",
     "Run over values and seeds; mean and 95 % interval of each figure.",
     "  --vary KEY=A,B,C   a run for each value; twice: for each pair\n"
     "  --seeds K          runs of each (5)\n"
     "  --seed S           run.seed of the first of them (1)\n"
     "  --jobs J           processes at a time (one a processor)\n" //
     SCENARIO_HELP
     "  --check            judge the ring's invariants all the while\n"
     "  --json FILE        write all results; - is standard output\n"
     "  --report DIR       write a page with pictures, DIR/index.html\n"
     "  --quiet            no progress, no table\n"},
    {"compare", cmd_compare,
     "compare A B ... [--seed S] [--json FILE] [--report DIR] [--quiet]\n"
     "compare SCENARIO|PRESET --system A,B,... [--hosts N] "
     "[--members N] [--for TIME] [--set KEY=VALUE] [--seed S] [--json FILE] "
     "[--report DIR] "
     "[--quiet]",
     "Results (JSON), scenarios or presets, side by side.",
     "  --system A,B,...   one scenario with each: wreath, full (each host "
     "knows\n"
     "                     all), fingers (nothing else), flood, walk, index\n"
     "  --hosts, --members, --for, --set, --seed   as of run, of those that "
     "are "
     "run\n"
     "  --json FILE        write all results; - is standard output\n"
     "  --report DIR       write a page with pictures, DIR/index.html\n"
     "  --quiet            no progress\n"},
    {"fuzz", cmd_fuzz,
     "fuzz [--seeds N] [--from S] [--seed S] [--hosts N] [--members N] "
     "[--without FAULT,...] [--until TIME] [--keep N,...] [--plan] [--trace "
     "A..B] [--quiet]",
     "Small rings with every fault there is: a seed draws one.",
     "  --seeds N          so many (100)\n"
     "  --from S           the first (1)\n"
     "  --seed S           this one alone\n" NARROW_HELP
     "  --plan             print what the seeds draw; play nothing\n"
     "  --trace A..B       every message from A to B of virtual time, as "
     "2s..3s\n"
     "  --quiet            no progress\n"
     "\n'wreath-sim list faults' names the faults.\n"},
    {"shrink", cmd_shrink,
     "shrink SEED [--hosts N] [--members N] [--without FAULT,...] [--until "
     "TIME] [--keep N,...] [--quiet]",
     "Make what fails smaller: leave out what it does not need.",
     NARROW_HELP "  --quiet            no progress\n"},
    {"report", cmd_report, "report RESULT.json DIR",
     "Draw a result that was written before: a page with pictures.", NULL},
    {"list", cmd_list, "list [keys | faults]",
     "The presets; every key, its default and meaning; or the faults.", NULL},
};

static const struct sim_command *find(const char *name)
{
    for (size_t i = 0; i < WR_ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int sim_fail(const struct wr_why *why)
{
    const int status = wr_err_status(why->err);

    fprintf(stderr, "wreath-sim: %s\n",
            why->text[0] != '\0' ? why->text : wr_err_text(why->err));
    return status == 0 ? 1 : status;
}

static int hint(const char *command)
{
    fprintf(stderr, "'wreath-sim %s --help' tells how to use it\n", command);
    return 2;
}

int sim_usage(const char *command, const char *fmt, ...)
{
    va_list ap;

    fputs("wreath-sim: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return hint(command);
}

static void print_help(const struct sim_command *c)
{
    wr_usage_print(stdout, "wreath-sim", c->usage);
    printf("\n%s\n", c->summary);
    if (c->help != NULL)
        printf("\n%s", c->help);
}

enum { OPTIONS_MAX = 24, CODE_HELP = 1, CODE_ROW = 1000 };

static int take(const char *command, const struct sim_option *o,
                struct sim_list *settings)
{
    static char room[SIM_LIST_MAX][WR_SCENARIO_TEXT_MAX];
    struct sim_list *list = o->key != NULL ? settings : o->list;

    if (o->value != NULL)
        *o->value = optarg;
    if (o->flag != NULL)
        *o->flag = true;
    if (list == NULL)
        return 0;
    if (list->n == SIM_LIST_MAX)
        return sim_usage(command, "more than %d times --%s", SIM_LIST_MAX,
                         o->name) +
               1;
    if (o->key != NULL) {
        snprintf(room[list->n], sizeof(room[0]), "%s=%s", o->key,
                 o->fixed != NULL ? o->fixed : optarg);
        list->v[list->n] = room[list->n];
    } else {
        list->v[list->n] = optarg;
    }
    list->n++;
    return 0;
}

int sim_options(const char *command, const struct sim_option *rows, size_t n,
                struct sim_list *settings, int argc, char **argv,
                int *ret_first)
{
    struct option longs[OPTIONS_MAX + 2] = {
        {"help", no_argument, NULL, CODE_HELP}};
    static char name[] = "wreath-sim";
    int code, end = 0;

    WR_CHECK(n <= OPTIONS_MAX);
    for (size_t i = 0; i < n; i++) {
        const bool bare = rows[i].flag != NULL || rows[i].fixed != NULL;

        longs[1 + i] = (struct option){rows[i].name,
                                       bare ? no_argument : required_argument,
                                       NULL, CODE_ROW + (int)i};
    }
    optind = 1;
    argv[0] = name;
    while (end == 0 && (code = getopt_long(argc, argv, "h", longs, NULL)) != -1)
        if (code >= CODE_ROW) {
            end = take(command, &rows[code - CODE_ROW], settings);
        } else if (code == CODE_HELP || code == 'h') {
            print_help(find(command));
            end = 1;
        } else { /* getopt_long has said what is wrong. */
            end = hint(command) + 1;
        }
    *ret_first = optind;
    return end;
}

enum wr_err sim_split(const char *setting, char *ret_key,
                      const char **ret_value, struct wr_why *why)
{
    const size_t n = strcspn(setting, "=");

    if (setting[n] != '=' || n == 0 || n >= WR_SCENARIO_TEXT_MAX)
        return wr_why(why, WR_EINVAL,
                      "'%.100s' is not KEY=VALUE, as ring.hosts=50", setting);
    memcpy(ret_key, setting, n);
    ret_key[n] = '\0';
    *ret_value = setting + n + 1;
    return WR_OK;
}

enum wr_err sim_scenario(struct wr_scenario *s, const char *name,
                         const struct sim_list *settings, struct wr_why *why)
{
    enum wr_err err = wr_scenario_load(s, name, why);

    for (size_t i = 0; err == WR_OK && i < settings->n; i++) {
        char key[WR_SCENARIO_TEXT_MAX];
        const char *value = NULL;

        err = sim_split(settings->v[i], key, &value, why);
        if (err == WR_OK)
            err = wr_scenario_set(s, key, value, why);
    }
    return err == WR_OK ? wr_scenario_check(s, why) : err;
}

bool sim_number(const char *text, uint64_t most, uint64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
           *ret <= most;
}

volatile sig_atomic_t sim_stop;

static void on_stop(int signal_number)
{
    (void)signal_number;
    sim_stop = 1;
}

void sim_catch_stop(void)
{
    struct sigaction act = {.sa_handler = on_stop,
                            .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

static int unknown(const char *name)
{
    struct wr_text_guess g = {.name = name};

    for (size_t i = 0; i < WR_ARRAY_LEN(commands); i++)
        wr_text_offer(&g, commands[i].name);
    if (g.distance <= 2)
        fprintf(stderr,
                "wreath-sim: there is no command '%s'; did you mean '%s'?\n",
                name, g.best);
    else
        fprintf(stderr,
                "wreath-sim: there is no command '%s'; 'wreath-sim --help' "
                "lists them\n",
                name);
    return 2;
}

/* What was said must have arrived, unless nobody listens any more (| head). */
static int end(int status)
{
    if (fflush(stdout) == 0 || errno == EPIPE || status != 0)
        return status;
    fprintf(stderr, "wreath-sim: cannot write to standard output: %s\n",
            wr_errno_text(errno));
    return 1;
}

/* Of all commands, or of one. */
static int help(const char *name)
{
    if (name != NULL && find(name) == NULL)
        return unknown(name);
    if (name != NULL) {
        print_help(find(name));
        return end(0);
    }
    puts("wreath-sim runs wreath's own protocol in virtual time: how does a "
         "ring fare?\n\nusage: wreath-sim COMMAND ...\n");
    for (size_t i = 0; i < WR_ARRAY_LEN(commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("\nTry 'wreath-sim run smallest'; 'wreath-sim COMMAND --help' "
         "describes one.");
    return end(0);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        fputs("wreath-sim: say what to do; 'wreath-sim --help' shows how\n",
              stderr);
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("wreath-sim " WR_VERSION);
        return end(0);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(argv[2]);
    const struct sim_command *c = find(argv[1]);
    return c != NULL ? end(c->run(argc - 1, argv + 1)) : unknown(argv[1]);
}
