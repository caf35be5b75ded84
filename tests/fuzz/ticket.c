/* ticket.c - the line that invites somebody: what is taken is written the same
 * way again. As no fuzzer finds the check at its end, the input may be the
 * bytes below it. */
#include "crypto/ticket.h"
#include "base/text.h"
#include "crypto/blake2b.h"
#include "fuzz.h"

static void check(struct wr_span text)
{
    static char again[WR_TICKET_TEXT_MAX];
    struct wr_ticket t, t2;
    const enum wr_ticket_fault fault = wr_ticket_parse(text, &t);

    WR_CHECK(wr_ticket_fault_text(fault) != NULL);
    if (fault != WR_TICKET_GOOD)
        return;
    WR_CHECK(t.n_addrs >= 1 && t.n_addrs <= WR_TICKET_ADDRS_MAX);
    for (unsigned i = 0; i < t.n_addrs; i++)
        WR_CHECK(strlen(t.addrs[i]) >= 1);
    WR_CHECK(wr_ticket_format(&t, again) == WR_OK);
    WR_CHECK(strlen(again) < sizeof(again));
    WR_CHECK(wr_ticket_parse(wr_span_str(again), &t2) == WR_TICKET_GOOD);
    WR_CHECK(t2.role == t.role && t2.n_addrs == t.n_addrs);
    WR_CHECK(memcmp(t2.token, t.token, sizeof(t.token)) == 0);
}

static void check_bytes(struct wr_span in)
{
    static uint8_t bytes[WR_TICKET_BYTES_MAX + WR_TICKET_CHECK];
    static char text[WR_TICKET_PREFIX + WR_BASE32_SIZE(sizeof(bytes))] =
        "wreath1";
    const struct wr_span parts[] = {wr_span_str("wreath-ticket"), in};
    uint8_t sum[WR_BLAKE2B_256];

    if (in.n > WR_TICKET_BYTES_MAX)
        return;
    memcpy(bytes, in.p, in.n);
    wr_blake2b_256(parts, WR_ARRAY_LEN(parts), sum);
    memcpy(bytes + in.n, sum, WR_TICKET_CHECK);
    wr_base32(wr_span(bytes, in.n + WR_TICKET_CHECK), text + WR_TICKET_PREFIX);
    check(wr_span_str(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);

    if (size > 0 && data[0] == 0xff) {
        (void)fuzz_u8(&f);
        check_bytes(fuzz_rest(&f));
    } else {
        check(fuzz_rest(&f));
    }
    return 0;
}
