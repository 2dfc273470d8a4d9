/*
 * Remote write out: figures of the service (scores, forecasts, wanted replicas) as series of a Prometheus,
 * where rules, an HPA's adapter or KEDA can ask for them. They are the gauges and counters of the metrics
 * page, by name, pushed at an interval; a series that is there no more gets a staleness marker at once, and
 * all of them do when the service stops, so that nobody acts on what nobody says any more.
 *
 * Ownership: struct write_out_config borrows texts of the configuration; its external labels are its own.
 * Limits: series_max series; the queue's (daemon/write_queue.h).
 * Threads: two of its own; open, start and close from one.
 */
#ifndef NIMBUSGUARD_DAEMON_WRITE_OUT_H
#define NIMBUSGUARD_DAEMON_WRITE_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/labels.h"
#include "base/metrics.h"
#include "daemon/config.h"
#include "daemon/write_queue.h"

struct write_out_config {
	struct write_queue_config queue;
	enum metric_id metrics[METRIC_COUNT]; /* counters and gauges */
	size_t metric_count;
	struct labels external; /* on each series that has no label of that name */
	int64_t interval_ms, flush_ms;
	size_t series_max;
	const struct clock *clock;
};

/* By the settings remote_write_out.*. STATUS_BAD_INPUT: the setting and what is wrong with it.
 * write_out_config_fini() in any case. */
enum status write_out_config_read(const struct config *config, const struct clock *clock,
	struct write_out_config *out, struct error *error) MUST_CHECK;
void write_out_config_fini(struct write_out_config *config);
/* Whether a URL is set. */
bool write_out_wanted(const struct config *config);

struct write_out;

/* Takes the configuration over when it succeeds, with its external labels. */
struct write_out *write_out_open(struct write_out_config *config, struct error *error) MUST_CHECK;
/* A round at each interval from now on. */
enum status write_out_start(struct write_out *out, struct error *error) MUST_CHECK;
/* Ends all series, tries for flush_ms to send what waits. NULL is allowed. */
void write_out_close(struct write_out *out);
/* One round, in the caller's thread (tests); only without start. */
void write_out_round(struct write_out *out);

#endif
