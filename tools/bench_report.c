/* bench_report.c - see bench.h: the table, and the JSON. */
#include <sched.h>
#include <stdlib.h>

#include "bench.h"

#define GIB 1073741824.0

struct sums {
    struct bench_bounds b;
    double put_s, get_s, copies_s; /* Medians; wall time. */
    double put_cpu_s, get_cpu_s;   /* Of leaf and hosts together. */
};

/* Cores that this process may use. */
static unsigned cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

static void sum_up(const struct bench_plan *plan,
                   const struct bench_primitives *p,
                   const struct bench_results *r, struct sums *ret)
{
    double put[BENCH_RUNS_MAX], get[BENCH_RUNS_MAX], all[BENCH_RUNS_MAX];
    double put_cpu[BENCH_RUNS_MAX], get_cpu[BENCH_RUNS_MAX];

    bench_bounds(plan, p, cores(), &ret->b);
    for (uint32_t i = 0; i < plan->runs; i++) {
        put[i] = r->put[i].wall_s;
        get[i] = r->get[i].wall_s;
        all[i] = r->put[i].all_copies_s;
        put_cpu[i] = r->put[i].leaf_cpu_s + r->put[i].hosts_cpu_s;
        get_cpu[i] = r->get[i].leaf_cpu_s + r->get[i].hosts_cpu_s;
    }
    ret->put_s = bench_median(put, plan->runs);
    ret->get_s = bench_median(get, plan->runs);
    ret->copies_s = bench_median(all, plan->runs);
    ret->put_cpu_s = bench_median(put_cpu, plan->runs);
    ret->get_cpu_s = bench_median(get_cpu, plan->runs);
}

/* ---- for people
 * ---------------------------------------------------------------- */

static void cost_line(const char *what, double own, double other,
                      const char *whose)
{
    printf("  %-34s %6.2f", what, own * GIB);
    if (other > 0)
        printf("   %s %.2f (%+.0f %%)", whose, other * GIB,
               (other / own - 1) * 100);
    putchar('\n');
}

static void print_primitives(const struct bench_primitives *p,
                             const struct bench_check *c)
{
    char a[16], b[16];

    puts("this machine, CPU seconds per GiB");
    cost_line("read a file", p->read, c->read, "dd");
    cost_line("cut (FastCDC)", p->cut, 0, "");
    cost_line("hash (BLAKE2b-256)", p->hash, c->hash, "openssl");
    cost_line("seal (ChaCha20-Poly1305)", p->seal, c->seal, "openssl");
    cost_line("open", p->open, c->open, "openssl");
    cost_line("send over loopback", p->send, 0, "");
    cost_line("receive", p->receive, 0, "");
    cost_line("keep durably (LMDB)", p->lmdb, 0, "");
    cost_line("read from the store", p->map_read, 0, "");
    cost_line("write a file", p->file_write, c->file_write, "dd");
    wr_size_text((uint64_t)p->disk_bytes_per_s, a);
    printf("  durable to a file %s/s", a);
    if (c->disk_bytes_per_s > 0)
        printf(" (dd %s/s)", wr_size_text((uint64_t)c->disk_bytes_per_s, b));
    wr_size_text((uint64_t)p->store_bytes_per_s, a);
    printf(", to the store %s/s; makes %.0f files of 4 KiB/s\n\n", a,
           p->small_files_per_s);
}

/* The CPU time that was used tells a slow program from a busy machine. */
static void print_ratio(const char *what, const struct bench_bound *b,
                        double got_s, double used_s, uint64_t size)
{
    char rate[16];

    wr_size_text((uint64_t)((double)size / got_s), rate);
    printf("  %-4s bound %6.2f s   achieved %6.2f s, %s/s   ratio %3.0f %%\n",
           what, b->wall_s, got_s, rate, b->wall_s / got_s * 100);
    printf("       CPU: bound %.2f s, used %.2f s, %.1f cores busy; disk: "
           "bound %.2f s\n",
           b->cpu_s, used_s, used_s / got_s, b->disk_s);
}

