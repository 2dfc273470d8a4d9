/*
 * The simulated cluster of `make run`: deployments with replicas, pods that take time to start,
 * traffic with a daily shape, faults; it sends remote write, fires alerts as Alertmanager would,
 * and serves the part of the Kubernetes API that NimbusGuard uses. And the live view of what
 * NimbusGuard makes of it.
 *
 * Ownership: the demo owns its threads and its API server; strings returned live as long as it.
 * Limits: a handful of workloads; lines of the view are kept in a bounded ring.
 * Threads: open, run and close from one thread; demo_tell() from any.
 */
#ifndef NIMBUSGUARD_DEMO_DEMO_H
#define NIMBUSGUARD_DEMO_DEMO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

struct demo_config {
	double speed;        /* simulated seconds a second */
	int64_t duration_ms; /* of real time; 0: until *stop */
	uint64_t seed;
	int output;         /* file descriptor of the view */
	bool color, live;   /* live: redraw in place (a terminal); else a line an event */
	unsigned kube_port; /* of the simulated API server; 0: a free one */
};

struct demo;

/* Starts the simulated API server; the cluster stands still until demo_run(). */
struct demo *demo_open(const struct demo_config *config, struct error *error) MUST_CHECK;
/* The clock of the simulation: runs `speed` times as fast as real time from demo_open() on. */
const struct clock *demo_clock(struct demo *demo);
/* Base URL of the simulated Kubernetes API. */
const char *demo_kube_url(struct demo *demo);

/* One step that the service reports (its watch function): shown in the view, counted for the summary. */
void demo_tell(struct demo *demo, int64_t time_ms, const char *incident, const char *state,
	const char *text);

/* A finding of the analyzer, likewise; summary is one line, `episode` tells repeats apart. */
void demo_tell_finding(struct demo *demo, int64_t time_ms, const char *episode, bool firing,
	const char *summary);

/* Runs the cluster against the service at service_url (http://127.0.0.1:port) until the duration is
 * over or *stop is set. Returns an error when the service could not be reached. */
enum status demo_run(struct demo *demo, const char *service_url, const atomic_bool *stop,
	struct error *error) MUST_CHECK;
/* The summary on config.output: what rose, what was found, decided, changed, and what came of it. */
void demo_write_summary(struct demo *demo);
/* True when the run showed the main job: a finding or alert, a plan, a change, a verified outcome. */
bool demo_complete(struct demo *demo);
void demo_close(struct demo *demo);

#endif
