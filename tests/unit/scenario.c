/* scenario.c - tests of sim/scenario.h: values with units, errors that name
 * the line, and the echo. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../sim/preset.h"

static struct wr_scenario s;
static struct wr_why why;

static void start(void)
{
    wr_scenario_init(&s);
}

TestSuite(scenario, .init = start);

static bool sets(const char *name, const char *value)
{
    return wr_scenario_set(&s, name, value, &why) == WR_OK;
}

static bool says(const char *text)
{
    return strstr(why.text, text) != NULL;
}

/* It is refused, and why says `text`. */
static void set_fails(const char *name, const char *value, const char *text)
{
    cr_assert(!sets(name, value), "%s = %s", name, value);
    cr_assert(says(text), "%s", why.text);
}

static void read_fails(const char *text, const char *because)
{
    cr_assert_eq(wr_scenario_read(&s, "t.ini", text, &why), WR_EINVAL);
    cr_assert(says(because), "%s", why.text);
}

Test(scenario, values_have_units)
{
    cr_assert(sets("run.for", "1.4 min"));
    cr_assert_eq(s.run_for, WR_SEC(84));
    cr_assert(sets("run.for", "1 h 30 min"));
    cr_assert_eq(s.run_for, WR_SEC(5400));
    cr_assert(sets("run.for", "2h"));
    cr_assert_eq(s.run_for, WR_SEC(7200));
    cr_assert(sets("network.one_way", "250us"));
    cr_assert_eq(s.network_one_way, 250);
    cr_assert(sets("network.non_transitive", "2.3 %"));
    cr_assert_eq(s.network_non_transitive, 23000);
    cr_assert(sets("network.up", "10 Mbit/s"));
    cr_assert_eq(s.network_up, 10000000);
    cr_assert(sets("load.file_size", "1.5 MiB"));
    cr_assert_eq(s.load_file_size, 1572864);
    cr_assert(sets("ring.fingers", "never"));
    cr_assert_eq(s.ring_fingers, WR_NEVER);
    cr_assert(sets("run.seed", "18446744073709551615"));
    cr_assert_eq(s.run_seed, UINT64_MAX);
    cr_assert(sets("churn.session_shape", ".54512"));
    cr_assert_float_eq(s.churn_session_shape, .54512, 1e-12);
    cr_assert(sets("ring.system", "walk"));
    cr_assert_eq(s.ring_system, WR_SYSTEM_WALK);
}

Test(scenario, nonsense_is_refused)
{
    static const char *const wrong[][2] = {
        {"ring.hosts", "many"},
        {"ring.hosts", "1e3"},
        {"ring.hosts", ""},
        {"ring.hosts", "-1"},
        {"run.for", "1.4 parsecs"},
        {"run.for", "1.2.3 s"},
        {"run.for", "."},
        {"run.for", "inf"},
        {"run.for", "never"},
        {"network.loss", "0.05"},
        {"network.loss", "5"},
        {"network.up", "10 Mb"},
        {"ring.system", "chord"},
        {"ring.system", ""},
        {"run.codec", "maybe"},
        {"load.zipf_s", "0.8x"},
        {"run.seed", "18446744073709551616"},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(wrong); i++)
        cr_expect(!sets(wrong[i][0], wrong[i][1]), "%s = %s", wrong[i][0],
                  wrong[i][1]);
}

Test(scenario, a_wrong_value_tells_its_range)
{
    set_fails("ring.members", "65", "1 to 64");
    set_fails("network.loss", "101 %", "0 % to 100 %");
    set_fails("run.for", "20 w 3650 d", "1 s to 3650 d");
    set_fails("load.file_size", "2 TiB", "1 B to 1 TiB");
    set_fails("network.latency", "kings", "constant|uniform|king|file");
}

/* Also where the value is too much for its type, and not for the key alone. */
Test(scenario, what_is_far_too_much_is_out_of_range)
{
    set_fails("ring.hosts", "99999999999999999999",
              "out of range, 1 to 2000000");
    set_fails("run.seed", "18446744073709551616", "0 to 18446744073709551615");
    set_fails("run.for", "99999999d", "out of range");
    set_fails("ring.hosts", "99999999999999999999x", "not a whole number");
}

Test(scenario, an_unknown_key_tells_the_nearest)
{
    set_fails("ring.host", "3", "'ring.hosts'");
    set_fails("hosts", "3", "'ring.hosts'");
    set_fails("rign.hosts", "3", "'ring.hosts'");
    set_fails("run.loss", "3 %", "'network.loss'");
    set_fails("event.fire.wen", "3 s", "at, what");
}

Test(scenario, a_file_is_read_and_its_errors_have_lines)
{
    cr_assert_eq(wr_scenario_read(&s, "a.ini",
                                  "; words\n[ring]\nhosts = 50 ; fifty\n"
                                  "[event.fire]\nat = 1 min\nwhat = kill\n"
                                  "whom = hosts 3-9\n",
                                  &why),
                 WR_OK);
    cr_assert_eq(s.ring_hosts, 50);
    cr_assert_eq(s.events_n, 1);
    cr_assert_str_eq(s.events[0].name, "fire");
    cr_assert_eq(s.events[0].at, WR_SEC(60));
    cr_assert_eq(s.events[0].what, WR_WHAT_KILL);
    cr_assert_eq(s.events[0].whom, WR_WHOM_HOSTS);
    cr_assert_eq(s.events[0].from, 3);
    cr_assert_eq(s.events[0].to, 9);
    cr_assert_eq(wr_scenario_check(&s, &why), WR_OK);
    read_fails("[ring]\n\nhosts = x\n", "t.ini, line 3: ");
    read_fails("[ring]\nhosts\n", "t.ini, line 2: ");
}