/* What a byte cost in all, by who paid. */
static void print_cost(const struct bench_plan *plan,
                       const struct bench_run *runs)
{
    double leaf[BENCH_RUNS_MAX], hosts[BENCH_RUNS_MAX];

    for (uint32_t i = 0; i < plan->runs; i++) {
        leaf[i] = runs[i].leaf_cpu_s;
        hosts[i] = runs[i].hosts_cpu_s;
    }
    const double per = GIB / (double)plan->size;
    printf("       per GiB: leaf %.2f s, super-peers together %.2f s\n",
           bench_median(leaf, plan->runs) * per,
           bench_median(hosts, plan->runs) * per);
}

static void print_processes(const struct bench_plan *plan,
                            const struct bench_results *r)
{
    char idle[16], peak[16];
    uint64_t put = 0, get = 0;

    for (uint32_t i = 0; i < plan->runs; i++) {
        if (r->put[i].leaf_peak_bytes > put)
            put = r->put[i].leaf_peak_bytes;
        if (r->get[i].leaf_peak_bytes > get)
            get = r->get[i].leaf_peak_bytes;
    }
    puts("\nprocesses: CPU seconds in all, memory (RssAnon) idle and at most");
    for (uint32_t i = 0; i < plan->hosts; i++)
        printf("  super-peer %-3u %8.2f s   %10s %10s\n", i + 1,
               r->host_cpu_s[i], wr_size_text(r->host_idle_bytes[i], idle),
               wr_size_text(r->host_peak_bytes[i], peak));
    printf("  leaf, put      %8.2f s   %10s %10s\n", r->put[0].leaf_cpu_s, "",
           wr_size_text(put, peak));
    printf("  leaf, get      %8.2f s   %10s %10s\n", r->get[0].leaf_cpu_s, "",
           wr_size_text(get, peak));
}

static void print_text(const struct bench_plan *plan,
                       const struct bench_primitives *p,
                       const struct bench_check *c,
                       const struct bench_results *r, const struct sums *s)
{
    char size[16], peak[16];

    print_primitives(p, c);
    printf("%s, %u super-peers, %u copies, %u cores; median of %u\n",
           wr_size_text(plan->size, size), plan->hosts, plan->copies,
           s->b.cores, plan->runs);
    printf("  each byte crosses %.2f links and is hashed %.2f times in a put\n",
           s->b.crossings, s->b.hashes);
    print_ratio("put", &s->b.put, s->put_s, s->put_cpu_s, plan->size);
    print_cost(plan, r->put);
    printf("       all copies stand after %.2f s\n", s->copies_s);
    print_ratio("get", &s->b.get, s->get_s, s->get_cpu_s, plan->size);
    print_cost(plan, r->get);
    if (r->has_tree) {
        printf("\n%u files of 4 KiB as one tree; the machine makes %.0f a "
               "second\n",
               plan->files, p->small_files_per_s);
        printf("  put  %6.2f s, %6.0f files/s   (leaf at most %s)\n",
               r->tree_put.wall_s, plan->files / r->tree_put.wall_s,
               wr_size_text(r->tree_put.leaf_peak_bytes, peak));
        printf("  get  %6.2f s, %6.0f files/s   (leaf at most %s)\n",
               r->tree_get.wall_s, plan->files / r->tree_get.wall_s,
               wr_size_text(r->tree_get.leaf_peak_bytes, peak));
    }
    if (r->has_first_byte)
        printf(
            "\nfirst byte of 1,024 chunks on an attached leaf after %.1f ms\n",
            bench_median(r->first_byte_s, plan->runs) * 1e3);
    print_processes(plan, r);
}

/* ---- for machines
 * ----------------------------------------------------------------- */

static json_t *primitives_json(const struct bench_primitives *p)
{
    return json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
        "read_cpu_s_per_gib", p->read * GIB, "cut_cpu_s_per_gib", p->cut * GIB,
        "hash_cpu_s_per_gib", p->hash * GIB, "seal_cpu_s_per_gib",
        p->seal * GIB, "open_cpu_s_per_gib", p->open * GIB,
        "send_cpu_s_per_gib", p->send * GIB, "receive_cpu_s_per_gib",
        p->receive * GIB, "lmdb_cpu_s_per_gib", p->lmdb * GIB,
        "map_read_cpu_s_per_gib", p->map_read * GIB, "file_write_cpu_s_per_gib",
        p->file_write * GIB, "store_bytes_per_s", p->store_bytes_per_s,
        "disk_bytes_per_s", p->disk_bytes_per_s, "small_files_per_s",
        p->small_files_per_s);
}

