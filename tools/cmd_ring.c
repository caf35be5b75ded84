/* cmd_ring.c - `wreath status`, `peers` and `trace`: the ring as a host sees
 * it. */
#include <string.h>
#include <time.h>

#include "ask.h"
#include "base/text.h"
#include "cli.h"
#include "object/cid.h"
#include "wire/id.h"

static const char *shown(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text != NULL ? text : "-";
}

/* "repair    all copies stand" */
static void print_repair(const json_t *r)
{
    const bool running = json_is_true(json_object_get(r, "running"));
    const json_t *t = json_object_get(r, running ? "round" : "last");
    const unsigned long long made =
                                 number_of(t, "given") + number_of(t, "taken"),
                             absent = number_of(t, "absent"),
                             failed = number_of(t, "failed"),
                             waiting = number_of(t, "waiting");
    char bytes[16];

    if (r == NULL)
        return; /* The host runs an older version. */
    fputs("repair    ", stdout);
    if (json_is_true(json_object_get(r, "all_stand")))
        fputs("all copies stand", stdout);
    else if (made > 0)
        printf("%llu cop%s made, %s%s", made, made == 1 ? "y" : "ies",
               wr_size_text(number_of(t, "bytes"), bytes),
               running ? ", going on" : "");
    else if (json_is_false(json_object_get(r, "compared")))
        fputs("not yet compared with the hosts that are there now", stdout);
    else
        fputs("nothing to make", stdout);
    if (absent > 0)
        fputs("; some are on hosts that may come back", stdout);
    if (failed > 0)
        printf("; %llu could not be done yet", failed);
    if (waiting > 0)
        fputs("; what is not this host's to keep goes soon", stdout);
    putchar('\n');
}

/* "scrub     42 % of a pass; the last ended 2026-11-02, all whole" */
static void print_scrub(const json_t *s)
{
    const json_t *last = json_object_get(s, "last");
    const json_t *pass = json_object_get(s, "pass");
    const time_t at = (time_t)number_of(s, "last_s");
    const unsigned long long found = number_of(last, "found"),
                             waiting = number_of(s, "waiting");
    char date[16] = "";
    struct tm tm;

    if (s == NULL)
        return; /* The host runs an older version. */
    localtime_r(&at, &tm);
    strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    fputs("scrub     ", stdout);
    if (json_is_true(json_object_get(s, "running")))
        printf("%.0f %% of a pass, %llu rotten so far; ",
               100 * json_real_value(json_object_get(s, "position")),
               (unsigned long long)number_of(pass, "found"));
    if (at == 0)
        puts("no full pass yet");
    else if (found == 0)
        printf("last full pass %s, all whole\n", date);
    else
        printf("last full pass %s, %llu rotten, %llu replaced\n", date, found,
               (unsigned long long)number_of(last, "healed"));
    if (waiting > 0)
        printf("damage    %llu rotten chunk%s not served until a good copy is "
               "found\n",
               waiting, waiting == 1 ? " is" : "s are");
}

/* "sweep     next pass within the hour; 12 chunks deleted since the start" */
static void print_sweep(const json_t *s)
{
    const char *clock = shown(s, "clock");
    const unsigned long long deleted = number_of(s, "chunks_deleted_total");
    const unsigned long long unsure = number_of(s, "last_unsure");
    char took[24];

    if (s == NULL)
        return;
    fputs("sweep     ", stdout);
    if (strcmp(clock, "known") != 0) {
        printf("rests, for the clock is %s; nothing expires\n", clock);
        return;
    }
    if (strcmp(shown(s, "state"), "running") == 0)
        printf("%.0f %% of a pass; ",
               100 * json_real_value(json_object_get(s, "position")));
    if (number_of(s, "passes_total") == 0)
        fputs("no full pass yet", stdout);
    else
        printf("last full pass %llu chunks in %s",
               (unsigned long long)number_of(s, "last_chunks"),
               cli_time((uint64_t)(1e6 * json_number_value(json_object_get(
                                             s, "last_took_s"))),
                        took));
    printf(", %llu deleted since the start\n", deleted);
    if (unsure > 0)
        printf("unproven  %llu references may be of puts that are over; not "
               "enough hosts answer to say so\n",
               unsure);
}

