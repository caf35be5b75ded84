/* cmd_list.c - wreath-sim list: the presets, of scenarios and of churn; the
 * keys of a scenario; or the faults of a fault run. */
#include <stdio.h>
#include <string.h>

#include "churn.h"
#include "cmd.h"
#include "plan.h"

static void list_presets(void)
{
    for (size_t i = 0; i < wr_presets_n; i++) {
        char text[128];

        printf("%-14s %s\n", wr_presets[i].name,
               wr_preset_summary(&wr_presets[i], text));
    }
}

static void list_churn(void)
{
    const struct wr_churn_preset *p;

    puts("\n[churn] preset is one of");
    for (uint32_t i = 0; (p = wr_churn_preset_list(i)) != NULL; i++)
        printf("  %-18s %s\n", p->name, p->source);
}

static void list_keys(void)
{
    for (size_t i = 0; i < wr_scenario_keys_n; i++) {
        const struct wr_scenario_key *k = &wr_scenario_keys[i];

        printf("%-24s %-11s %s\n", k->name,
               k->value[0] != '\0' ? k->value : "-", k->help);
    }
    puts("\n[event.NAME] has at, what, share, whom (random, site N, hosts A-B, "
         "leaves), for, every;\nwhat is");
    for (int i = 0; i < WR_WHAT_N; i++)
        printf("  %-12s %s\n", wr_scenario_what_text((enum wr_scenario_what)i),
               wr_scenario_what_help((enum wr_scenario_what)i));
}

static void list_faults(void)
{
    for (unsigned f = 0; f < WR_FAULT_N; f++)
        printf("%-10s %s\n", wr_fault_name((enum wr_fault)f),
               wr_fault_help((enum wr_fault)f));
}

int cmd_list(int argc, char **argv)
{
    int first;
    const int end = sim_options("list", NULL, 0, NULL, argc, argv, &first);

    if (end != 0)
        return end - 1;
    if (first == argc) {
        list_presets();
        list_churn();
    } else if (argc - first == 1 && strcmp(argv[first], "keys") == 0) {
        list_keys();
    } else if (argc - first == 1 && strcmp(argv[first], "faults") == 0) {
        list_faults();
    } else {
        return sim_usage("list", "list takes nothing, 'keys' or 'faults'");
    }
    return 0;
}
