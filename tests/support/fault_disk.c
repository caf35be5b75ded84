/* fault_disk.c - the small disk of fault.c. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault_parts.h"

static __thread uint64_t du_sum;

static int du_add(const char *path, const struct stat *st, int flag,
                  struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (flag == FTW_F)
        du_sum += ((uint64_t)st->st_size + BLOCK - 1) / BLOCK * BLOCK;
    return 0;
}

uint64_t disk_free(void)
{
    const bool was = inside;

    inside = true;
    du_sum = 0;
    (void)nftw(disk_dir, du_add, 16, FTW_PHYS);
    inside = was;
    return du_sum < disk_bytes ? disk_bytes - du_sum : 0;
}

bool on_disk_path(const char *path)
{
    const size_t n = strlen(disk_dir);

    return disk_bytes > 0 && strncmp(path, disk_dir, n) == 0 &&
           (path[n] == '/' || path[n] == '\0');
}

static bool on_disk(int fd)
{
    char link[64], path[PATH_MAX];
    ssize_t n;

    if (disk_bytes == 0)
        return false;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    return on_disk_path(path);
}

size_t fits(int fd, size_t n, off_t from)
{
    struct stat st;
    uint64_t have, room;

    if (!on_disk(fd) || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return n;
    if (from < 0)
        from =
            fcntl(fd, F_GETFL) & O_APPEND ? st.st_size : lseek(fd, 0, SEEK_CUR);
    have = ((uint64_t)st.st_size + BLOCK - 1) / BLOCK * BLOCK;
    if ((uint64_t)from + n <= have)
        return n;
    room = have + disk_free();
    if ((uint64_t)from >= room)
        return 0;
    return (uint64_t)from + n <= room ? n : room - (uint64_t)from;
}
