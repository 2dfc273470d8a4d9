/*
 * For benches of actions: HTTP/1.1 by plain sockets, and an API server in this process that answers at once and
 * notes when the first byte of each workload's change was there. It holds the namespace shop with the
 * Deployments w-0, w-1, ... and serves watches, in which nothing happens but for one bookmark.
 *
 * Limits: BENCH_WORKLOADS Deployments; requests and answers of BENCH_REQUEST_MAX bytes; it serves until the process
 *   ends. What can't be done ends the process.
 * Threads: all functions from any; a connection belongs to one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_BENCH_API_H
#define NIMBUSGUARD_TESTS_SUPPORT_BENCH_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_WORKLOADS 1500
#define BENCH_REQUEST_MAX 65536

/* -1: nobody listens there. */
int bench_connect(unsigned port);
/* Gives up when the peer has gone. */
void bench_send(int fd, const void *bytes, size_t size);
/* A request or an answer with its body; *first_ns: when its first byte was there. false: the end. */
bool bench_receive(int fd, char text[BENCH_REQUEST_MAX], int64_t *first_ns);
void bench_answer(int fd, int code, const char *body);

/* Accepts on a free port, which is returned, and gives each connection a thread of its own that runs serve(); its
 * argument is the descriptor in memory of malloc(), serve()'s to free. */
unsigned bench_listen(void *(*serve)(void *connection));

/* Its port. */
unsigned bench_api_start(void);
/* When the first byte of the workload's first change was there; 0: not yet. */
int64_t bench_api_changed_ns(int workload);
void bench_api_note_change(int workload, int64_t first_ns);
void bench_api_forget(void);

#endif