static void print_status(const json_t *o)
{
    const json_t *store = json_object_get(o, "store");
    const json_t *net = json_object_get(o, "net");
    const unsigned hosts = (unsigned)number_of(o, "hosts_admitted");
    const unsigned copies = (unsigned)number_of(o, "copies");
    const unsigned links = (unsigned)number_of(net, "links");
    const unsigned leaves = (unsigned)number_of(net, "leaves");
    const unsigned long long chunks = number_of(store, "chunks");
    const char *space = shown(store, "space");
    char a[16], b[16], c[16], up[24];

    printf("host      %.8s at %s%s, %s\n", shown(o, "host"),
           shown(o, "address"),
           json_is_true(json_object_get(o, "issuer")) ? " (issuer)" : "",
           shown(o, "state"));
    const json_t *twin = json_object_get(o, "twin");
    if (json_is_object(twin))
        printf("identity  ANOTHER HOST RUNS UNDER IT at %s (heard %llu s ago): "
               "stop one of the two for good\n",
               shown(twin, "address"),
               (unsigned long long)number_of(twin, "heard_ago_s"));
    if (strcmp(shown(o, "state"), "saying farewell") == 0)
        puts("leaving   everything is handed over; " CLI_FAREWELL_WAITS);
    printf("ring      %.16s, %u host%s admitted\n", shown(o, "ring"), hosts,
           hosts == 1 ? "" : "s");
    printf("copies    %u of each chunk; a put returns when %u %s on disk\n",
           copies, (unsigned)number_of(o, "durable"),
           number_of(o, "durable") == 1 ? "is" : "are");
    printf("members   %u of %u in the ring\n",
           (unsigned)number_of(o, "members_in_ring"),
           (unsigned)number_of(o, "members"));
    printf("store     %s in %llu chunk%s, %s of %s on disk%s%s%s\n",
           wr_size_text(number_of(store, "chunk_bytes"), a), chunks,
           chunks == 1 ? "" : "s",
           wr_size_text(number_of(store, "used_bytes"), b),
           wr_size_text(number_of(store, "capacity_bytes"), c),
           strcmp(space, "free") != 0 ? ", space: " : "",
           strcmp(space, "free") != 0 ? space : "",
           json_is_true(json_object_get(store, "failed"))
               ? "; THE DISK FAILED: nothing is acknowledged any more"
               : "");
    print_repair(json_object_get(o, "repair"));
    print_scrub(json_object_get(o, "scrub"));
    print_sweep(json_object_get(o, "sweep"));
    printf("network   %u link%s (%u to leaves), %s sent, %s received\n", links,
           links == 1 ? "" : "s", leaves,
           wr_size_text(number_of(net, "sent_bytes"), a),
           wr_size_text(number_of(net, "received_bytes"), b));
    printf("up        %s\n", cli_time(number_of(o, "uptime_s") * 1000000, up));
}

/* A leaf's question went to its super-peer, whose answer follows. */
static void print_leaf(const struct cli *cli)
{
    char id[WR_HEX_SIZE(WR_CRED_HOST)];
    struct wr_home h;
    struct wr_why why;

    if (wr_home_open(&h, cli->dir, &why) != WR_OK)
        return;
    wr_hex(wr_span(h.cred.host, WR_CRED_HOST), id);
    if (h.cred.role == WR_ROLE_LEAF)
        printf("leaf      %.8s, attached to\n", id);
    wr_home_close(&h);
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
    json_t *o;
    int status = cli_options(cli, "status", NULL, 0, argc, argv, NULL);

    if (status != 0)
        return status - 1;
    status = cli_ask(cli, "status", "", &o);
    if (status != 0)
        return status;
    if (cli->json) {
        cli_json(o);
    } else {
        print_leaf(cli);
        print_status(o);
    }
    json_decref(o);
    return 0;
}

static void print_host(const json_t *h)
{
    const json_t *rtt = json_object_get(h, "rtt_ms");
    char ms[16] = "-";

    if (json_is_real(rtt))
        snprintf(ms, sizeof(ms), "%.1f ms", json_real_value(rtt));
    printf("%.8s  %-22s %-9s %-5s %9s  %2u members%s%s%s\n", shown(h, "host"),
           shown(h, "address"), shown(h, "state"), shown(h, "liveness"), ms,
           (unsigned)json_array_size(json_object_get(h, "members")),
           json_is_true(json_object_get(h, "self")) ? "  (asked)" : "",
           shown(h, "site")[0] != '\0' ? "  site " : "", shown(h, "site"));
}

/* "1a2b3c4d/7 at 90ab12cd…" */
static void print_member(const char *label, const json_t *m)
{
    if (json_is_null(m))
        printf("  %-12s -\n", label);
    else
        printf("  %-12s %.8s/%-2u at %.12s\n", label, shown(m, "host"),
               (unsigned)number_of(m, "index"), shown(m, "id"));
}

