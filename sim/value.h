/*
 * value.h - a scenario's values as people write them: "1.4 min", "2 %",
 * "10 Mbit/s". What is printed can be read again, and is the same.
 */
#ifndef WR_SIM_VALUE_H
#define WR_SIM_VALUE_H

#include "scenario.h"

union wr_value {
    uint64_t n;
    double x; /* Of a NUMBER. */
};

/* Any kind but TEXT. `words`: of a WORD, "one|two: what they are". WR_EINVAL;
 * WR_ETOOBIG: a value, but more than there is room for. */
WR_MUST_USE enum wr_err wr_value_parse(enum wr_scenario_kind kind,
                                       const char *words, const char *text,
                                       union wr_value *ret);

/* Returns `ret`. */
const char *wr_value_print(enum wr_scenario_kind kind, const char *words,
                           union wr_value v, char ret[WR_SCENARIO_TEXT_MAX]);

/* What a value of this kind looks like: "a time, as '1.4 min'". */
const char *wr_value_example(enum wr_scenario_kind kind);

#endif