Test(scenario, a_key_is_set_once_in_a_file)
{
    read_fails("[ring]\nhosts = 50\n\n[run]\nseed = 3\n"
               "[ring]\nmembers = 2\nhosts = 60\n",
               "t.ini, line 8: ring.hosts is set on line 2 already");
    read_fails("[event.a]\nat = 1 s\n[event.b]\nat = 1 s\n"
               "[event.a]\nat = 1 s\n",
               "t.ini, line 6: event.a.at is set on line 2 already");
    /* Upon what was set before, as a preset: a file may set all anew. */
    cr_assert_eq(wr_scenario_read(&s, "c.ini", "[ring]\nhosts = 5\n", &why),
                 WR_OK);
    cr_assert_eq(wr_scenario_read(&s, "c.ini", "[ring]\nhosts = 6\n", &why),
                 WR_OK);
    cr_assert_eq(s.ring_hosts, 6);
}

Test(scenario, the_echo_reads_back_as_the_same)
{
    struct wr_scenario again;
    const char *name;
    json_t *value;

    cr_assert(sets("churn.session", "exponential"));
    cr_assert(sets("churn.session_median", "1.4 min"));
    cr_assert(sets("network.loss", "0.0123 %"));
    cr_assert(sets("run.for", "3723.000001 s"));
    cr_assert(sets("load.file_size", "1000001 B"));
    cr_assert(sets("network.down", "1234567 bit/s"));
    cr_assert(sets("load.zipf_s", "1.0123456789"));
    cr_assert(sets("churn.trace", "with some = signs; and more"));
    cr_assert(sets("event.a.at", "2 s"));
    cr_assert(sets("event.a.what", "rolling"));
    cr_assert(sets("event.a.every", "9 s"));
    cr_assert(sets("event.a.whom", "site 0"));
    cr_assert(sets("event.b.at", "3 s"));
    cr_assert(sets("event.b.what", "lose-disk"));
    cr_assert(sets("event.b.share", "12.5 %"));
    json_t *o = wr_scenario_json(&s);
    cr_assert(o != NULL);
    wr_scenario_init(&again);
    json_object_foreach(o, name, value) cr_assert_eq(
        wr_scenario_set(&again, name, json_string_value(value), &why), WR_OK,
        "%s", why.text);
    cr_assert_str_eq(
        json_string_value(json_object_get(o, "churn.session_median")),
        "1.4 min");
    for (size_t i = 0; i < wr_scenario_keys_n; i++) {
        char a[WR_SCENARIO_TEXT_MAX], b[WR_SCENARIO_TEXT_MAX];

        cr_expect_str_eq(wr_scenario_get(&s, &wr_scenario_keys[i], a),
                         wr_scenario_get(&again, &wr_scenario_keys[i], b));
    }
    cr_assert_eq(again.events_n, 2);
    cr_assert_eq(again.events[0].every_us, WR_SEC(9));
    cr_assert_eq(again.events[1].share_ppm, 125000);
    cr_assert_eq(again.events[1].what, WR_WHAT_LOSE_DISK);
    json_decref(o);
}

static bool refused(const char *text, const char *because)
{
    start();
    cr_assert_eq(wr_scenario_read(&s, "t", text, &why), WR_OK, "%s", why.text);
    why.text[0] = '\0';
    return wr_scenario_check(&s, &why) == WR_EINVAL && says(because);
}

Test(scenario, what_does_not_fit_together_is_refused)
{
    cr_assert_eq(wr_scenario_check(&s, &why), WR_OK);
    cr_expect(refused("[ring]\nhosts = 16\n", "too few"), "%s", why.text);
    cr_expect(refused("[churn]\nsession = exponential\n", "session_mean"));
    cr_expect(refused("[churn]\nsession = pareto\nsession_shape = 1\n"
                      "session_mean = 1 h\n",
                      "no mean"));
    cr_expect(refused("[churn]\nsession_mean = 1 h\n", "no distribution"));
    cr_expect(refused("[churn]\nsession = trace\n", "churn.trace"));
    cr_expect(refused("[network]\nlatency = file\n", "network.file"));
    cr_expect(refused("[load]\nfiles_every = 1 s\n", "leaves.count"));
    cr_expect(refused("[event.x]\nat = 1 s\n", "needs what"));
    cr_expect(refused("[event.x]\nwhat = heal\n", "needs at"));
    cr_expect(refused("[event.x]\nwhat = heal\nat = 3 h\n", "after the end"));
    cr_expect(refused("[event.x]\nwhat = kill\nat = 1 s\nwhom = site 1\n",
                      "no site 1"));
}

Test(scenario, every_preset_fits_together)
{
    for (size_t i = 0; i < wr_presets_n; i++) {
        char text[128];

        cr_expect_eq(wr_scenario_load(&s, wr_presets[i].name, &why), WR_OK,
                     "%s", why.text);
        cr_expect_eq(wr_scenario_check(&s, &why), WR_OK, "%s: %s",
                     wr_presets[i].name, why.text);
        cr_expect_str_eq(s.name, wr_presets[i].name);
        cr_expect(strlen(wr_preset_summary(&wr_presets[i], text)) > 20);
        cr_expect(strstr(wr_presets[i].text, "\n; Source: ") != NULL,
                  "%s has no source", wr_presets[i].name);
    }
    cr_assert_eq(wr_presets_n, 15);
    cr_assert_eq(wr_scenario_load(&s, "half-dyes", &why), WR_ENOTFOUND);
    cr_assert(says("'half-dies'"), "%s", why.text);
}
