/*
 * Copies with a reference count: made once a scan, read by many, freed by the last.
 */
#include "analyzers/snapshot.h"

#include <string.h>

#include "base/mem.h"

void findings_log_init(struct findings_log *log)
{
	log->first = 0;
	log->count = 0;
}

void findings_log_fini(struct findings_log *log)
{
	for (size_t i = 0; i < log->count; i++)
		event_fini(&log->events[(log->first + i) % FINDINGS_LOG_MAX]);
	findings_log_init(log);
}

void findings_log_add(struct findings_log *log, const struct event *event)
{
	struct event copy;

	if (event_clone(&copy, event) != STATUS_OK)
		return;
	if (log->count == FINDINGS_LOG_MAX) {
		event_fini(&log->events[log->first]);
		log->first = (log->first + 1) % FINDINGS_LOG_MAX;
		log->count--;
	}
	log->events[(log->first + log->count++) % FINDINGS_LOG_MAX] = copy;
}

struct snapshot *snapshot_make(const struct roster *roster, const struct findings_log *log,
	int64_t scanned_ms)
{
	struct snapshot *snapshot = mem_zalloc(1, sizeof(*snapshot));

	if (snapshot == NULL)
		return NULL;
	atomic_init(&snapshot->holders, 1);
	snapshot->scanned_ms = scanned_ms;
	findings_log_init(&snapshot->log);
	if (roster_copy(&snapshot->roster, roster) != STATUS_OK) {
		mem_free(snapshot);
		return NULL;
	}
	for (size_t i = 0; i < log->count; i++)
		findings_log_add(&snapshot->log, &log->events[(log->first + i) % FINDINGS_LOG_MAX]);
	return snapshot;
}

void snapshot_hold(struct snapshot *snapshot)
{
	atomic_fetch_add(&snapshot->holders, 1);
}

void snapshot_release(struct snapshot *snapshot)
{
	if (atomic_fetch_sub(&snapshot->holders, 1) != 1)
		return;
	roster_fini(&snapshot->roster);
	findings_log_fini(&snapshot->log);
	mem_free(snapshot);
}
