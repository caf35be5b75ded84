/* scenario.c - a scenario of the simulator, as an INI text: what is taken can
 * be said value by value and taken again. */
#include <stdlib.h>

#include "fuzz.h"
#include "scenario.h"

static void say_again(const struct wr_scenario *s)
{
    char text[WR_SCENARIO_TEXT_MAX], again[WR_SCENARIO_TEXT_MAX];
    static struct wr_scenario t;
    struct wr_why why = {0};

    wr_scenario_init(&t);
    for (size_t i = 0; i < wr_scenario_keys_n; i++) {
        const struct wr_scenario_key *const k = &wr_scenario_keys[i];

        wr_scenario_get(s, k, text);
        if (k->kind == WR_SCENARIO_TEXT && text[0] == '\0')
            continue;
        WR_CHECK(wr_scenario_set(&t, k->name, text, &why) == WR_OK);
        WR_CHECK(strcmp(wr_scenario_get(&t, k, again), text) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wr_scenario s;
    struct wr_why why = {0};
    char *const text = malloc(size + 1);
    json_t *json;

    WR_CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    wr_scenario_init(&s);
    if (wr_scenario_read(&s, "fuzz.ini", text, &why) == WR_OK) {
        WR_CHECK(s.events_n <= WR_SCENARIO_EVENTS_MAX);
        say_again(&s);
        if (wr_scenario_check(&s, &why) != WR_OK)
            WR_CHECK(why.text[0] != '\0');
        json = wr_scenario_json(&s);
        WR_CHECK(json != NULL);
        json_decref(json);
    } else {
        WR_CHECK(why.text[0] != '\0');
    }
    free(text);
    return 0;
}
