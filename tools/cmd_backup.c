/* cmd_backup.c - `wreath backup` and `wreath restore`: a copy of the store of a
 * host that may run, and of what makes its identity. See backup.h. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "backup.h"
#include "cli.h"
#include "crypto/secret.h"
#include "store/backup.h"
#include "sys/fs.h"

enum {
    FILE_MAX = 16 << 20,
    INCARNATION_SKIP = 1000, /* Starts that the backup may have missed. */
};

/* DIR/STAMP tells when the keys were last copied. */
static const char stamp[] = "keys-saved";

/* What a host or leaf is. The identity is last: without it there is none. */
static const char *const files[] = {
    "ring",    "credential", "ring.key",   "revoked",     "joined",  "port",
    "members", "contacts",   "wreath.ini", "incarnation", "identity"};
static const char *const folders[] = {"tickets", "roots"};

/* ---- copying ------------------------------------------------------------ */

/* What may not be looked at counts as there: whoever reads it says why. */
static bool is_there(const char *dir, const char *name)
{
    char path[WR_HOME_PATH_MAX];

    wr_home_path(dir, name, path);
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Replaces TO/NAME by FROM/NAME, in one rename, mode 0600. What is not there
 * is not copied. */
static enum wr_err copy_file(const char *from, const char *to, const char *name,
                             unsigned *ret_n, struct wr_why *why)
{
    char source[WR_HOME_PATH_MAX], target[WR_HOME_PATH_MAX];
    uint8_t *bytes;
    size_t n;
    enum wr_err err;

    if (!is_there(from, name))
        return WR_OK;
    wr_home_path(from, name, source);
    wr_home_path(to, name, target);
    err = wr_file_read(source, FILE_MAX, why, &bytes, &n);
    if (err != WR_OK)
        return err;
    err = wr_file_write(target, 0600, wr_span(bytes, n), why);
    wr_secret_wipe(bytes, n);
    free(bytes);
    *ret_n += err == WR_OK;
    return err;
}

static enum wr_err copy_folder(const char *from, const char *to,
                               const char *name, unsigned *ret_n,
                               struct wr_why *why)
{
    char source[WR_HOME_PATH_MAX], target[WR_HOME_PATH_MAX];
    enum wr_err err = WR_OK;
    struct dirent *e;
    struct stat st;

    wr_home_path(from, name, source);
    wr_home_path(to, name, target);
    if (stat(source, &st) != 0 || !S_ISDIR(st.st_mode))
        return WR_OK;
    DIR *d = opendir(source);
    if (d == NULL)
        return wr_why(why, wr_err_of_errno(errno), "cannot read %s: %s", source,
                      wr_errno_text(errno));
    err = wr_dir_make(target, 0700, why);
    while (err == WR_OK && (e = readdir(d)) != NULL) {
        char path[WR_HOME_PATH_MAX];

        wr_home_path(source, e->d_name, path);
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            err = copy_file(source, target, e->d_name, ret_n, why);
    }
    closedir(d);
    return err;
}

static enum wr_err copy_identity(const char *from, const char *to,
                                 unsigned *ret_n, struct wr_why *why)
{
    enum wr_err err = wr_dir_make(to, 0700, why);

    for (size_t i = 0; i < WR_ARRAY_LEN(folders) && err == WR_OK; i++)
        err = copy_folder(from, to, folders[i], ret_n, why);
    for (size_t i = 0; i < WR_ARRAY_LEN(files) && err == WR_OK; i++)
        err = copy_file(from, to, files[i], ret_n, why);
    return err;
}

static bool same_file(const char *a, const char *b, const char *name)
{
    char path_a[WR_HOME_PATH_MAX], path_b[WR_HOME_PATH_MAX];
    uint8_t *x = NULL, *y = NULL;
    size_t x_n = 0, y_n = 0;

    wr_home_path(a, name, path_a);
    wr_home_path(b, name, path_b);
    const bool same = wr_file_read(path_a, FILE_MAX, NULL, &x, &x_n) == WR_OK &&
                      wr_file_read(path_b, FILE_MAX, NULL, &y, &y_n) == WR_OK &&
                      wr_span_eq(wr_span(x, x_n), wr_span(y, y_n));

    free(x);
    free(y);
    return same;
}

/* ---- when it was last done ---------------------------------------------- */

static void newest_in(const char *dir, const char *name, struct timespec *ret)
{
    char path[WR_HOME_PATH_MAX];
    struct stat st;

    wr_home_path(dir, name, path);
    if (stat(path, &st) == 0 && (st.st_mtim.tv_sec > ret->tv_sec ||
                                 (st.st_mtim.tv_sec == ret->tv_sec &&
                                  st.st_mtim.tv_nsec > ret->tv_nsec)))
        *ret = st.st_mtim;
}

enum backup_state backup_state(const char *dir)
{
    struct timespec saved = {0}, newest = {0};
    char tickets[WR_HOME_PATH_MAX];
    struct dirent *e;

    newest_in(dir, stamp, &saved);
    if (saved.tv_sec == 0)
        return BACKUP_NONE;
    newest = saved;
    newest_in(dir, "ring.key", &newest);
    newest_in(dir, "identity", &newest);
    wr_home_path(dir, "tickets", tickets);
    DIR *d = opendir(tickets);
    while (d != NULL && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            newest_in(tickets, e->d_name, &newest);
    if (d != NULL)
        closedir(d);
    return newest.tv_sec == saved.tv_sec && newest.tv_nsec == saved.tv_nsec
               ? BACKUP_GOOD
               : BACKUP_OLD;
}

static enum wr_err stamp_it(const char *dir, const char *dest,
                            struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX], text[WR_HOME_PATH_MAX + 2];

    wr_home_path(dir, stamp, path);
    snprintf(text, sizeof(text), "%s\n", dest);
    return wr_file_write(path, 0600, wr_span_str(text), why);
}

/* ---- the commands ------------------------------------------------------- */

static void on_copied(void *arg, uint64_t done, uint64_t total)
{
    cli_progress_show(arg, done < total ? done : total, total, NULL);
}

/* Whether the identity in `dir` can be read, and the ring's key where it is the
 * issuer's. Whether it is a leaf's, in *ret_leaf, if that is not NULL. */
static enum wr_err read_keys(const char *dir, bool *ret_leaf,
                             struct wr_why *why)
{
    struct wr_home home;
    struct wr_sign_key key;
    enum wr_err err = wr_home_open(&home, dir, why);

    if (err != WR_OK)
        return err;
    if (ret_leaf != NULL)
        *ret_leaf = home.cred.role == WR_ROLE_LEAF;
    wr_home_close(&home);
    if (!is_there(dir, "ring.key"))
        return WR_OK;
    err = wr_home_ring_key(dir, &key, why);
    wr_secret_wipe(&key, sizeof(key));
    return err;
}

static int backup_keys(struct cli *cli, const char *dest)
{
    char keys[WR_HOME_PATH_MAX];
    struct wr_why why = {0};
    unsigned n = 0;

    wr_home_path(dest, "keys", keys);
    /* What is damaged is no reason to lose an older copy that is not. */
    if (read_keys(cli->dir, NULL, &why) != WR_OK)
        return cli_fail(cli, &why);
    if (is_there(keys, "identity") && !same_file(cli->dir, keys, "identity")) {
        wr_why(&why, WR_EINVAL,
               "%s holds the keys of another host; nothing was overwritten. "
               "Name another place",
               dest);
        return cli_fail(cli, &why);
    }
    enum wr_err err = wr_dir_make(dest, 0700, &why);
    if (err == WR_OK)
        err = copy_identity(cli->dir, keys, &n, &why);
    if (err == WR_OK)
        err = wr_dir_sync(keys, &why);
    if (err == WR_OK)
        err = stamp_it(cli->dir, dest, &why);
    if (err != WR_OK)
        return cli_fail(cli, &why);
    if (cli->json)
        printf("{\"files\":%u,\"keys\":true}\n", n);
    else if (!cli->quiet)
        printf("copied %u files of this identity to %s; keep it as secret as "
               "%s\n",
               n, keys, cli->dir);
    return 0;
}

static enum wr_err why_no_store(const struct cli *cli, struct wr_why *why)
{
    struct wr_home home;
    enum wr_err err = wr_home_open(&home, cli->dir, why);

    if (err != WR_OK)
        return err;
    err = home.cred.role == WR_ROLE_LEAF
              ? wr_why(why, WR_ENOTFOUND,
                       "%s is a leaf's, and has no store; 'wreath backup "
                       "--keys DIR' copies its identity",
                       cli->dir)
              : wr_why(why, WR_ENOTFOUND,
                       "there is no store in %s/store yet; 'wreath superpeer' "
                       "makes it",
                       cli->dir);
    wr_home_close(&home);
    return err;
}

static int backup_store(struct cli *cli, const char *dest)
{
    char from[WR_HOME_PATH_MAX], to[WR_HOME_PATH_MAX], data[WR_HOME_PATH_MAX];
    char word[2 * WR_HOME_PATH_MAX];
    struct cli_progress progress;
    struct wr_why why = {0};
    struct stat st = {0};
    char bytes[16];

    wr_home_path(cli->dir, "store", from);
    wr_home_path(dest, "store", to);
    enum wr_err err = is_there(from, "data.mdb") ? wr_dir_make(dest, 0700, &why)
                                                 : why_no_store(cli, &why);
    cli_progress_start(&progress, cli, "copying");
    if (err == WR_OK)
        err = wr_store_backup(from, to, on_copied, &progress, &why);
    cli_progress_end(&progress);
    if (err != WR_OK)
        return cli_fail(cli, &why);
    wr_home_path(to, "data.mdb", data);
    (void)stat(data, &st);
    if (cli->json)
        printf("{\"bytes\":%llu,\"keys\":false}\n",
               (unsigned long long)st.st_size);
    else if (!cli->quiet)
        printf("copied the store, %s, to %s; 'wreath fsck %s' judges it\n",
               wr_size_text((uint64_t)st.st_size, bytes), to,
               cli_word(to, word, sizeof(word)));
    return 0;
}

/* Whether `path`, some of which may not be there yet, is `dir` or in it. */
static bool is_within(const char *path, const char *dir)
{
    char part[WR_HOME_PATH_MAX], *real = NULL, *slash;
    char *own = realpath(dir, NULL);

    snprintf(part, sizeof(part), "%s", path);
    while (own != NULL && (real = realpath(part, NULL)) == NULL) {
        slash = strrchr(part, '/');
        if (slash == part || strcmp(part, ".") == 0)
            break; /* From the root, or nothing left. */
        if (slash != NULL)
            *slash = '\0';
        else
            strcpy(part, ".");
    }
    const size_t n = own != NULL ? strlen(own) : 0;
    const bool within = real != NULL && strncmp(real, own, n) == 0 &&
                        (real[n] == '\0' || real[n] == '/');
    free(real);
    free(own);
    return within;
}

/* A disk that is gone takes what lies in the same directory with it, and a
 * host's directory is none to restore from. */
static enum wr_err judge_dest(const struct cli *cli, const char *dest,
                              struct wr_why *why)
{
    if (is_within(dest, cli->dir))
        return wr_why(why, WR_EINVAL,
                      "%s lies in the directory that is to be copied; name a "
                      "place outside, on another disk",
                      dest);
    if (is_there(dest, "identity"))
        return wr_why(why, WR_EINVAL,
                      "%s is a host's own directory; name another place", dest);
    return WR_OK;
}

int cmd_backup(struct cli *cli, int argc, char **argv)
{
    bool keys = false;
    const struct option_row rows[] = {{"keys", 0, NULL, &keys, NULL}};
    struct wr_why why = {0};
    int first;
    const int over = cli_options(cli, "backup", rows, 1, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, "backup", "say the directory that it goes to");
    if (strlen(argv[first]) + 16 > WR_HOME_DIR_MAX)
        return cli_usage(cli, "backup", "the path is too long");
    if (judge_dest(cli, argv[first], &why) != WR_OK)
        return cli_fail(cli, &why);
    return keys ? backup_keys(cli, argv[first])
                : backup_store(cli, argv[first]);
}

/* Others remember how often the host has started, and take an older number for
 * an earlier start. */
static enum wr_err skip_incarnations(const char *dir, struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX], text[32];
    uint8_t *bytes;
    size_t n;

    wr_home_path(dir, "incarnation", path);
    if (wr_file_read(path, 32, NULL, &bytes, &n) != WR_OK)
        return WR_OK;
    const unsigned long long was = strtoull((const char *)bytes, NULL, 10);
    free(bytes);
    snprintf(text, sizeof(text), "%llu\n", was + INCARNATION_SKIP);
    return wr_file_write(path, 0644, wr_span_str(text), why);
}

