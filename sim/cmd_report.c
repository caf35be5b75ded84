/* cmd_report.c - wreath-sim report: a stored result as a page. */
#include <errno.h>
#include <unistd.h>

#include "cmd.h"
#include "report.h"

int cmd_report(int argc, char **argv)
{
    struct wr_why why = {0};
    json_error_t where;
    int first;
    const int end = sim_options("report", NULL, 0, NULL, argc, argv, &first);

    if (end != 0)
        return end - 1;
    if (argc - first != 2)
        return sim_usage("report", "report takes a result (JSON) and a "
                                   "directory");
    const char *path = argv[first];
    json_t *result = json_load_file(path, 0, &where);
    const enum wr_err err =
        result != NULL ? wr_report(argv[first + 1], result, &why)
        : access(path, R_OK) != 0
            ? wr_why(&why, wr_err_of_errno(errno), "%.200s: %s", path,
                     wr_errno_text(errno))
            : wr_why(&why, WR_EINVAL, "%.200s, line %d: %.160s", path,
                     where.line, where.text);
    json_decref(result);
    return err == WR_OK ? 0 : sim_fail(&why);
}
