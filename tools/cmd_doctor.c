/* cmd_doctor.c - `wreath doctor`: is this host well, and what to do if not.
 * Each check is a function that adds its findings; none of them stops the
 * next. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "backup.h"
#include "cli.h"
#include "leaf.h"
#include "sys/clock.h"
#include "sys/fs.h"

enum {
    SPEED_BYTES = 16 << 20, /* Written to measure the disk. */
    SPEED_STEP = 1 << 20,
    SYNCS = 15,
    SPEED_LEAST = 10 << 20, /* Bytes a second below which it is said. */
    SYNC_MOST_US = 50000,
    DISK_SPARE = 1 << 30,
    FILES_LEAST = 1024, /* Descriptors: a host of a small ring needs these, */
    FILES_GOOD = 4096,  /* one with a school's leaves those. */
    CLOCK_NOTE_S = 60,
    CLOCK_FAULT_S = 3600, /* Then expiry stands still (protocol, D17). */
    SCRUB_OLD_S = 35 * 86400,
    CANARY_BYTES = 64 << 10,
    CANARY_TTL_S = 600,
};

enum level { OK, NOTE, FAULT };

struct doctor {
    struct cli *cli;
    json_t *findings;
    enum level worst;
    bool issuer, leaf;
    json_t *status; /* Of the super-peer here, or of the parent; or NULL. */
    wreath *w;
};

static void vfind(struct doctor *d, const char *check, enum level level,
                  const char *advice, const char *fmt, va_list args)
    __attribute__((format(printf, 5, 0)));

static void vfind(struct doctor *d, const char *check, enum level level,
                  const char *advice, const char *fmt, va_list args)
{
    static const char *const levels[] = {"ok", "note", "fault"};
    char words[512], text[CLI_LINE_MAX], remedy[CLI_LINE_MAX];

    vsnprintf(words, sizeof(words), fmt, args);
    cli_advice(d->cli, words, text);
    cli_advice(d->cli, advice != NULL && level != OK ? advice : "", remedy);
    if (level > d->worst)
        d->worst = level;
    json_array_append_new(
        d->findings, json_pack("{s:s, s:s, s:s, s:s}", "check", check, "level",
                               levels[level], "text", text, "advice", remedy));
    if (d->cli->json || (d->cli->quiet && level == OK))
        return;
    printf("%-6s %-9s %s\n", levels[level], check, text);
    if (remedy[0] != '\0')
        printf("%-16s %s\n", "", remedy);
    fflush(stdout);
}

