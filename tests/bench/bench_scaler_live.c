/*
 * Decisions of 5,000 workloads in one slot on one core: readings, wishes, a budget that cuts, accounts, and
 * the page for readers. CPU time of a slot, after each workload was followed for an hour.
 */
#include <math.h>
#include <stdio.h>

#include "analyzers/scaler/scaler.h"
#include "analyzers/snapshot.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

#define WORKLOADS 5000
#define WARM_SLOTS 260
#define MEASURED_SLOTS 100
#define POD 10.0

static const enum signal_role roles[] = {ROLE_REQUEST_RATE, ROLE_CPU_UTILIZATION, ROLE_REPLICAS,
	ROLE_REPLICAS_WANTED};

static void fill(struct snapshot *snapshot, struct random *random, int slot)
{
	for (size_t i = 0; i < WORKLOADS; i++) {
		struct watched_workload *workload = &snapshot->roster.workloads[i];
		double phase = 2 * M_PI * ((double)slot / 1000 + (double)i / WORKLOADS);
		double rate = (40 + 30 * sin(phase)) * (1 + .05 * random_normal(random));
		const double values[] = {rate, rate / POD / 10 + .03, 10, 10};

		for (size_t k = 0; k < ARRAY_COUNT(roles); k++) {
			struct judgement *last = &workload->signals[roles[k]].last;

			last->newest = values[k];
			last->newest_ms = snapshot->scanned_ms - 3000;
		}
	}
}

static void make(struct snapshot *snapshot)
{
	snapshot->roster.workloads = mem_zalloc(WORKLOADS, sizeof(struct watched_workload));
	CHECK(snapshot->roster.workloads != NULL);
	snapshot->roster.count = WORKLOADS;
	for (size_t i = 0; i < WORKLOADS; i++) {
		struct watched_workload *workload = &snapshot->roster.workloads[i];

		workload->key.kind = TARGET_DEPLOYMENT;
		snprintf(workload->key.namespace_name, NAMESPACE_MAX, "team-%zu", i % 100);
		snprintf(workload->key.name, OBJECT_NAME_MAX, "service-%zu", i);
		for (int role = 0; role < ROLE_COUNT; role++) {
			workload->signals[role].series = STORE_NO_SERIES;
			outlook_none(&workload->signals[role].outlook);
		}
		for (size_t k = 0; k < ARRAY_COUNT(roles); k++)
			workload->signals[roles[k]].series = 1;
	}
}

static void measure(const char *what, const struct scaler_config *config, struct snapshot *snapshot)
{
	struct error error;
	struct scaler *scaler = scaler_open(config, &error);
	struct random random;
	double sum = 0, worst = 0;

	CHECK(scaler != NULL);
	random_init(&random, 1);
	snapshot->scanned_ms = INT64_C(1700000000000);
	for (int slot = 0; slot < WARM_SLOTS + MEASURED_SLOTS; slot++) {
		int64_t start_ns;
		double ms;

		snapshot->scanned_ms += SCALER_SLOT_MS;
		fill(snapshot, &random, slot);
		start_ns = clock_thread_cpu_ns();
		scaler_scan(scaler, snapshot);
		ms = (double)(clock_thread_cpu_ns() - start_ns) * 1e-6;
		if (slot < WARM_SLOTS)
			continue;
		sum += ms;
		worst = fmax(worst, ms);
	}
	printf("%-32s %6.2f ms a slot, worst %6.2f ms (bar: 100)\n", what, sum / MEASURED_SLOTS,
		worst);
	scaler_close(scaler);
}

int main(void)
{
	struct scaler_config config;
	struct snapshot snapshot = {.scanned_ms = 0};

	make(&snapshot);
	scaler_config_default(&config);
	config.workload_max = WORKLOADS;
	measure("5,000 workloads", &config, &snapshot);
	config.pods_max = 9 * WORKLOADS / 2;
	config.namespace_pods_max = 480;
	measure("with a budget that cuts", &config, &snapshot);
	mem_free(snapshot.roster.workloads);
	return 0;
}
