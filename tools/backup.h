/*
 * backup.h - what `wreath backup`, `restore` and `doctor` share: the files that
 * make an identity, and whether their backup is up to date.
 */
#ifndef WR_TOOLS_BACKUP_H
#define WR_TOOLS_BACKUP_H

enum backup_state {
    BACKUP_NONE, /* There was never one of the keys. */
    BACKUP_OLD,  /* Keys or tickets have changed since. */
    BACKUP_GOOD,
};

enum backup_state backup_state(const char *dir);

#endif
