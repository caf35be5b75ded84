/* cards.c - see cards.h. */
#include "host/cards.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/home.h"
#include "net/addr.h"
#include "sys/fs.h"
#include "sys/log.h"

enum { MEMBERS_FILE_MAX = 16 << 20 };

enum wr_err wr_cards_init(struct wr_cards *c,
                          const uint8_t ring[WR_SIGN_PUBLIC],
                          struct wr_book *book)
{
    *c = (struct wr_cards){
        .book = book,
        .v = calloc(book->hosts_cap, sizeof(*c->v)),
        .revoked_bytes = malloc(WR_REVOKED_BYTES_MAX),
    };
    memcpy(c->ring, ring, sizeof(c->ring));
    if (c->v == NULL || c->revoked_bytes == NULL) {
        wr_cards_done(c);
        return WR_ENOMEM;
    }
    return WR_OK;
}

void wr_cards_done(struct wr_cards *c)
{
    free(c->v);
    free(c->revoked_bytes);
    *c = (struct wr_cards){0};
}

/* Sites are compared, never shown, by the protocol: a number is enough. */
static uint32_t site_hash(const char *site)
{
    uint32_t h = 2166136261u; /* FNV-1a. */

    if (site[0] == '\0')
        return 0;
    for (; *site != '\0'; site++)
        h = (h ^ (uint8_t)*site) * 16777619u;
    return h == 0 ? 1 : h;
}

enum wr_err wr_cards_add(struct wr_cards *c, struct wr_span credential,
                         wr_host *ret, bool *ret_new)
{
    struct wr_cred cred;
    struct wr_host_id id;
    enum wr_err err = wr_cred_open(credential, c->ring, &cred);

    if (err != WR_OK)
        return err;
    if (cred.role != WR_ROLE_SUPERPEER)
        return WR_EREFUSED;
    memcpy(id.b, cred.host, sizeof(id.b));
    wr_host h = wr_book_find(c->book, &id);
    if (h != WR_NO_HOST &&
        memcmp(c->v[h].cred.noise_public, cred.noise_public, WR_NOISE_KEY) != 0)
        return WR_EREFUSED; /* Two hosts never share an id. */
    *ret_new = h == WR_NO_HOST;
    if (*ret_new)
        h = wr_book_add(c->book, &id, cred.members, site_hash(cred.site), NULL);
    if (h == WR_NO_HOST)
        return WR_EFULL;
    if (*ret_new) {
        c->v[h].cred = cred;
        memcpy(c->v[h].bytes, credential.p, credential.n);
        c->v[h].bytes_n = credential.n;
        c->dirty = true;
    }
    *ret = h;
    return WR_OK;
}

bool wr_cards_said(struct wr_cards *c, wr_host h, const struct wr_addr *addr,
                   uint32_t incarnation)
{
    struct wr_card *card = &c->v[h];
    struct wr_book_host *host = &c->book->hosts[h];

    if (addr->port == 0)
        return false;
    if (incarnation == card->incarnation && wr_addr_eq(addr, &host->addr))
        return false;
    card->incarnation = incarnation;
    host->addr = *addr;
    c->dirty = true;
    return true;
}

bool wr_cards_heard(struct wr_cards *c, wr_host h, const struct wr_addr *addr,
                    uint32_t incarnation)
{
    const struct wr_card *card = &c->v[h];

    if (incarnation < card->incarnation ||
        (incarnation == card->incarnation && c->book->hosts[h].addr.port != 0))
        return false;
    return wr_cards_said(c, h, addr, incarnation);
}

bool wr_cards_farewell(struct wr_cards *c, wr_host h, struct wr_span farewell)
{
    struct wr_card *card = &c->v[h];

    if (card->left || wr_farewell_open(farewell, &card->cred) != WR_OK)
        return false;
    memcpy(card->farewell, farewell.p, sizeof(card->farewell));
    card->left = true;
    c->dirty = true;
    return true;
}

void wr_cards_confirmed(struct wr_cards *c, wr_host h)
{
    c->v[h].confirmed = true;
    c->dirty = true;
}

void wr_cards_linked(struct wr_cards *c, wr_host h, uint64_t now_s)
{
    c->dirty = c->dirty || c->v[h].silent_s > 0;
    c->v[h].silent_s = 0;
    if (now_s != 0)
        c->v[h].seen_s = now_s;
}

void wr_cards_note(struct wr_cards *c, wr_host self, wr_linked_fn *linked,
                   const void *arg, uint64_t passed_s, uint64_t now_s)
{
    bool any = false;

    for (wr_host h = 0; h < c->book->hosts_n; h++) {
        if (h == self || !linked(arg, h))
            continue;
        any = true;
        wr_cards_linked(c, h, now_s);
    }
    for (wr_host h = 0; any && h < c->book->hosts_n; h++)
        if (h != self && !linked(arg, h))
            c->v[h].silent_s += passed_s;
}

uint32_t wr_cards_silent_s(const struct wr_cards *c, wr_host h,
                           uint64_t least_s)
{
    const uint64_t silent_s = wr_card_of(c, h)->silent_s;

    if (silent_s <= least_s)
        return 0;
    return silent_s < UINT32_MAX ? (uint32_t)silent_s : UINT32_MAX;
}

bool wr_cards_revoke(struct wr_cards *c, struct wr_span list)
{
    struct wr_revoked r;

    if (list.n > WR_REVOKED_BYTES_MAX ||
        wr_revoked_open(list, c->ring, &r) != WR_OK ||
        r.number <= c->revoked.number)
        return false;
    memcpy(c->revoked_bytes, list.p, list.n);
    const enum wr_err err = wr_revoked_open(wr_span(c->revoked_bytes, list.n),
                                            c->ring, &c->revoked);
    WR_CHECK(err == WR_OK);
    return true;
}

