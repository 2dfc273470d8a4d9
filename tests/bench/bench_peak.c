/*
 * How well the maximum of the next slots is foreseen: on the traces of NIMBUSGUARD_DATA (skipped without
 * it) as slots of 15 s (between the minutes' middles on a line, with 3 % of noise, then counted; scaled so
 * that the 99.9 % minute is 1,250 requests a second), fitted on the first part, measured on the last. Mean
 * pinball loss in units of the mean rate, beside that of fixed multiples of the present level (the
 * quantiles of the fitted part), and the share of outcomes below some quantiles.
 *
 * Usage: bench_peak [HORIZON...]   (slots, 10 40)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "analyzers/forecast/peak.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

#define MINUTES_MAX 50000u
#define START_MS INT64_C(1699833600000)
#define SLOTS_A_MINUTE 4u

static const struct {
	const char *name;
	size_t fit, train;
} traces[] = {{"nasa-jul", 12, 18}, {"clarknet", 6, 9}, {"wc98-may", 13, 19}, {"mongo-02", 5, 7},
	{"mongo-04", 5, 7}, {"ingress-04", 5, 7}};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Requests of each minute; returns how many minutes. */
static size_t trace_read(const char *folder, const char *name, double *minutes)
{
	char path[512], line[256];
	size_t count = 0;
	gzFile file;

	(void)snprintf(path, sizeof(path), "%s/traces/%s.csv.gz", folder, name);
	file = gzopen(path, "rb");
	while (file != NULL && count < MINUTES_MAX && gzgets(file, line, sizeof(line)) != NULL) {
		const char *comma = strchr(line, ',');
		char *end;
		double value = comma != NULL ? strtod(comma + 1, &end) : NAN;

		if (comma != NULL && end != comma + 1)
			minutes[count++] = value;
	}
	if (file != NULL)
		(void)gzclose(file);
	return count;
}

static void slots_make(const double *minutes, size_t count, double *slots)
{
	double *sorted = mem_zalloc(count, sizeof(*sorted)), scale;
	struct random random;

	CHECK(sorted != NULL);
	memcpy(sorted, minutes, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), ascending);
	scale = 1250 / sorted[(size_t)((double)(count - 1) * .999)];
	mem_free(sorted);
	random_init(&random, 1);
	for (size_t i = 0; i < count * SLOTS_A_MINUTE; i++) {
		double at = ((double)i + .5) / SLOTS_A_MINUTE - .5, rate;
		size_t left = at < 0 ? 0 : (size_t)at;
		size_t right = left + 1 < count ? left + 1 : left;
		double part = fmax(at - (double)left, 0);

		rate = scale * ((1 - part) * minutes[left] + part * minutes[right]);
		rate *= exp(.03 * random_normal(&random) - .03 * .03 / 2);
		slots[i] = (double)random_poisson(&random, 15 * rate) / 15;
	}
}

static double pinball(double value, double said, double level)
{
	return value >= said ? level * (value - said) : (level - 1) * (value - said);
}

static double high_of(const double *slots, size_t from, size_t count)
{
	double high = 0;

	for (size_t i = from; i < from + count; i++)
		high = fmax(high, slots[i]);
	return high;
}

/* What multiples of the present level the maximum to come is, at each level. */
static void multiples(const double *slots, size_t fitted, size_t horizon, double *quantiles)
{
	double *sorted = mem_zalloc(fitted, sizeof(*sorted));
	size_t count = 0;

	CHECK(sorted != NULL);
	for (size_t i = 1; i + horizon < fitted; i++) {
		double level = (slots[i] + slots[i - 1]) / 2;

		if (level > 0)
			sorted[count++] = high_of(slots, i + 1, horizon) / level;
	}
	qsort(sorted, count, sizeof(*sorted), ascending);
	for (size_t j = 0; j < PEAK_LEVELS; j++)
		quantiles[j] = sorted[(size_t)((double)(count - 1) * (double)peak_levels[j])];
	mem_free(sorted);
}

static void trace_run(const char *name, const double *slots, size_t fitted, size_t reported,
	size_t count, size_t horizon)
{
	double loss = 0, plain = 0, mean = 0, below[PEAK_LEVELS] = {0}, said[PEAK_LEVELS];
	double fixed[PEAK_LEVELS], fit_s, step_us, total = 0;
	struct peak_config config;
	struct error error;
	struct peak *peak;
	int64_t start_ns;

	peak_config_default(&config);
	config.horizon = horizon;
	multiples(slots, fitted, horizon, fixed);
	peak = peak_open(&config, &error);
	CHECK(peak != NULL);
	start_ns = clock_thread_cpu_ns();
	CHECK(peak_fit(peak, slots, fitted, START_MS, &error) == STATUS_OK);
	fit_s = (double)(clock_thread_cpu_ns() - start_ns) * 1e-9;
	start_ns = clock_thread_cpu_ns();
	for (size_t i = fitted; i + horizon < count; i++) {
		double level = (slots[i] + slots[i - 1]) / 2, high;

		peak_step(peak, slots[i], START_MS + (int64_t)i * config.slot_ms);
		if (i < reported)
			continue;
		peak_predict(peak, said);
		high = high_of(slots, i + 1, horizon);
		for (size_t j = 0; j < PEAK_LEVELS; j++) {
			loss += pinball(high, said[j], (double)peak_levels[j]) / PEAK_LEVELS;
			plain += pinball(high, level * fixed[j], (double)peak_levels[j]) /
				PEAK_LEVELS;
			below[j] += high <= said[j] ? 1 : 0;
		}
		mean += slots[i];
		total++;
	}
	step_us = (double)(clock_thread_cpu_ns() - start_ns) * 1e-3 / (double)(count - fitted);
	printf("%-10s %2zu slots: loss %.4f, of fixed multiples %.4f (%.3f of it); below .5 %.3f .9 %.3f "
	       ".95 %.3f .99 %.4f .999 %.4f; fit %.1f s, step %.1f us\n",
		name, horizon, loss / mean, plain / mean, loss / plain, below[1] / total,
		below[4] / total, below[5] / total, below[7] / total, below[9] / total, fit_s,
		step_us);
	(void)fflush(stdout);
	peak_close(peak);
}

int main(int argc, char **argv)
{
	const char *folder = getenv("NIMBUSGUARD_DATA");
	static double minutes[MINUTES_MAX], slots[MINUTES_MAX * SLOTS_A_MINUTE];
	static const size_t usual[] = {10, 40};

	if (folder == NULL) {
		puts("bench_peak: no NIMBUSGUARD_DATA, nothing foreseen");
		return 0;
	}
	for (size_t t = 0; t < ARRAY_COUNT(traces); t++) {
		size_t count = trace_read(folder, traces[t].name, minutes),
		       day = 1440 * SLOTS_A_MINUTE;

		if (count < 1440 * traces[t].train + 1440)
			continue;
		slots_make(minutes, count, slots);
		for (int h = 0; h < (argc > 1 ? argc - 1 : (int)ARRAY_COUNT(usual)); h++)
			trace_run(traces[t].name, slots, traces[t].fit * day, traces[t].train * day,
				(count - 10) * SLOTS_A_MINUTE,
				argc > 1 ? strtoul(argv[h + 1], NULL, 10) : usual[h]);
	}
	return 0;
}
