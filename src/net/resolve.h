/* resolve.h - names under way; net/ alone needs it. See dial.h. */
#ifndef WR_NET_RESOLVE_H
#define WR_NET_RESOLVE_H

struct wr_net;

/* Nobody is told any more: the net closes. */
void resolve_cancel_all(struct wr_net *net);

#endif