enum wr_roster_state wr_cards_state(const struct wr_cards *c, wr_host h)
{
    const uint8_t *id = c->v[h].cred.host;

    if (wr_revoked_find(&c->revoked, id) != WR_REVOKED_NOT)
        return WR_ROSTER_REMOVED;
    return c->v[h].left ? WR_ROSTER_LEFT : WR_ROSTER_ADMITTED;
}

bool wr_cards_cut_off(const struct wr_cards *c,
                      const uint8_t host[WR_CRED_HOST])
{
    return wr_revoked_find(&c->revoked, host) == WR_REVOKED_CUT_OFF;
}

static json_t *card_json(const struct wr_card *card, const struct wr_addr *addr)
{
    char cred[WR_HEX_SIZE(WR_CRED_BYTES_MAX)];
    char bye[WR_HEX_SIZE(WR_FAREWELL_BYTES)] = "", text[WR_ADDR_TEXT];

    wr_hex(wr_span(card->bytes, card->bytes_n), cred);
    if (card->left)
        wr_hex(wr_span(card->farewell, sizeof(card->farewell)), bye);
    return json_pack(
        "{s:s, s:s, s:I, s:s, s:b, s:I, s:I}", "credential", cred, "address",
        wr_addr_text(addr, text), "incarnation", (json_int_t)card->incarnation,
        "farewell", bye, "confirmed", (int)card->confirmed, "seen",
        (json_int_t)card->seen_s, "silent", (json_int_t)card->silent_s);
}

char *wr_cards_dump(struct wr_cards *c)
{
    json_t *all = json_array();

    for (wr_host h = 0; h < c->book->hosts_n; h++)
        json_array_append_new(all,
                              card_json(&c->v[h], &c->book->hosts[h].addr));
    char *text = json_dumps(all, JSON_INDENT(1));
    json_decref(all);
    if (text != NULL)
        c->dirty = false;
    return text;
}

/* False if the entry makes no sense. */
static bool load_one(struct wr_cards *c, const json_t *e)
{
    const char *cred = json_string_value(json_object_get(e, "credential"));
    const char *bye = json_string_value(json_object_get(e, "farewell"));
    const char *at = json_string_value(json_object_get(e, "address"));
    uint8_t bytes[WR_CRED_BYTES_MAX], farewell[WR_FAREWELL_BYTES];
    struct wr_addr addr;
    wr_host h;
    bool is_new;

    if (cred == NULL || strlen(cred) / 2 > sizeof(bytes) ||
        wr_unhex(cred, bytes, strlen(cred) / 2) != WR_OK ||
        wr_cards_add(c, wr_span(bytes, strlen(cred) / 2), &h, &is_new) != WR_OK)
        return false;
    const json_int_t inc =
        json_integer_value(json_object_get(e, "incarnation"));
    const json_int_t seen = json_integer_value(json_object_get(e, "seen"));
    const json_int_t silent = json_integer_value(json_object_get(e, "silent"));
    if (at != NULL && wr_addr_parse(at, 0, &addr) == WR_OK && inc >= 0 &&
        inc <= UINT32_MAX)
        (void)wr_cards_heard(c, h, &addr, (uint32_t)inc);
    c->v[h].seen_s = seen > 0 ? (uint64_t)seen : 0;
    c->v[h].silent_s = silent > 0 ? (uint64_t)silent : 0;
    if (bye != NULL && wr_unhex(bye, farewell, sizeof(farewell)) == WR_OK)
        wr_cards_farewell(c, h, wr_span(farewell, sizeof(farewell)));
    c->v[h].confirmed = json_is_true(json_object_get(e, "confirmed"));
    return true;
}

static void load_members(struct wr_cards *c, const char *dir)
{
    char path[WR_HOME_PATH_MAX];
    uint8_t *bytes;
    size_t n, i;
    json_t *e;

    wr_home_path(dir, "members", path);
    if (wr_file_read(path, MEMBERS_FILE_MAX, NULL, &bytes, &n) != WR_OK)
        return;
    json_t *all = json_loadb((const char *)bytes, n, 0, NULL);
    free(bytes);
    if (!json_is_array(all))
        WR_LOG(WARN, "host", "damaged list of members passed over",
               WR_KV_STR("path", path));
    json_array_foreach(all, i, e)
    {
        if (!load_one(c, e))
            WR_LOG(WARN, "host", "damaged entry passed over",
                   WR_KV_STR("path", path), WR_KV_U64("entry", i));
    }
    json_decref(all);
}

void wr_cards_load(struct wr_cards *c, const char *dir)
{
    char path[WR_HOME_PATH_MAX];
    uint8_t *bytes;
    size_t n;

    load_members(c, dir);
    wr_home_path(dir, "revoked", path);
    if (wr_file_read(path, WR_REVOKED_BYTES_MAX, NULL, &bytes, &n) == WR_OK) {
        if (!wr_cards_revoke(c, wr_span(bytes, n)))
            WR_LOG(WARN, "host", "damaged revocation list passed over",
                   WR_KV_STR("path", path));
        free(bytes);
    }
    c->dirty = false;
}

const char *wr_host_name(const uint8_t host[WR_CRED_HOST], char ret[9])
{
    wr_hex(wr_span(host, 4), ret);
    return ret;
}
