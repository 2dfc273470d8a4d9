/*
 * History at start: what Prometheus kept of the series that are watched is fetched by its query API
 * and put into the rings, beside the stream, which has begun by then.
 *
 * States: off -> waiting (for the first answer) -> running -> done | partial (something is missing,
 *   the log says what) | failed (given up; the stream alone fills the rings).
 * Ownership: store, clock and texts of the configuration are borrowed and must outlive it.
 * Limits: an answer of target.answer_max bytes for each of `concurrency` connections; selectors:
 *   those of the signals and SELECTORS_MAX more. What it asks for is cut into slices of time that are
 *   halved when an answer is too large for either side, and doubled when it is small.
 * Order: newest slices first, of all selectors in turn.
 * Threads: open, start and close from one thread; reading from any.
 */
#ifndef NIMBUSGUARD_DAEMON_BACKFILL_H
#define NIMBUSGUARD_DAEMON_BACKFILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "daemon/prometheus_client.h"
#include "store/store.h"

#define BACKFILL_CONCURRENCY_MAX 16

/* X(state, name in metrics and the API) */
#define BACKFILL_STATE_TABLE(X)                                                                    \
	X(BACKFILL_OFF, "off")                                                                     \
	X(BACKFILL_WAITING, "waiting")                                                             \
	X(BACKFILL_RUNNING, "running")                                                             \
	X(BACKFILL_DONE, "done")                                                                   \
	X(BACKFILL_PARTIAL, "partial")                                                             \
	X(BACKFILL_FAILED, "failed")

enum backfill_state {
#define X(state, name) state,
	BACKFILL_STATE_TABLE(X)
#undef X
		BACKFILL_STATE_COUNT
};

struct backfill_list {
	const char *const *texts;
	size_t count;
};

struct backfill_config {
	struct prometheus_target target;
	int64_t range_ms;
	int64_t give_up_ms; /* without an answer for so long */
	unsigned concurrency;
	/* Selectors: of the signals in these files, and further ones. */
	struct backfill_list signal_files, match;
	/* name=value; NULL texts: asked of Prometheus. */
	bool external_given;
	struct backfill_list external;
	/* As ingest has them (remote_write/ingest_rules.h). */
	struct backfill_list keep, drop;
	const char *cluster_label, *replica_label; /* both NULL: no HA pairs */
	uint32_t labels_max, label_name_max, label_value_max;
	const struct clock *clock;
};

struct backfill;

/* Connects to nothing yet. NULL: a setting is wrong (the text names it), or memory is out. */
struct backfill *backfill_open(const struct backfill_config *config, struct store *store,
	struct error *error) MUST_CHECK;
enum status backfill_start(struct backfill *backfill, struct error *error) MUST_CHECK;
/* Ends what is under way. */
void backfill_close(struct backfill *backfill);

/* backfill may be NULL: off. */
enum backfill_state backfill_state(struct backfill *backfill);
const char *backfill_state_name(enum backfill_state state);
/* A JSON object for the status of the service. */
void backfill_write_json(struct backfill *backfill, struct buf *json);
/* Sets the gauges. */
void backfill_collect(struct backfill *backfill);

#endif
