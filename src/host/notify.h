/*
 * notify.h - sd_notify(3) in a few lines: one datagram to $NOTIFY_SOCKET, so
 * that no library is needed. Without the variable it does nothing.
 */
#ifndef WR_HOST_NOTIFY_H
#define WR_HOST_NOTIFY_H

/* "READY=1", "STOPPING=1", "STATUS=...", "WATCHDOG=1". */
void wr_notify(const char *state);

#endif
