/*
 * Written as the recorder writes it: all minutes of a signal at once, as of the end.
 */
#include "tests/support/day_tier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "analyzers/learnt_file.h"
#include "analyzers/minutes.h"
#include "base/mem.h"
#include "base/random.h"

const struct workload_key day_tier_web = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};

static void signal_write(struct day_tier *tier, enum signal_role role, int rows, int gap_every,
	struct random *random)
{
	static struct rollup_minute minutes[DAY_TIER_DAYS_MAX * DAY_TIER_DAY];
	char key[ROLLUP_KEY_MAX];
	struct error error;

	for (int i = 0; i < rows; i++) {
		double value = 5 + random_normal(random);
		bool there = gap_every == 0 || i % gap_every != 3;

		minutes[i] = (struct rollup_minute){value, value, value, value, 1, there};
	}
	assert_int_equal(rollup_write(tier->rollup, key, minutes_key(&day_tier_web, role, key),
				 DAY_TIER_START - DAY_TIER_DAY, minutes, (size_t)rows,
				 DAY_TIER_START - DAY_TIER_DAY + rows, &error),
		STATUS_OK);
}

void day_tier_open(struct day_tier *tier, int days, int gap_every)
{
	static const struct rollup_limits limits = {.retention_ms = INT64_C(5) * 86400000,
		.signals_max = 10};
	struct random random;
	struct error error;
	int rows = days * DAY_TIER_DAY;

	assert_in_range(days, 1, DAY_TIER_DAYS_MAX);
	random_init(&random, 4);
	folder_make(tier->folder);
	folder_path(tier->path, sizeof(tier->path), tier->folder, "rollup.1m");
	clock_manual_init(&tier->manual, (DAY_TIER_START - DAY_TIER_DAY + rows) * 60000);
	tier->rollup = rollup_open(tier->path, &limits, &tier->manual.clock, &error);
	assert_non_null(tier->rollup);
	signal_write(tier, ROLE_CPU, rows, gap_every, &random);
	signal_write(tier, ROLE_LATENCY, rows, gap_every, &random);
	tier->watch = (struct watch_spec){.class = detector_class_find("pca_roll"),
		.train_rows = DAY_TIER_DAY,
		.train_rows_min = 600,
		.rows_min = 2,
		.probability_max = 1e-4,
		.seed = 1};
	tier->outlook = (struct outlook_spec){.class = forecaster_class_find("combined"),
		.train_rows = DAY_TIER_DAY,
		.train_rows_min = 240};
}

void day_tier_close(struct day_tier *tier)
{
	rollup_close(tier->rollup);
	folder_remove(tier->folder);
}

void day_tier_learn(struct day_tier *tier, const char *detector)
{
	struct watch_model *model;
	struct error error;
	size_t size = 0;
	void *bytes;

	tier->watch.class = detector_class_find(detector);
	assert_non_null(tier->watch.class);
	assert_int_equal(watch_train(&tier->watch, tier->rollup, &day_tier_web, DAY_TIER_ROLES,
				 DAY_TIER_START, &model, &error),
		STATUS_OK);
	bytes = watch_model_write(model, &size);
	assert_non_null(bytes);
	assert_int_equal(learnt_file_write(tier->folder, "detect", &day_tier_web, bytes, size,
				 &error),
		STATUS_OK);
	mem_free(bytes);
	watch_model_close(model);
}
