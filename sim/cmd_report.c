/* cmd_report.c - wreath-sim report: a stored result as a page. */
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
        result != NULL
            ? wr_report(argv[first + 1], result, &why)
            : wr_why(&why, WR_EINVAL, "%.200s: %.160s", path, where.text);
    json_decref(result);
    return err == WR_OK ? 0 : sim_fail(&why);
}
