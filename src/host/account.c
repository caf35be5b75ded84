/* account.c - see account.h. */
#include "host/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/home.h"
#include "sys/fs.h"
#include "sys/log.h"

enum {
    LINE_MAX_BYTES = 2 * WR_HEX_SIZE(16) + 48,
    FILE_MAX = WR_ACCOUNT_PUTS * LINE_MAX_BYTES,
};

static const struct wr_put_id merged;

static bool is_of(const struct wr_account_put *p, const uint8_t *host)
{
    return memcmp(p->host, host, WR_CRED_HOST) == 0;
}

static struct wr_account_put *find(const struct wr_account *a,
                                   const uint8_t *host,
                                   const struct wr_put_id *put)
{
    for (uint32_t i = 0; i < a->puts_n; i++)
        if (memcmp(&a->puts[i].put, put, sizeof(*put)) == 0 &&
            is_of(&a->puts[i], host))
            return &a->puts[i];
    return NULL;
}

static void erase(struct wr_account *a, struct wr_account_put *p)
{
    const size_t behind = (size_t)(&a->puts[--a->puts_n] - p);

    memmove(p, p + 1, behind * sizeof(*p));
    a->dirty = true;
}

static struct wr_account_put *append(struct wr_account *a, const uint8_t *host,
                                     const struct wr_put_id *put)
{
    struct wr_account_put *p = &a->puts[a->puts_n++];

    *p = (struct wr_account_put){.put = *put};
    memcpy(p->host, host, WR_CRED_HOST);
    return p;
}

/* The oldest half becomes one entry for each leaf. */
static void merge_oldest(struct wr_account *a)
{
    struct wr_account_put *old = a->puts;
    const uint32_t n = a->puts_n / 2, rest = a->puts_n - n;
    struct wr_account_put *v = calloc(WR_ACCOUNT_PUTS, sizeof(*v));

    if (v == NULL)
        return;
    a->puts = v;
    a->puts_n = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct wr_account_put *p = find(a, old[i].host, &merged);

        if (p == NULL)
            p = append(a, old[i].host, &merged);
        p->bytes += old[i].bytes;
    }
    memcpy(&a->puts[a->puts_n], &old[n], rest * sizeof(*v));
    a->puts_n += rest;
    free(old);
}

static struct wr_account_put *find_or_add(struct wr_account *a,
                                          const uint8_t *host,
                                          const struct wr_put_id *put)
{
    struct wr_account_put *p = find(a, host, put);

    if (p != NULL)
        return p;
    if (a->puts_n == WR_ACCOUNT_PUTS)
        merge_oldest(a);
    return a->puts_n < WR_ACCOUNT_PUTS ? append(a, host, put) : NULL;
}

/* ---- the file ---------------------------------------------------------------
 */

static bool read_line(struct wr_account *a, const char *line)
{
    char host[WR_HEX_SIZE(WR_CRED_HOST)], put[WR_HEX_SIZE(16)];
    struct wr_account_put p = {.bytes = 0};

    if (a->puts_n == WR_ACCOUNT_PUTS ||
        sscanf(line, "%32s %32s %" SCNu64, host, put, &p.bytes) != 3 ||
        wr_unhex(host, p.host, sizeof(p.host)) != WR_OK ||
        wr_unhex(put, p.put.b, sizeof(p.put.b)) != WR_OK)
        return false;
    a->puts[a->puts_n++] = p;
    return true;
}

enum wr_err wr_account_open(struct wr_account *a, const char *dir)
{
    char path[WR_HOME_PATH_MAX], *save = NULL;
    uint8_t *bytes = NULL;
    size_t n;

    *a = (struct wr_account){
        .puts = calloc(WR_ACCOUNT_PUTS, sizeof(*a->puts)),
        .open = calloc(WR_ACCOUNT_OPEN, sizeof(*a->open)),
    };
    if (a->puts == NULL || a->open == NULL)
        return WR_ENOMEM;
    wr_home_path(dir, "accounts", path);
    if (wr_file_read(path, FILE_MAX, NULL, &bytes, &n) != WR_OK)
        return WR_OK;
    for (char *l = strtok_r((char *)bytes, "\n", &save); l != NULL;
         l = strtok_r(NULL, "\n", &save))
        if (!read_line(a, l)) {
            WR_LOG(WARN, "host", "a damaged line of accounts passed over",
                   WR_KV_STR("path", path));
            break;
        }
    free(bytes);
    return WR_OK;
}

