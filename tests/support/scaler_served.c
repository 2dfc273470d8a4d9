/*
 * A scaler of this process is stepped on readings of the past, and closed, which keeps what it learnt.
 */
#include "tests/support/scaler_served.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/scaler.h"
#include "analyzers/snapshot.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "tests/support/servers.h"

#define SLOTS 400
#define SHADOW_SLOTS 240

static double used(const struct served_workload *workload)
{
	return fmin(1, workload->rate / workload->pods / SERVED_POD_RATE) + CAPACITY_IDLE;
}

static void fill(struct watched_workload *watched, const struct served_workload *workload,
	int64_t now_ms)
{
	const struct {
		enum signal_role role;
		double value;
	} readings[] = {{ROLE_REQUEST_RATE, workload->rate}, {ROLE_CPU_UTILIZATION, used(workload)},
		{ROLE_REPLICAS, workload->pods}, {ROLE_REPLICAS_WANTED, workload->pods}};

	watched->key = (struct workload_key){.kind = TARGET_DEPLOYMENT};
	snprintf(watched->key.namespace_name, sizeof(watched->key.namespace_name), "%s",
		workload->namespace_name);
	snprintf(watched->key.name, sizeof(watched->key.name), "%s", workload->name);
	for (int role = 0; role < ROLE_COUNT; role++) {
		watched->signals[role].series = STORE_NO_SERIES;
		outlook_none(&watched->signals[role].outlook);
	}
	for (size_t i = 0; i < ARRAY_COUNT(readings); i++) {
		watched->signals[readings[i].role].series = 1;
		watched->signals[readings[i].role].last =
			(struct judgement){.quality = QUALITY_GOOD,
				.newest = readings[i].value,
				.newest_ms = now_ms - 5000};
	}
}

void scaler_served_write(const char *storage, const struct served_workload *list, size_t count)
{
	static struct watched_workload watched[SERVED_MAX];
	struct snapshot snapshot = {.roster = {.workloads = watched, .count = count}};
	int64_t end_ms = clock_now_ms(clock_system());
	char folder[2 * SERVER_PATH_MAX];
	struct scaler_config config;
	struct scaler *scaler;
	struct error error;

	assert_true(count <= SERVED_MAX);
	snprintf(folder, sizeof(folder), "%s/models", storage);
	assert_int_equal(file_make_folder(storage, &error), STATUS_OK);
	assert_int_equal(file_make_folder(folder, &error), STATUS_OK);
	snprintf(folder, sizeof(folder), "%s/models/learnt", storage);
	assert_int_equal(file_make_folder(folder, &error), STATUS_OK);
	scaler_config_default(&config);
	config.serve = true;
	config.workload_max = SERVED_MAX;
	config.follow.shadow_slots = SHADOW_SLOTS;
	config.kept_folder = folder;
	scaler = scaler_open(&config, &error);
	assert_non_null(scaler);
	end_ms -= end_ms % SCALER_SLOT_MS;
	for (int i = SLOTS; i > 0; i--) {
		snapshot.scanned_ms = end_ms - i * (int64_t)SCALER_SLOT_MS;
		for (size_t k = 0; k < count; k++)
			fill(&watched[k], &list[k], snapshot.scanned_ms);
		scaler_scan(scaler, &snapshot);
	}
	scaler_close(scaler);
}

void scaler_served_feed(struct write_body *request, const struct served_workload *list,
	size_t count)
{
	static const char *const names[] = {"workload_requests:rate",
		"workload_cpu_utilization:ratio", "workload_replicas:ready",
		"workload_replicas:wanted"};
	char labels[256];

	write_body_reset(request);
	for (size_t k = 0; k < count; k++) {
		const double values[] = {list[k].rate, used(&list[k]), list[k].pods, list[k].pods};

		for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
			snprintf(labels, sizeof(labels),
				"__name__=nimbusguard:%s,namespace=%s,workload=%s,"
				"workload_kind=Deployment",
				names[i], list[k].namespace_name, list[k].name);
			write_body_simple(request, labels, clock_now_ms(clock_system()), values[i]);
		}
	}
}
