/* super_left.c - leaving for good, once everything is handed over: our farewell
 * is signed and written down, then said until another host has it (D15). A
 * process that ends before that goes on with it when it is started again. */
#include "host/super_parts.h"
#include "sys/log.h"

static const struct wr_card *own_card(const struct wr_super *s)
{
    return wr_card_of(&s->cards, s->self);
}

/* Saved soon, by a worker; wr_super_farewell_saved() follows. */
void wr_super_farewell(struct wr_super *s)
{
    uint8_t farewell[WR_FAREWELL_BYTES];

    wr_farewell_sign(s->cfg.home->ring, own_card(s)->cred.host,
                     &s->cfg.home->id.sign, farewell);
    wr_cards_farewell(&s->cards, s->self, wr_span(farewell, sizeof(farewell)));
}

bool wr_super_farewell_due(const struct wr_super *s)
{
    return s->state == WR_SUPER_LEAVING && own_card(s)->left;
}

void wr_super_farewell_saved(struct wr_super *s)
{
    if (!wr_super_farewell_due(s))
        return;
    s->state = WR_SUPER_FAREWELL;
    WR_LOG_TEXT(INFO, "host",
                "waiting until another host has confirmed that this one has "
                "left; if it is stopped before, start it once more");
    wr_hub_left(s->hub);
    wr_super_later(
        s, &(struct wr_super_later){.kind = WR_EV_ADMIT, .from = s->self});
}

void wr_super_left(struct wr_super *s)
{
    wr_cards_confirmed(&s->cards, s->self);
    wr_super_stop(s);
}

/* Our own farewell, of which we know nothing: this directory is older. */
void wr_super_told_left(struct wr_super *s)
{
    WR_LOG_TEXT(ERROR, "host", WR_SUPER_LEFT_TEXT);
    wr_super_left(s);
}
