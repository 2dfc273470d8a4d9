/*
 * The running service: all rooms opened in order, wired with small adapters, and closed in the
 * reverse order.
 *
 * Ownership: the service owns everything it opens; the clock is borrowed and must outlive it.
 * Threads: open and close from one thread; service_reload() from any.
 */
#ifndef NIMBUSGUARD_DAEMON_SERVICE_H
#define NIMBUSGUARD_DAEMON_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/analyzer.h"
#include "base/clock.h"
#include "daemon/backfill.h"
#include "daemon/bundle.h"
#include "daemon/config.h"
#include "receiver/server.h"
#include "remediations/remediator.h"
#include "remote_write/ingest.h"
#include "store/rollup.h"
#include "store/store.h"

struct service;
struct intake;
struct scaler; /* analyzers/scaler/scaler.h */

/* How the configuration was given, so that a reload reads the same again. */
struct service_layers {
	const char *config_path; /* NULL: none */
	char *const *environment;
	const struct config_flag *flags;
	size_t flag_count;
};

/* Opens all parts and listens. Everything that is wrong with files is in diagnostics, everything
 * else in error; NULL then. layers are borrowed for the life of the service. */
struct service *service_open(const struct service_layers *layers, const struct clock *clock,
	struct diagnostics *diagnostics, struct error *error) MUST_CHECK;
/* Reads the layers again; the old configuration stays when anything is wrong (diagnostics). */
enum status service_reload(struct service *service, struct diagnostics *diagnostics) MUST_CHECK;
/* Stops taking requests, lets those under way end, then closes everything. */
void service_close(struct service *service);

unsigned service_port(const struct service *service);
/* As opened: for settings that need a restart. */
const struct config *service_config(const struct service *service);
enum mode service_mode(struct service *service);
struct remediator *service_remediator(struct service *service); /* NULL when the feature is off */
struct analyzer *service_analyzer(struct service *service);
struct scaler *service_scaler(struct service *service); /* NULL when analyze is off */
struct store *service_store(struct service *service);
struct rollup *service_rollup(struct service *service); /* NULL when it is not kept */
const struct clock *service_clock(const struct service *service);
bool service_ready(struct service *service, const char **reason);
/* Calls watch for each finding as it goes to the engine, from the scan's thread; for the live view.
 * Set before the first scan or not at all. */
typedef void service_finding_fn(void *argument, const struct event *finding);
void service_watch_findings(struct service *service, service_finding_fn *watch, void *argument);
/* Samples stored a second over the last ten seconds or so; NaN before there was time to tell. */
double service_samples_per_second(struct service *service);
int64_t service_started_ms(const struct service *service);
struct ingest *service_ingest(struct service *service, unsigned thread);
struct intake *service_intake(struct service *service);
struct backfill *service_backfill(struct service *service); /* NULL: off */
struct recorder *service_recorder(struct service *service); /* NULL: off */
struct access *service_access(struct service *service);
/* Where they come from as opened: the setting, or the path of the bundled ones; "" when the part does
 * not run. */
const char *service_signal_files(const struct service *service);
const char *service_playbook_files(const struct service *service);
bool service_feature(const struct service *service, const char *feature);

#endif