static void find(struct doctor *d, const char *check, enum level level,
                 const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void find(struct doctor *d, const char *check, enum level level,
                 const char *advice, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfind(d, check, level, advice, fmt, args);
    va_end(args);
}

/* ---- files -------------------------------------------------------------- */

static void check_keys(struct doctor *d)
{
    static const char *const names[] = {"identity", "ring.key", "tickets",
                                        "ring", "credential"};
    char path[WR_HOME_PATH_MAX], word[2 * WR_HOME_PATH_MAX],
        advice[2 * WR_HOME_PATH_MAX + 32];
    struct stat st;
    bool well = true;

    for (size_t i = 0; i < WR_ARRAY_LEN(names); i++) {
        const bool secret = i < 3;

        wr_home_path(d->cli->dir, names[i], path);
        if (stat(path, &st) != 0)
            continue;
        if (secret && (st.st_mode & 077) != 0) {
            snprintf(advice, sizeof(advice), "chmod go= %s",
                     cli_word(path, word, sizeof(word)));
            find(d, "keys", FAULT, advice,
                 "%s can be read by others (mode %04o)", names[i],
                 (unsigned)st.st_mode & 07777);
            well = false;
        }
        if (st.st_uid != geteuid()) {
            find(d, "keys", NOTE, "run wreath as the user that owns them",
                 "%s belongs to another user (%u)", names[i],
                 (unsigned)st.st_uid);
            well = false;
        }
    }
    if (well)
        find(d, "keys", OK, NULL, "only this user can read them");
}

static void check_backup(struct doctor *d)
{
    static const char advice[] =
        "'wreath backup --keys DIR', with DIR on another disk";

    if (!d->issuer)
        return;
    switch (backup_state(d->cli->dir)) {
    case BACKUP_NONE:
        find(d, "backup", FAULT, advice,
             "the ring key has no backup: without it nobody can ever invite "
             "or revoke");
        break;
    case BACKUP_OLD:
        find(d, "backup", NOTE, advice,
             "tickets or keys have changed since the last backup of keys");
        break;
    case BACKUP_GOOD:
        find(d, "backup", OK, NULL, "the ring key has a backup");
        break;
    }
}

static void check_disk(struct doctor *d)
{
    struct wr_disk disk;
    struct wr_why why = {0};
    char free_text[16], total[16];

    if (wr_disk_read(d->cli->dir, &why, &disk) != WR_OK) {
        find(d, "disk", FAULT, NULL, "%s", why.text);
        return;
    }
    if (disk.remote)
        find(d, "disk", FAULT, "move the directory to a local disk",
             "%s is on a network filesystem, where a store would be corrupted",
             d->cli->dir);
    const bool tight = disk.free < disk.total / 10 || disk.free < DISK_SPARE;
    find(d, "disk", tight ? NOTE : OK,
         "at 90 % of the store's share puts are refused: make room, or add a "
         "host",
         "%s free of %s", wr_size_text(disk.free, free_text),
         wr_size_text(disk.total, total));
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Bytes a second, and the median of a small write made durable. */
static bool measure(const char *path, uint64_t *ret_rate, uint64_t *ret_sync_us)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint8_t *bytes = malloc(SPEED_STEP);
    uint64_t syncs[SYNCS];
    wr_time from;
    bool ok = fd >= 0 && bytes != NULL;

    if (ok) /* Not zeros: some disks do not write those. */
        for (size_t i = 0; i < SPEED_STEP; i++)
            bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    from = wr_clock_now();
    for (size_t n = 0; ok && n < SPEED_BYTES; n += SPEED_STEP)
        ok = write(fd, bytes, SPEED_STEP) == SPEED_STEP;
    ok = ok && fdatasync(fd) == 0;
    *ret_rate = (uint64_t)SPEED_BYTES * 1000000 / (wr_clock_now() - from + 1);
    for (size_t i = 0; ok && i < SYNCS; i++) {
        from = wr_clock_now();
        ok = pwrite(fd, bytes, 4096, (off_t)(i * 4096)) == 4096 &&
             fdatasync(fd) == 0;
        syncs[i] = wr_clock_now() - from;
    }
    if (ok) {
        qsort(syncs, SYNCS, sizeof(syncs[0]), by_number);
        *ret_sync_us = syncs[SYNCS / 2];
    }
    if (fd >= 0)
        close(fd);
    free(bytes);
    (void)unlink(path);
    return ok;
}

static void check_speed(struct doctor *d)
{
    char path[WR_HOME_PATH_MAX], rate_text[16];
    uint64_t rate, sync_us;
    struct wr_disk disk;

    wr_home_path(d->cli->dir, "doctor.tmp", path);
    if (wr_disk_read(d->cli->dir, NULL, &disk) != WR_OK ||
        disk.free < DISK_SPARE / 4)
        return; /* The rest of it is not ours to take. */
    if (!measure(path, &rate, &sync_us)) {
        find(d, "speed", FAULT, "look at the kernel's log (dmesg)",
             "cannot write in %s: %s", d->cli->dir, strerror(errno));
        return;
    }
    const bool slow = rate < SPEED_LEAST || sync_us > SYNC_MOST_US;
    find(d, "speed", slow ? NOTE : OK,
         "each put waits for such a write on two hosts; a better disk helps",
         "writes %s/s; a small write is on disk after %.1f ms",
         wr_size_text(rate, rate_text), (double)sync_us / 1000);
}

/* What the super-peer may open, whose process has the store; else what one that
 * is started from here could. */
static unsigned long long descriptors(const struct doctor *d)
{
    char path[WR_HOME_PATH_MAX], line[256];
    unsigned long long n = 0;
    struct rlimit limit;
    uint8_t *pid;
    size_t pid_n;

    wr_home_path(d->cli->dir, "store.lock", path);
    if (wr_file_read(path, 32, NULL, &pid, &pid_n) == WR_OK) {
        snprintf(path, sizeof(path), "/proc/%lu/limits",
                 strtoul((const char *)pid, NULL, 10));
        free(pid);
        FILE *f = fopen(path, "re");
        while (f != NULL && fgets(line, sizeof(line), f) != NULL)
            (void)sscanf(line, "Max open files %llu", &n);
        if (f != NULL)
            fclose(f);
    }
    if (n == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0)
        n = limit.rlim_cur;
    return n;
}

static void check_descriptors(struct doctor *d)
{
    const unsigned long long n = descriptors(d);

    find(d, "files",
         n < FILES_LEAST  ? FAULT
         : n < FILES_GOOD ? NOTE
                          : OK,
         "'ulimit -n 4096' where it is started; LimitNOFILE= in a unit",
         "%llu open files at most, connections among them", n);
}

/* ---- the super-peer ----------------------------------------------------- */

static void check_running(struct doctor *d)
{
    struct wr_why why = {0};
    char used[16], all[16];

    if (cli_try(d->cli, "status", "", &d->status, &why) != WR_OK) {
        find(d, "running", d->leaf ? FAULT : NOTE, NULL, "%s", why.text);
        return;
    }
    const char *state = text_of(d->status, "state");
    const json_t *store = json_object_get(d->status, "store");
    const char *space = text_of(store, "space");
    const uint64_t hosts = number_of(d->status, "hosts_admitted");
    const bool serving = strcmp(state, "serving") == 0;
    const json_t *twin = json_object_get(d->status, "twin");

    find(d, "running", serving ? OK : NOTE, "wait, or see its log",
         "%s %.8s is %s", d->leaf ? "the super-peer" : "host",
         text_of(d->status, "host"), state);
    if (json_is_object(twin))
        find(d, "identity", FAULT,
             "stop one of the two for good; a host that was restored takes "
             "the original's place",
             "another host runs under this identity, at %s",
             text_of(twin, "address"));
    if (json_is_true(json_object_get(store, "failed")))
        find(d, "store", FAULT,
             "replace the disk, and start with an empty store",
             "the disk failed: nothing is acknowledged any more");
    else if (strcmp(space, "free") != 0)
        find(d, "store", strcmp(space, "tight") == 0 ? NOTE : FAULT,
             "make room, raise the quota, or add a host", "%s of %s used: %s",
             wr_size_text(number_of(store, "used_bytes"), used),
             wr_size_text(number_of(store, "capacity_bytes"), all), space);
    if (hosts < 3)
        find(d, "hosts", NOTE,
             d->issuer ? "with three hosts each chunk has three copies: "
                         "'wreath invite --super-peer'"
                       : "with three hosts each chunk has three copies: invite "
                         "another, on the issuer",
             "%llu host%s admitted", (unsigned long long)hosts,
             hosts == 1 ? " is" : "s are");
}

static void check_scrub(struct doctor *d)
{
    const json_t *scrub = json_object_get(d->status, "scrub");
    const uint64_t waiting = number_of(scrub, "waiting");
    const uint64_t last_s = number_of(scrub, "last_s");
    const uint64_t now_s = wr_clock_wall_s();

    if (scrub == NULL)
        return;
    if (waiting > 0)
        find(d, "damage", FAULT,
             "bring up the other hosts; 'wreath why CID' tells of a file",
             "%llu rotten chunk%s no good copy yet",
             (unsigned long long)waiting, waiting == 1 ? " has" : "s have");
    else
        find(d, "damage", OK, NULL, "no rotten chunk waits for a copy");
    if (last_s != 0 && now_s > last_s && now_s - last_s > SCRUB_OLD_S)
        find(d, "scrub", NOTE,
             d->leaf ? "scrub that host, and look at its setting scrub"
                     : "'wreath scrub', and look at the setting scrub",
             "the chunks were last read %llu days ago",
             (unsigned long long)((now_s - last_s) / 86400));
}

/* ---- the others --------------------------------------------------------- */

static json_t *survey(struct doctor *d)
{
    char arg[64], *text;
    wreath_error error;
    json_t *o, *hosts;

    snprintf(arg, sizeof(arg), "sees %.32s", text_of(d->status, "host"));
    if (wreath_query(d->w, "survey", arg, &text, &error) != WREATH_OK)
        return NULL;
    o = cli_json_read(text);
    hosts = json_incref(json_object_get(o, "hosts"));
    json_decref(o);
    return hosts;
}

/* Both ways: whom it cannot reach, and who cannot reach it. */
static void check_reach(struct doctor *d, const json_t *hosts)
{
    const char *self = text_of(d->status, "host");
    char advice[160], absent[160];
    unsigned well = 0, others = 0;
    size_t i;
    json_t *h;

    snprintf(advice, sizeof(advice),
             "can that host dial %.64s? A firewall, or the setting advertise",
             text_of(d->status, "address"));
    json_array_foreach(hosts, i, h)
    {
        const json_t *a = json_object_get(h, "answer");
        const char *host = text_of(h, "host");

        if (strcmp(host, self) == 0)
            continue;
        others++;
        snprintf(absent, sizeof(absent),
                 d->issuer ? "bring it up; if it is gone for good, 'wreath "
                             "remove %.8s', and its copies are made again"
                           : "bring it up; if it is gone for good, remove "
                             "%.8s on the issuer, and its copies are made "
                             "again",
                 host);
        if (json_is_null(a))
            find(d, "reach", NOTE, absent, "%.8s does not answer (%s)", host,
                 text_of(h, "liveness"));
        else if (strcmp(text_of(a, "liveness"), "up") != 0)
            find(d, "reach", FAULT, advice,
                 "%.8s answers, but holds this host for %s", host,
                 text_of(a, "liveness"));
        else
            well++;
    }
    if (others > 0 && well == others)
        find(d, "reach", OK, NULL, "%u other host%s, both ways", others,
             others == 1 ? "" : "s");
}

static void check_versions(struct doctor *d, const json_t *hosts)
{
    size_t i;
    json_t *h;

    json_array_foreach(hosts, i, h)
    {
        const char *version = text_of(json_object_get(h, "answer"), "version");

        if (version[0] != '\0' && strcmp(version, WR_VERSION) != 0)
            find(d, "version", NOTE, "upgrade one host at a time",
                 "%.8s runs wreath %s, this is %s", text_of(h, "host"), version,
                 WR_VERSION);
    }
}

/* `now`: when they were asked. They answered at once, or not at all. */
static void check_clock(struct doctor *d, const json_t *hosts, uint64_t now)
{
    const char *self = d->leaf ? "" : text_of(d->status, "host");
    uint64_t theirs[64];
    size_t n = 0, i;
    json_t *h;

    json_array_foreach(hosts, i, h)
    {
        const uint64_t s = number_of(json_object_get(h, "answer"), "wall_s");

        if (s != 0 && n < WR_ARRAY_LEN(theirs) &&
            strcmp(text_of(h, "host"), self) != 0)
            theirs[n++] = s;
    }
    if (n == 0)
        return;
    qsort(theirs, n, sizeof(theirs[0]), by_number);
    const uint64_t median = theirs[n / 2];
    const uint64_t off = now > median ? now - median : median - now;
    const enum level level = off >= CLOCK_FAULT_S  ? FAULT
                             : off >= CLOCK_NOTE_S ? NOTE
                                                   : OK;
    find(d, "clock", level,
         "set the clock; chrony or systemd-timesyncd keep it",
         "%llu s %s the median of %zu other host%s", (unsigned long long)off,
         off == 0       ? "off"
         : now > median ? "ahead of"
                        : "behind",
         n, n == 1 ? "" : "s");
}

/* ---- a file there and back ---------------------------------------------- */

static void check_canary(struct doctor *d)
{
    const wreath_put_options wishes = {.ttl_s = CANARY_TTL_S,
                                       .name = "wreath doctor"};
    uint8_t *bytes = malloc(CANARY_BYTES), *back = NULL;
    wreath_put_result put;
    wreath_error error;
    char put_text[24], get_text[24];
    const wr_time from = wr_clock_now();
    size_t n = 0;

    if (bytes == NULL)
        return;
    /* No two alike, or the second would be there already. */
    for (size_t i = 0; i < CANARY_BYTES; i++)
        bytes[i] = (uint8_t)((i + 1) * (from | 1) >> 17);
    wreath_code code =
        wreath_put_bytes(d->w, bytes, CANARY_BYTES, &wishes, &put, &error);
    const wr_time stored = wr_clock_now();
    if (code != WREATH_OK) {
        find(d, "canary", FAULT, NULL, "a put fails: %s", error.text);
        free(bytes);
        return;
    }
    code =
        wreath_get_bytes(d->w, put.cid, CANARY_BYTES, NULL, &back, &n, &error);
    if (code != WREATH_OK)
        find(d, "canary", FAULT, NULL, "a get fails: %s", error.text);
    else if (n != CANARY_BYTES || memcmp(back, bytes, n) != 0)
        find(d, "canary", FAULT, NULL, "a get brought other bytes");
    else
        find(d, "canary", OK, NULL,
             "a file of 64 KiB was put in %s and fetched in %s",
             cli_time(stored - from, put_text),
             cli_time(wr_clock_now() - stored, get_text));
    (void)wreath_rm(d->w, put.put, NULL, &error); /* Else it expires. */
    free(back);
    free(bytes);
}

static void check_ring(struct doctor *d)
{
    json_t *hosts;

    if (d->status == NULL || cli_leaf_open(d->cli, "doctor", "15s", &d->w) != 0)
        return;
    check_scrub(d);
    const uint64_t asked_s = wr_clock_wall_s();
    hosts = survey(d);
    if (hosts != NULL) {
        check_reach(d, hosts);
        check_versions(d, hosts);
        check_clock(d, hosts, asked_s);
    } else {
        find(d, "reach", NOTE, NULL,
             "the super-peer does not know the question; is it of an older "
             "version?");
    }
    check_canary(d);
    cli_leaf_close(d->w);
    json_decref(hosts);
}

int cmd_doctor(struct cli *cli, int argc, char **argv)
{
    struct doctor d = {.cli = cli};
    struct wr_home home;
    char path[WR_HOME_PATH_MAX];
    const int over = cli_options(cli, "doctor", NULL, 0, argc, argv, NULL);

    if (over != 0)
        return over - 1;
    int status = cli_open(cli, &home);
    if (status != 0)
        return status;
    d.leaf = home.cred.role == WR_ROLE_LEAF;
    wr_home_close(&home);
    wr_home_path(cli->dir, "ring.key", path);
    d.issuer = access(path, F_OK) == 0;
    d.findings = json_array();
    check_keys(&d);
    check_backup(&d);
    check_disk(&d);
    if (!d.leaf) {
        check_speed(&d);
        check_descriptors(&d);
    }
    check_running(&d);
    check_ring(&d);
    if (cli->json) {
        json_t *o = json_pack("{s:b, s:O}", "well", (int)(d.worst < FAULT),
                              "findings", d.findings);

        cli_json(o);
        json_decref(o);
    }
    json_decref(d.findings);
    json_decref(d.status);
    return d.worst < FAULT ? 0 : 1;
}
