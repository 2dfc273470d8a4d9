/*
 * A scrape target inside a test: each request is answered by what a function writes just then.
 *
 * Threads: one of its own, on which the function is called.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_TARGET_H
#define NIMBUSGUARD_TESTS_SUPPORT_TARGET_H

struct target_page;

/* Called for each request; writes the page (free()d by the server). */
typedef char *target_write_fn(void *argument);

/* Listens on a free port of 127.0.0.1. */
struct target_page *target_open(target_write_fn *write, void *argument);
unsigned target_port(const struct target_page *target);
void target_close(struct target_page *target);

#endif