static enum wr_err restore_keys(struct cli *cli, const char *source,
                                struct wr_why *why)
{
    char keys[WR_HOME_PATH_MAX];
    unsigned n = 0;

    wr_home_path(cli->dir, "run", keys);
    enum wr_err err = wr_dir_make(keys, 0700, why);
    wr_home_path(source, "keys", keys);
    if (err == WR_OK)
        err = copy_identity(keys, cli->dir, &n, why);
    return err == WR_OK ? skip_incarnations(cli->dir, why) : err;
}

static enum wr_err restore_store(struct cli *cli, const char *source,
                                 struct wr_why *why)
{
    char from[WR_HOME_PATH_MAX], to[WR_HOME_PATH_MAX];
    struct cli_progress progress;
    enum wr_err err;

    wr_home_path(source, "store", from);
    wr_home_path(cli->dir, "store", to);
    cli_progress_start(&progress, cli, "restoring");
    err = wr_store_restore(from, to, on_copied, &progress, why);
    cli_progress_end(&progress);
    return err;
}

/* Nothing that is there is overwritten, and nothing is begun that cannot be
 * ended. */
static enum wr_err judge(struct cli *cli, const char *source, bool keys,
                         bool store, struct wr_why *why)
{
    const char *part = strrchr(source, '/');
    char word[2 * WR_HOME_PATH_MAX];

    part = part != NULL ? part + 1 : source;
    if (!keys && !store &&
        ((strcmp(part, "keys") == 0 && is_there(source, "identity")) ||
         (strcmp(part, "store") == 0 && is_there(source, "data.mdb"))))
        return wr_why(why, WR_ENOTFOUND,
                      "%s is a part of a backup; name the directory that it "
                      "lies in",
                      source);
    if (is_there(source, "identity")) /* Its store may be in use. */
        return wr_why(why, WR_ENOTFOUND,
                      "there is no backup in %s, it is a host's own directory; "
                      "'wreath --dir %s backup' makes one",
                      source, cli_word(source, word, sizeof(word)));
    if (!keys && !store)
        return wr_why(why, WR_ENOTFOUND, "there is no backup in %s", source);
    if (keys && is_there(cli->dir, "identity"))
        return wr_why(why, WR_EINVAL,
                      "%s holds an identity already; nothing was overwritten. "
                      "Say an empty place with --dir",
                      cli->dir);
    if (store && is_there(cli->dir, "store"))
        return wr_why(why, WR_EINVAL,
                      "%s holds a store already; nothing was overwritten. Move "
                      "it away first",
                      cli->dir);
    return wr_dir_make(cli->dir, 0700, why);
}