static void print_view(const json_t *v)
{
    const json_t *self = json_object_get(v, "member");
    const json_t *lists[] = {json_object_get(v, "successors"),
                             json_object_get(v, "fingers")};
    static const char *const labels[] = {"successor", "finger"};
    size_t i;
    json_t *m;

    printf("\nmember %u at %.12s, %s\n", (unsigned)number_of(self, "index"),
           shown(self, "id"), shown(v, "phase"));
    print_member("predecessor", json_object_get(v, "predecessor"));
    for (size_t k = 0; k < WR_ARRAY_LEN(lists); k++)
        json_array_foreach(lists[k], i, m)
        {
            print_member(labels[k], m);
        }
}

int cmd_peers(struct cli *cli, int argc, char **argv)
{
    bool fingers = false;
    const struct option_row rows[] = {{"fingers", 0, NULL, &fingers, NULL}};
    size_t i;
    json_t *o, *e;
    const int over = cli_options(cli, "peers", rows, 1, argc, argv, NULL);

    if (over != 0)
        return over - 1;
    const int status = cli_ask(cli, "peers", fingers ? "fingers" : "", &o);
    if (status != 0)
        return status;
    if (cli->json)
        cli_json(o);
    else {
        json_array_foreach(json_object_get(o, "hosts"), i, e)
        {
            print_host(e);
        }
        json_array_foreach(json_object_get(o, "views"), i, e)
        {
            print_view(e);
        }
    }
    json_decref(o);
    return 0;
}

/* The key as 64 digits: as it is, or of a CID. */
static bool key_of(const char *text, char ret[WR_HEX_SIZE(WR_ID_BYTES)])
{
    uint8_t bytes[WR_ID_BYTES];
    struct wr_cid cid;

    if (wr_unhex(text, bytes, sizeof(bytes)) != WR_OK) {
        if (wr_cid_parse(wr_span_str(text), &cid, NULL) != WR_OK)
            return false;
        memcpy(bytes, cid.digest, sizeof(bytes));
    }
    wr_hex(wr_span(bytes, sizeof(bytes)), ret);
    return true;
}

static void print_trace(const json_t *o)
{
    const json_t *owner = json_object_get(o, "owner");
    size_t i;
    json_t *e;

    json_array_foreach(json_object_get(o, "path"), i, e)
    {
        printf("%2u  %.8s%s\n", (unsigned)i, json_string_value(e),
               i == 0 ? "  (asked)" : "");
    }
    printf("owner %.8s, member %u at %.12s; %u hop%s\n", shown(owner, "host"),
           (unsigned)number_of(owner, "index"), shown(owner, "id"),
           (unsigned)number_of(o, "hops"),
           number_of(o, "hops") == 1 ? "" : "s");
    fputs("kept on", stdout);
    json_array_foreach(json_object_get(o, "set"), i, e)
    {
        printf(" %.8s", shown(e, "host"));
    }
    putchar('\n');
}

int cmd_trace(struct cli *cli, int argc, char **argv)
{
    char key[WR_HEX_SIZE(WR_ID_BYTES)];
    int first, status;
    json_t *o;
    const int over = cli_options(cli, "trace", NULL, 0, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, "trace", "say one CID or key");
    if (!key_of(argv[first], key))
        return cli_usage(cli, "trace",
                         "'%s' is neither a CID nor 64 hexadecimal digits",
                         argv[first]);
    status = cli_ask(cli, "trace", key, &o);
    if (status != 0)
        return status;
    if (cli->json)
        cli_json(o);
    else
        print_trace(o);
    json_decref(o);
    return 0;
}

int cmd_config(struct cli *cli, int argc, char **argv)
{
    int status = cli_options(cli, "config", NULL, 0, argc, argv, NULL);
    char ini[WR_HOME_PATH_MAX];
    struct wr_why why;

    if (status != 0)
        return status - 1;
    wr_home_path(cli->dir, "wreath.ini", ini);
    if (wr_config_file(&cli->config, ini, &why) != WR_OK)
        return cli_fail(cli, &why);
    json_t *all = json_object();
    for (enum wr_config_key k = 0; k < WR_CONFIG_N; k++) {
        const char *from = wr_config_origin_text(cli->config.v[k].origin);

        if (cli->json)
            json_object_set_new(all, wr_config_name(k),
                                json_pack("{s:s, s:s}", "value",
                                          wr_config_text(&cli->config, k),
                                          "from", from));
        else
            printf("%-11s = %-14s # %s: %s\n", wr_config_name(k),
                   wr_config_text(&cli->config, k), from, wr_config_help(k));
    }
    if (cli->json)
        cli_json(all);
    json_decref(all);
    return 0;
}