void wr_account_close(struct wr_account *a)
{
    free(a->puts);
    free(a->open);
    *a = (struct wr_account){0};
}

char *wr_account_dump(const struct wr_account *a)
{
    char *text = malloc((size_t)a->puts_n * LINE_MAX_BYTES + 1);
    char host[WR_HEX_SIZE(WR_CRED_HOST)], put[WR_HEX_SIZE(16)];
    size_t at = 0;

    if (text == NULL)
        return NULL;
    text[0] = '\0';
    for (uint32_t i = 0; i < a->puts_n; i++) {
        const struct wr_account_put *p = &a->puts[i];

        wr_hex(wr_span(p->host, sizeof(p->host)), host);
        wr_hex(wr_span(p->put.b, sizeof(p->put.b)), put);
        at += (size_t)snprintf(text + at, LINE_MAX_BYTES, "%s %s %" PRIu64 "\n",
                               host, put, p->bytes);
    }
    return text;
}

/* ---- counting
 * ---------------------------------------------------------------- */

uint64_t wr_account_used(const struct wr_account *a,
                         const uint8_t host[static WR_CRED_HOST])
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < a->puts_n; i++)
        if (is_of(&a->puts[i], host))
            sum += a->puts[i].bytes;
    return sum;
}

/* What is under way, and may stand soon. */
static uint64_t under_way(const struct wr_account *a, const uint8_t *host,
                          wr_time now)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < WR_ACCOUNT_OPEN && i < a->open_at; i++)
        if (now - a->open[i].at < WR_ACCOUNT_OPEN_US &&
            memcmp(a->open[i].host, host, WR_CRED_HOST) == 0)
            sum += a->open[i].bytes;
    return sum;
}

bool wr_account_admits(struct wr_account *a, const struct wr_cred *cred,
                       wr_host leaf, const struct wr_msg *m, uint32_t bytes,
                       wr_time now, uint64_t *ret_counted)
{
    struct wr_account_open *o;
    uint64_t used;

    if (cred->quota == 0)
        return true;
    used = wr_account_used(a, cred->host) + under_way(a, cred->host, now);
    if (used >= cred->quota || cred->quota - used < bytes) {
        *ret_counted = used < UINT64_MAX - bytes ? used + bytes : UINT64_MAX;
        return false;
    }
    o = &a->open[a->open_at++ % WR_ACCOUNT_OPEN];
    *o = (struct wr_account_open){.leaf = leaf,
                                  .rid = m->rid,
                                  .put = m->put.put,
                                  .bytes = bytes,
                                  .at = now};
    memcpy(o->host, cred->host, sizeof(o->host));
    return true;
}

void wr_account_done(struct wr_account *a, wr_host leaf, const struct wr_msg *m)
{
    if (m->kind != WR_MSG_PUT_DONE)
        return;
    for (uint32_t i = 0; i < WR_ACCOUNT_OPEN && i < a->open_at; i++) {
        struct wr_account_open *o = &a->open[i];
        struct wr_account_put *p;

        if (o->bytes == 0 || o->leaf != leaf || o->rid != m->rid)
            continue;
        p = m->put_done.status == WR_STATUS_OK
                ? find_or_add(a, o->host, &o->put)
                : NULL;
        if (p != NULL)
            p->bytes += o->bytes;
        a->dirty = a->dirty || p != NULL;
        o->bytes = 0; /* Once. */
        return;
    }
}

bool wr_account_next(struct wr_account *a, struct wr_put_id *ret)
{
    if (a->puts_n == 0)
        return false;
    *ret = a->puts[a->turn++ % a->puts_n].put;
    return memcmp(ret, &merged, sizeof(merged)) != 0; /* Of no put. */
}

void wr_account_over(struct wr_account *a, const struct wr_put_id *put)
{
    for (uint32_t i = a->puts_n; i-- > 0;)
        if (memcmp(&a->puts[i].put, put, sizeof(*put)) == 0)
            erase(a, &a->puts[i]);
}
