/* config.c - a file of settings, and the values that people write: numbers
 * with units, times, addresses. What is taken lies in its range; what is not is
 * refused in words. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "host/config.h"
#include "net/addr.h"

static const struct {
    bool number;
    uint64_t least, most;
} ranges[] = {
#define X(name, kind, value, least, most, text)                                \
    {WR_CONFIG_IS_##kind != WR_CONFIG_IS_TEXT, least, most},
    WR_CONFIG_MAP(X)
#undef X
};

static void file(struct wr_span in)
{
    const int fd = memfd_create("config", MFD_CLOEXEC);
    struct wr_config c;
    struct wr_why why = {0};
    char path[64];

    WR_CHECK(fd >= 0);
    WR_CHECK(write(fd, in.p, in.n) == (ssize_t)in.n);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    wr_config_init(&c);
    if (wr_config_file(&c, path, &why) != WR_OK)
        WR_CHECK(why.text[0] != '\0');
    for (unsigned i = 0; i < WR_CONFIG_N; i++) {
        WR_CHECK(memchr(c.v[i].text, '\0', sizeof(c.v[i].text)) != NULL);
        if (ranges[i].number)
            WR_CHECK(c.v[i].number >= ranges[i].least &&
                     c.v[i].number <= ranges[i].most);
    }
    close(fd);
}

static void words(const char *text)
{
    char host[WR_ADDR_NAME], again[WR_ADDR_TEXT];
    struct wr_addr a, b;
    uint64_t bytes;
    uint16_t port;
    wr_time us;

    (void)!wr_bytes_parse(text, &bytes);
    if (wr_duration_parse(text, &us) == WR_OK)
        WR_CHECK(us != WR_NEVER);
    if (wr_addr_split(text, 1, host, &port) == WR_OK)
        WR_CHECK(memchr(host, '\0', sizeof(host)) != NULL);
    if (wr_addr_parse(text, 1, &a) == WR_OK) {
        WR_CHECK(wr_addr_parse(wr_addr_text(&a, again), 2, &b) == WR_OK);
        WR_CHECK(memcmp(a.ip, b.ip, sizeof(a.ip)) == 0 && a.port == b.port);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);
    char text[300];
    struct wr_span in;

    if (fuzz_flag(&f)) {
        file(fuzz_bytes(&f, 1 << 16));
        return 0;
    }
    in = fuzz_bytes(&f, sizeof(text) - 1);
    memcpy(text, in.p, in.n);
    text[in.n] = '\0';
    words(text);
    return 0;
}
