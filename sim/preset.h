/*
 * preset.h - the scenarios that are built in (sim/scenarios/), and scenarios
 * by name: a preset's, or a file's.
 */
#ifndef WR_SIM_PRESET_H
#define WR_SIM_PRESET_H

#include <stddef.h>

#include "scenario.h"

struct wr_preset {
    const char *name;
    const char *text; /* The file; its first line says what it is. */
};

extern const struct wr_preset wr_presets[]; /* embed.c prints it. */
extern const size_t wr_presets_n;

/* The first line of a preset, without its semicolon. */
const char *wr_preset_summary(const struct wr_preset *p, char ret[128]);

/* A preset, or a file. Not checked yet: values may follow. WR_EINVAL,
 * WR_ENOTFOUND. */
WR_MUST_USE enum wr_err wr_scenario_load(struct wr_scenario *s,
                                         const char *name, struct wr_why *why);

#endif
