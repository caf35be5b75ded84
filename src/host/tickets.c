/* tickets.c - see tickets.h. */
#include "host/tickets.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/home.h"
#include "crypto/secret.h"
#include "sys/fs.h"

enum { TICKET_FILE_MAX = 16 << 20 };

static void path_of(const char *dir, const uint8_t *serial,
                    char ret[WR_HOME_PATH_MAX])
{
    char name[sizeof("tickets/") + WR_HEX_SIZE(WR_CRED_SERIAL)] = "tickets/";

    wr_hex(wr_span(serial, WR_CRED_SERIAL), name + strlen(name));
    wr_home_path(dir, name, ret);
}

static enum wr_err save(const char *path, const json_t *o, struct wr_why *why)
{
    char *text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);
    enum wr_err err;

    if (text == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    err = wr_file_write(path, 0600, wr_span_str(text), why);
    free(text);
    return err;
}

enum wr_err wr_tickets_add(const char *dir,
                           const uint8_t serial[static WR_CRED_SERIAL],
                           const uint8_t token[static WR_TICKET_TOKEN],
                           const struct wr_invite *invite, struct wr_why *why)
{
    uint8_t hash[32];
    char hex[WR_HEX_SIZE(32)], path[WR_HOME_PATH_MAX];
    enum wr_err err;

    wr_home_path(dir, "tickets", path);
    err = wr_dir_make(path, 0700, why);
    if (err != WR_OK)
        return err;
    wr_ticket_token_hash(token, hash);
    wr_hex(wr_span(hash, sizeof(hash)), hex);
    json_t *o = json_pack(
        "{s:s, s:s, s:i, s:I, s:I, s:I, s:s, s:[]}", "token_hash", hex, "role",
        invite->role == WR_ROLE_SUPERPEER ? "super-peer" : "leaf", "members",
        (int)invite->members, "uses", (json_int_t)invite->uses, "expires",
        (json_int_t)invite->expires, "quota", (json_int_t)invite->quota, "site",
        invite->site, "issued");
    if (o == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    path_of(dir, serial, path);
    err = save(path, o, why);
    json_decref(o);
    return err;
}

/* The credential given to these keys before, if any. */
static bool issued_before(const json_t *issued, const char *keys, uint8_t *ret,
                          size_t *ret_n)
{
    size_t i;
    json_t *e;

    json_array_foreach(issued, i, e)
    {
        const char *k = json_string_value(json_object_get(e, "keys"));
        const char *c = json_string_value(json_object_get(e, "credential"));

        if (k == NULL || c == NULL || strcmp(k, keys) != 0)
            continue;
        const size_t n = strlen(c) / 2;
        if (n <= WR_CRED_BYTES_MAX && wr_unhex(c, ret, n) == WR_OK) {
            *ret_n = n;
            return true;
        }
    }
    return false;
}

static bool token_fits(const json_t *o, const struct wr_join *join)
{
    const char *hex = json_string_value(json_object_get(o, "token_hash"));
    uint8_t want[32], got[32], differ = 0;

    if (hex == NULL || wr_unhex(hex, want, sizeof(want)) != WR_OK)
        return false;
    wr_ticket_token_hash(join->token, got);
    for (size_t i = 0; i < sizeof(got); i++)
        differ |= want[i] ^ got[i];
    return differ == 0;
}

/* A number of the file; false if it is none, or not from 0 to `most`: what is
 * missing must never read as "no limit". */
static bool number(const json_t *o, const char *name, uint64_t most,
                   uint64_t *ret)
{
    const json_t *v = json_object_get(o, name);

    if (!json_is_integer(v) || json_integer_value(v) < 0 ||
        (uint64_t)json_integer_value(v) > most)
        return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static bool credential_of(const json_t *o, const struct wr_join *join,
                          uint32_t use, struct wr_cred *ret)
{
    const char *role = json_string_value(json_object_get(o, "role"));
    const char *site = json_string_value(json_object_get(o, "site"));
    uint64_t members, quota;

    if (role == NULL || site == NULL || strlen(site) > WR_CRED_SITE_MAX ||
        !number(o, "members", WR_CRED_MEMBERS_MAX, &members) ||
        !number(o, "quota", INT64_MAX, &quota))
        return false;
    *ret = (struct wr_cred){
        .role =
            strcmp(role, "super-peer") == 0 ? WR_ROLE_SUPERPEER : WR_ROLE_LEAF,
        .members = (uint8_t)members,
        .quota = quota,
    };
    strcpy(ret->site, site);
    memcpy(ret->noise_public, join->noise_public, WR_NOISE_KEY);
    memcpy(ret->sign_public, join->sign_public, WR_SIGN_PUBLIC);
    wr_cred_host_id(join->serial, use, ret->host);
    return true;
}

static void keys_hex(const struct wr_join *join,
                     char ret[WR_HEX_SIZE(WR_NOISE_KEY + WR_SIGN_PUBLIC)])
{
    wr_hex(wr_span(join->noise_public, WR_NOISE_KEY), ret);
    wr_hex(wr_span(join->sign_public, WR_SIGN_PUBLIC), ret + 2 * WR_NOISE_KEY);
}

static enum wr_err damaged(struct wr_why *why)
{
    return wr_why(why, WR_EREFUSED,
                  "the issuer's record of this ticket is damaged; ask for "
                  "another ticket");
}

/* Signs, writes the use down, and only then gives the credential out. */
static enum wr_err issue(const char *path, json_t *o,
                         const struct wr_join *join,
                         const struct wr_sign_key *ring_key, uint8_t *ret,
                         size_t *ret_n, struct wr_why *why)
{
    json_t *issued = json_object_get(o, "issued");
    char keys[WR_HEX_SIZE(WR_NOISE_KEY + WR_SIGN_PUBLIC)];
    char text[WR_HEX_SIZE(WR_CRED_BYTES_MAX)];
    uint8_t bytes[WR_CRED_BYTES_MAX];
    struct wr_cred cred;
    size_t n;

    if (!credential_of(o, join, (uint32_t)json_array_size(issued), &cred) ||
        wr_cred_issue(&cred, ring_key, bytes, &n) != WR_OK)
        return damaged(why);
    keys_hex(join, keys);
    wr_hex(wr_span(bytes, n), text);
    json_array_append_new(
        issued, json_pack("{s:s, s:s}", "keys", keys, "credential", text));
    const enum wr_err err = save(path, o, why);
    if (err != WR_OK)
        return err;
    memcpy(ret, bytes, n);
    *ret_n = n;
    return WR_OK;
}

static enum wr_err redeem(const char *path, json_t *o,
                          const struct wr_join *join,
                          const struct wr_sign_key *ring_key, uint64_t now_s,
                          uint8_t *ret, size_t *ret_n, struct wr_why *why)
{
    const json_t *issued = json_object_get(o, "issued");
    char keys[WR_HEX_SIZE(WR_NOISE_KEY + WR_SIGN_PUBLIC)];
    uint64_t expires, uses;

    if (!json_is_array(issued) || !token_fits(o, join))
        return wr_why(
            why, WR_EREFUSED,
            "the issuer does not know this ticket; ask for a new one");
    keys_hex(join, keys);
    if (issued_before(issued, keys, ret, ret_n))
        return WR_OK;
    if (!number(o, "expires", INT64_MAX, &expires) ||
        !number(o, "uses", WR_TICKET_USES_MAX, &uses))
        return damaged(why);
    if (expires != 0 && now_s > expires)
        return wr_why(why, WR_EREFUSED,
                      "this ticket has expired; ask for a new one");
    if (json_array_size(issued) >= uses)
        return wr_why(why, WR_EREFUSED,
                      "this ticket is used up; ask for a new one");
    return issue(path, o, join, ring_key, ret, ret_n, why);
}

enum wr_err wr_tickets_redeem(const char *dir, struct wr_span sealed,
                              const struct wr_sign_key *ring_key,
                              uint64_t now_s, uint8_t *ret, size_t *ret_n,
                              struct wr_why *why)
{
    struct wr_join join;
    char path[WR_HOME_PATH_MAX];
    uint8_t *bytes;
    size_t n;
    enum wr_err err = wr_join_open(sealed, ring_key, &join);

    if (err != WR_OK)
        return wr_why(why, WR_EREFUSED,
                      "this ticket is of another ring, or damaged");
    path_of(dir, join.serial, path);
    err = wr_file_read(path, TICKET_FILE_MAX, NULL, &bytes, &n);
    if (err != WR_OK) {
        wr_secret_wipe(&join, sizeof(join));
        return wr_why(
            why, WR_EREFUSED,
            "the issuer does not know this ticket; ask for a new one");
    }
    json_t *o = json_loadb((const char *)bytes, n, 0, NULL);
    err = redeem(path, o, &join, ring_key, now_s, ret, ret_n, why);
    json_decref(o);
    free(bytes);
    wr_secret_wipe(&join, sizeof(join));
    return err;
}
