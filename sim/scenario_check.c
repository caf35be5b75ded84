/* scenario_check.c - what no single value of a scenario can tell. */
#include "lives.h"

static enum wr_err check_churn(const struct wr_scenario *s, struct wr_why *why)
{
    struct wr_churn_cfg ignored;

    return wr_lives_hosts(s, &ignored, why);
}

static enum wr_err check_leaves(const struct wr_scenario *s, struct wr_why *why)
{
    struct wr_churn_cfg ignored;

    if (s->leaves_count == 0 &&
        (s->load_files_every != WR_NEVER || s->load_gets_every != WR_NEVER))
        return wr_why(why, WR_EINVAL,
                      "files go through leaves: set leaves.count");
    return wr_lives_leaves(s, &ignored, why);
}

static enum wr_err check_network(const struct wr_scenario *s,
                                 struct wr_why *why)
{
    if ((s->network_latency == WR_LATENCY_FILE) != (s->network_file[0] != '\0'))
        return wr_why(why, WR_EINVAL,
                      "network.latency = file and network.file = FILE go "
                      "together");
    if (s->network_latency == WR_LATENCY_UNIFORM &&
        s->network_one_way > s->network_one_way_max)
        return wr_why(why, WR_EINVAL,
                      "network.one_way is more than network.one_way_max");
    return WR_OK;
}

static enum wr_err check_ring(const struct wr_scenario *s, struct wr_why *why)
{
    if (s->ring_system == WR_SYSTEM_WREATH &&
        s->ring_hosts * s->ring_members <= s->ring_successors)
        return wr_why(why, WR_EINVAL,
                      "%llu hosts of %llu members are too few: a ring starts "
                      "with more members than ring.successors = %llu",
                      (unsigned long long)s->ring_hosts,
                      (unsigned long long)s->ring_members,
                      (unsigned long long)s->ring_successors);
    if (s->ring_system != WR_SYSTEM_WREATH && s->leaves_count > 0)
        return wr_why(why, WR_EINVAL,
                      "leaves.count: leaves and their files are wreath's; "
                      "ring.system has none");
    if (s->ring_system != WR_SYSTEM_WREATH &&
        s->load_keys_count > WR_SYSTEM_ITEMS_MAX)
        return wr_why(why, WR_EINVAL,
                      "load.keys_count: a ring.system other than wreath has "
                      "%d items at most",
                      WR_SYSTEM_ITEMS_MAX);
    if (s->ring_patience_min > s->ring_patience_max)
        return wr_why(why, WR_EINVAL,
                      "ring.patience_min is more than ring.patience_max");
    return WR_OK;
}

static enum wr_err check_event(const struct wr_scenario *s,
                               const struct wr_scenario_event *e,
                               struct wr_why *why)
{
    if (!e->has_at || !e->has_what)
        return wr_why(why, WR_EINVAL, "[event.%s] needs %s", e->name,
                      e->has_at ? "what = kill, or the like" : "at = TIME");
    if (e->at > s->run_for)
        return wr_why(why, WR_EINVAL,
                      "[event.%s] comes after the end of the run (run.for)",
                      e->name);
    if (e->whom == WR_WHOM_SITE && e->from >= s->ring_sites)
        return wr_why(why, WR_EINVAL,
                      "[event.%s]: there is no site %u; they are 0 to %llu",
                      e->name, e->from, (unsigned long long)s->ring_sites - 1);
    if (e->whom == WR_WHOM_LEAVES && s->leaves_count == 0)
        return wr_why(why, WR_EINVAL,
                      "[event.%s]: there are no leaves; set leaves.count",
                      e->name);
    if (e->whom == WR_WHOM_LEAVES && e->what != WR_WHAT_FLASH &&
        e->what != WR_WHAT_JOIN && e->what != WR_WHAT_KILL &&
        e->what != WR_WHAT_RESTART)
        return wr_why(why, WR_EINVAL,
                      "[event.%s]: leaves take flash, join, kill and restart",
                      e->name);
    if (e->what != WR_WHAT_FLASH && e->share_ppm > 1000000)
        return wr_why(why, WR_EINVAL,
                      "[event.%s]: only a flash is of more than 100 %%",
                      e->name);
    if (e->what == WR_WHAT_FLASH && e->whom == WR_WHOM_HOSTS)
        return wr_why(
            why, WR_EINVAL,
            "[event.%s]: a flash is of newcomers, who have no numbers "
            "yet: random, or of a site",
            e->name);
    if (e->what == WR_WHAT_PAUSE && e->for_us == 0)
        return wr_why(why, WR_EINVAL, "[event.%s]: a pause needs for = TIME",
                      e->name);
    if (e->what == WR_WHAT_ROLLING && e->every_us == 0)
        return wr_why(why, WR_EINVAL,
                      "[event.%s]: a rolling restart needs every = TIME",
                      e->name);
    return WR_OK;
}

enum wr_err wr_scenario_check(const struct wr_scenario *s, struct wr_why *why)
{
    enum wr_err err = check_ring(s, why);

    if (err == WR_OK)
        err = check_network(s, why);
    if (err == WR_OK)
        err = check_churn(s, why);
    if (err == WR_OK)
        err = check_leaves(s, why);
    for (uint32_t i = 0; err == WR_OK && i < s->events_n; i++)
        err = check_event(s, &s->events[i], why);
    return err;
}