/* The identity that is to be restored opens. What it is, in *ret_leaf. */
static enum wr_err judge_keys(const char *source, bool *ret_leaf,
                              struct wr_why *why)
{
    char keys[WR_HOME_PATH_MAX];
    enum wr_err err;

    wr_home_path(source, "keys", keys);
    err = read_keys(keys, ret_leaf, why);
    if (err == WR_EDAMAGED || err == WR_ENOTFOUND)
        return wr_why(why, WR_EDAMAGED,
                      "the keys in %s are damaged or not complete; nothing was "
                      "restored",
                      keys);
    return err;
}

static void tell_restored(const struct cli *cli, bool keys, bool store,
                          bool leaf)
{
    char self[CLI_SELF_MAX];

    if (cli->json)
        printf("{\"keys\":%s,\"store\":%s}\n", keys ? "true" : "false",
               store ? "true" : "false");
    else if (!cli->quiet)
        printf("restored %s%s%s to %s\nthe original must never run again; then "
               "'%s %s' here\n",
               keys ? "the identity" : "", keys && store ? " and " : "",
               store ? "the store" : "", cli->dir, cli_self(cli, self),
               leaf ? "ls" : "superpeer");
}

int cmd_restore(struct cli *cli, int argc, char **argv)
{
    bool keys_only = false;
    const struct option_row rows[] = {{"keys", 0, NULL, &keys_only, NULL}};
    struct wr_why why = {0};
    int first;
    const int over = cli_options(cli, "restore", rows, 1, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, "restore", "say the directory of the backup");
    if (strlen(argv[first]) + 32 > WR_HOME_DIR_MAX)
        return cli_usage(cli, "restore", "the path is too long");
    char *source = argv[first];
    for (size_t n = strlen(source); n > 1 && source[n - 1] == '/'; n--)
        source[n - 1] = '\0';
    const bool keys = is_there(source, "keys/identity");
    const bool store = !keys_only && is_there(source, "store/data.mdb");
    bool leaf = false;
    enum wr_err err = keys ? judge_keys(source, &leaf, &why) : WR_OK;
    if (err == WR_OK)
        err = judge(cli, source, keys, store, &why);
    if (err == WR_OK && store) /* First: an identity without it would start. */
        err = restore_store(cli, source, &why);
    if (err == WR_OK && keys)
        err = restore_keys(cli, source, &why);
    if (err != WR_OK)
        return cli_fail(cli, &why);
    tell_restored(cli, keys, store, leaf);
    return 0;
}