static json_t *check_json(const struct bench_check *c)
{
    return json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:f}", "openssl_hash_cpu_s_per_gib",
        c->hash * GIB, "openssl_seal_cpu_s_per_gib", c->seal * GIB,
        "openssl_open_cpu_s_per_gib", c->open * GIB, "dd_read_cpu_s_per_gib",
        c->read * GIB, "dd_write_cpu_s_per_gib", c->file_write * GIB,
        "dd_disk_bytes_per_s", c->disk_bytes_per_s);
}

static json_t *bound_json(const struct bench_bound *b, double got_s,
                          const struct bench_run *runs, uint32_t n)
{
    json_t *all = json_array();

    for (uint32_t i = 0; i < n; i++)
        json_array_append_new(
            all, json_pack("{s:f, s:f, s:f, s:f, s:I}", "wall_s",
                           runs[i].wall_s, "all_copies_s", runs[i].all_copies_s,
                           "leaf_cpu_s", runs[i].leaf_cpu_s, "hosts_cpu_s",
                           runs[i].hosts_cpu_s, "leaf_peak_rss_anon_bytes",
                           (json_int_t)runs[i].leaf_peak_bytes));
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:o}", "bound_cpu_s", b->cpu_s,
                     "bound_disk_s", b->disk_s, "bound_s", b->wall_s,
                     "achieved_s", got_s, "ratio", b->wall_s / got_s, "runs",
                     all);
}

static json_t *hosts_json(const struct bench_plan *plan,
                          const struct bench_results *r)
{
    json_t *all = json_array();

    for (uint32_t i = 0; i < plan->hosts; i++)
        json_array_append_new(
            all, json_pack(
                     "{s:f, s:I, s:I}", "cpu_s", r->host_cpu_s[i],
                     "idle_rss_anon_bytes", (json_int_t)r->host_idle_bytes[i],
                     "peak_rss_anon_bytes", (json_int_t)r->host_peak_bytes[i]));
    return all;
}

static json_t *tree_json(const struct bench_plan *plan,
                         const struct bench_run *run)
{
    return json_pack("{s:f, s:f, s:I}", "wall_s", run->wall_s, "files_per_s",
                     plan->files / run->wall_s, "leaf_peak_rss_anon_bytes",
                     (json_int_t)run->leaf_peak_bytes);
}

static void print_json(const struct bench_plan *plan,
                       const struct bench_primitives *p,
                       const struct bench_check *c,
                       const struct bench_results *r, const struct sums *s)
{
    json_t *o = json_pack(
        "{s:i, s:i, s:i, s:I, s:i, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o, "
        "s:o}",
        "cores", (int)s->b.cores, "super_peers", (int)plan->hosts, "copies",
        (int)plan->copies, "size_bytes", (json_int_t)plan->size, "runs",
        (int)plan->runs, "link_crossings", s->b.crossings, "hashes",
        s->b.hashes, "put_missing_share", s->b.put_missing, "get_missing_share",
        s->b.get_missing, "primitives", primitives_json(p), "checks",
        check_json(c), "put",
        bound_json(&s->b.put, s->put_s, r->put, plan->runs), "get",
        bound_json(&s->b.get, s->get_s, r->get, plan->runs), "hosts",
        hosts_json(plan, r));

    if (o == NULL)
        return;
    if (r->has_tree) {
        json_object_set_new(o, "tree_files", json_integer(plan->files));
        json_object_set_new(o, "tree_put", tree_json(plan, &r->tree_put));
        json_object_set_new(o, "tree_get", tree_json(plan, &r->tree_get));
    }
    if (r->has_first_byte)
        json_object_set_new(
            o, "first_byte_s",
            json_real(bench_median(r->first_byte_s, plan->runs)));
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

void bench_report(const struct cli *cli, const struct bench_plan *plan,
                  const struct bench_primitives *p,
                  const struct bench_check *check,
                  const struct bench_results *r)
{
    struct sums s;

    sum_up(plan, p, r, &s);
    if (cli->json)
        print_json(plan, p, check, r, &s);
    else
        print_text(plan, p, check, r, &s);
}
