/*
 * script.h - the world that a transcript plays in: real nodes beside hosts that
 * are the script itself, messages under way, and all that was said of it.
 *
 *     runner.c    files: their blocks played, the output compared
 *     command.c   what a line does
 *     script.c    names, nodes, their effects in words, time
 */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#include "proto/node_private.h"

enum {
    SCRIPT_HOSTS = 16,
    SCRIPT_RIDS = 4096,
    SCRIPT_FLIGHTS = 1024,
    SCRIPT_OUT = 1 << 18,
};

struct script_flight {
    wr_time at;
    wr_host from, to;
    struct wr_msg msg;
    wr_ref refs[WR_SUCCS_MAX];
    struct wr_roster_entry entries[SCRIPT_HOSTS];
};

struct script {
    struct wr_book book;
    struct wr_node_cfg cfg;
    char names[SCRIPT_HOSTS][16];
    struct wr_node *nodes[SCRIPT_HOSTS];
    bool away[SCRIPT_HOSTS]; /* On the other side of the cut. */
    uint32_t hosts;
    wr_time now;
    struct wr_outbox out;
    uint64_t rids[SCRIPT_RIDS];
    uint32_t rids_n;
    struct script_flight flights[SCRIPT_FLIGHTS];
    uint32_t flights_n;
    char text[SCRIPT_OUT];
    size_t text_n;
};

extern struct script script;

void script_begin(void);
void script_end(void);

/* Adds to the output of the block that is played. */
void script_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The script is at fault: says so and ends the program. */
void script_stop(const char *what, const char *word);

wr_host script_host_named(const char *word);
/* `b`, or `b.2` for its third member; `-` for none. */
wr_ref script_ref_named(const char *word);
const char *script_name_of(wr_ref r);
void script_say_refs(const char *title, const wr_ref *v, size_t n);

/* Steps a real node, and performs its effects. */
void script_step(wr_host h, const struct wr_event *ev);
/* Performs what the outbox holds as effects of `h`. */
void script_perform(wr_host h);
/* Nodes tick, and messages arrive. */
void script_run(wr_time until);

/* command.c: one line, which is cut into words in place. */
void script_command(char *line);

#endif
