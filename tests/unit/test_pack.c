/*
 * State as bytes: a model that was read back says what the one that was written says, and bytes that are cut
 * off, changed or of other settings are refused or harmless.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/detect/alarm.h"
#include "analyzers/detect/detector.h"
#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define COLUMNS 3
#define DAY 48
#define ROWS (6 * DAY)
#define STEPS 40

static struct detector_config config = {.rows_per_day = DAY, .seed = 7, .trees = 12};
static double rows[(ROWS + 2 * STEPS) * COLUMNS];
static struct random dice;
static struct error error;

static void draw_rows(void)
{
	random_init(&dice, 3);
	for (size_t i = 0; i < ROWS + 2 * STEPS; i++) {
		double load = 10 + 4 * sin(2 * M_PI * (double)i / DAY);

		rows[i * COLUMNS] = load + 0.3 * random_normal(&dice);
		rows[i * COLUMNS + 1] = i % 50 == 9 ? NAN : 1e6 * load + random_normal(&dice);
		rows[i * COLUMNS + 2] = 5e-3 + 1e-4 * random_normal(&dice);
	}
}

static struct detector *fitted(const struct detector_class *class)
{
	struct detector *detector = class->open(&config, COLUMNS, &error);

	assert_non_null(detector);
	assert_int_equal(class->fit(detector, &(struct detector_rows){rows, ROWS, COLUMNS}, &error),
		STATUS_OK);
	for (size_t i = ROWS; i < ROWS + STEPS; i++)
		(void)class->step(detector, rows + i * COLUMNS, NULL);
	return detector;
}

static unsigned char *written(const struct detector_class *class, struct detector *detector,
	size_t *size)
{
	unsigned char *bytes;
	struct pack pack;

	pack_measure(&pack);
	class->pack(detector, &pack);
	assert_true(pack_ok(&pack));
	*size = pack.done;
	bytes = mem_alloc(*size);
	pack_write(&pack, bytes, *size);
	class->pack(detector, &pack);
	assert_true(pack_ok(&pack));
	return bytes;
}

static void claim_the_same(const struct detector_class *class)
{
	struct detector *before = fitted(class), *after;
	size_t size;
	unsigned char *bytes = written(class, before, &size);
	struct pack pack;

	after = class->open(&config, COLUMNS, &error);
	pack_read(&pack, bytes, size);
	class->pack(after, &pack);
	assert_true(pack_ok(&pack));
	assert_int_equal(class->size(before), class->size(after));
	for (size_t i = ROWS + STEPS; i < ROWS + 2 * STEPS; i++) {
		double parts[COLUMNS], others[COLUMNS];
		double a = class->step(before, rows + i * COLUMNS, parts);
		double b = class->step(after, rows + i * COLUMNS, others);

		assert_memory_equal(&a, &b, sizeof(a));
		assert_memory_equal(parts, others, sizeof(parts));
	}
	mem_free(bytes);
	class->close(before);
	class->close(after);
}

static void a_detector_read_back_says_the_same(void **state)
{
	const struct detector_class *class;

	draw_rows();
	for (size_t at = 0; (class = detector_class_at(at)) != NULL; at++)
		claim_the_same(class);
	claim_the_same(detector_class_find("lstm_residual"));
}

static bool reads(const struct detector_class *class, const struct detector_config *own,
	const unsigned char *bytes, size_t size)
{
	struct detector *detector = class->open(own, COLUMNS, &error);
	struct pack pack;
	bool ok;

	assert_non_null(detector);
	pack_read(&pack, bytes, size);
	class->pack(detector, &pack);
	ok = pack_ok(&pack);
	/* Whatever was taken over is sound. */
	for (size_t i = 0; ok && i < STEPS; i++) {
		double parts[COLUMNS];

		(void)class->step(detector, rows + i * COLUMNS, parts);
	}
	class->close(detector);
	return ok;
}

static void cut_off_or_of_other_settings_it_is_refused(void **state)
{
	const struct detector_class *class = detector_class_find("ensemble");
	struct detector_config other = config;
	struct detector *detector;
	unsigned char *bytes;
	size_t size;

	draw_rows();
	detector = fitted(class);
	bytes = written(class, detector, &size);
	assert_true(reads(class, &config, bytes, size));
	for (size_t cut = 0; cut < size; cut += 1 + size / 97)
		assert_false(reads(class, &config, bytes, cut));
	assert_false(reads(class, &config, bytes, size - 1));
	other.trees = 11;
	assert_false(reads(class, &other, bytes, size));
	other = config;
	other.rows_per_day = 2 * DAY;
	assert_false(reads(class, &other, bytes, size));
	other = config;
	other.seed = 8;
	assert_false(reads(class, &other, bytes, size));
	mem_free(bytes);
	class->close(detector);
}

/* The file's checksum refuses them before; without it they still break nothing. */
static void changed_bytes_are_refused_or_harmless(void **state)
{
	static const char *const names[] = {"ensemble", "forest", "extended_forest", "pca_roll",
		"forecast_residual", "ewma_bands", "lstm_residual"};

	draw_rows();
	for (size_t n = 0; n < ARRAY_COUNT(names); n++) {
		const struct detector_class *class = detector_class_find(names[n]);
		struct detector *detector = fitted(class);
		size_t size;
		unsigned char *bytes = written(class, detector, &size);

		for (int i = 0; i < (n < 6 ? 300 : 50); i++) {
			size_t at = random_below(&dice, i % 2 == 0 || size < 200 ? size : 200);
			unsigned char kept = bytes[at];

			bytes[at] = (unsigned char)random_below(&dice, 256);
			(void)reads(class, &config, bytes, size);
			bytes[at] = kept;
		}
		mem_free(bytes);
		class->close(detector);
	}
}

static void an_alarm_read_back_goes_on_in_its_episode(void **state)
{
	static double scores[1000], scratch[1000];
	const struct alarm_config alarm_config = {.rows_min = 2};
	struct alarm before, after;
	unsigned char bytes[16384];
	struct pack pack;

	random_init(&dice, 8);
	for (size_t i = 0; i < 1000; i++)
		scores[i] = random_normal(&dice);
	alarm_init(&before, &alarm_config);
	assert_true(alarm_fit(&before, scores, 1000, scratch));
	(void)alarm_step(&before, 9);
	assert_true(alarm_step(&before, 9).raised);
	pack_measure(&pack);
	alarm_pack(&before, &pack);
	assert_in_range(pack.done, 100, sizeof(bytes));
	pack_write(&pack, bytes, pack.done);
	alarm_pack(&before, &pack);
	assert_true(pack_ok(&pack));
	alarm_init(&after, &alarm_config);
	pack_read(&pack, bytes, pack.done);
	alarm_pack(&after, &pack);
	assert_true(pack_ok(&pack) && after.open);
	for (int i = 0; i < 400; i++) {
		double score = i < 3 ? 9 : random_normal(&dice) + (i > 200 && i < 210 ? 9 : 0);
		struct alarm_answer a = alarm_step(&before, score);
		struct alarm_answer b = alarm_step(&after, score);

		assert_true(a.raised == b.raised && a.ended == b.ended && a.active == b.active);
		assert_true(a.threshold == b.threshold && a.probability == b.probability);
	}
	alarm_init(&after, &(struct alarm_config){.rows_min = 3});
	pack_read(&pack, bytes, sizeof(bytes));
	alarm_pack(&after, &pack);
	assert_true(pack.failed);
}

static double value_at(size_t row)
{
	if (row % 61 == 7)
		return NAN;
	return 50 + 20 * sin(2 * M_PI * (double)row / DAY) + random_normal(&dice);
}

static struct forecaster *forecaster_new(const struct forecaster_class *class, size_t horizon)
{
	struct forecaster_config own;
	struct forecaster *forecaster;

	forecaster_config_default(&own);
	own.season_rows = DAY;
	own.horizons[1] = horizon;
	forecaster = forecaster_open(class, &own, &error);
	assert_non_null(forecaster);
	return forecaster;
}

static bool forecaster_reads(const struct forecaster_class *class, size_t horizon,
	const unsigned char *bytes, size_t size)
{
	struct forecaster *forecaster = forecaster_new(class, horizon);
	struct prediction predictions[2];
	struct pack pack;
	bool ok;

	pack_read(&pack, bytes, size);
	forecaster_pack(forecaster, &pack);
	ok = pack_ok(&pack);
	for (int64_t i = 0; ok && i < STEPS; i++) {
		forecaster_step(forecaster, (double)i, (INT64_C(1) << 40) + i * 60000);
		forecaster_predict(forecaster, predictions);
	}
	forecaster_close(forecaster);
	return ok;
}

static void compare_forecasts(struct forecaster *before, struct forecaster *after)
{
	for (size_t i = 600; i < 700; i++) {
		struct prediction one[2], other[2];
		double value = value_at(i);

		forecaster_step(before, value, (int64_t)i * 60000);
		forecaster_step(after, value, (int64_t)i * 60000);
		forecaster_predict(before, one);
		forecaster_predict(after, other);
		assert_memory_equal(one, other, sizeof(one));
	}
	assert_true(forecaster_skill(before, 0) == forecaster_skill(after, 0));
}

static void a_forecaster_read_back_says_the_same(void **state)
{
	const struct forecaster_class *class;
	static double values[600];
	static unsigned char bytes[200000];

	random_init(&dice, 5);
	for (size_t i = 0; i < 600; i++)
		values[i] = value_at(i);
	for (size_t at = 0; (class = forecaster_class_at(at)) != NULL; at++) {
		struct forecaster *before = forecaster_new(class, 15);
		struct forecaster *after = forecaster_new(class, 15);
		struct pack pack;
		size_t size;

		assert_int_equal(forecaster_fit(before, values, 600, 0, &error), STATUS_OK);
		pack_measure(&pack);
		forecaster_pack(before, &pack);
		size = pack.done;
		assert_in_range(size, 1000, sizeof(bytes));
		pack_write(&pack, bytes, size);
		forecaster_pack(before, &pack);
		assert_true(pack_ok(&pack));
		pack_read(&pack, bytes, size);
		forecaster_pack(after, &pack);
		assert_true(pack_ok(&pack));
		compare_forecasts(before, after);
		assert_false(forecaster_reads(class, 14, bytes, size));
		for (size_t cut = 0; cut < size; cut += 1 + size / 53)
			assert_false(forecaster_reads(class, 15, bytes, cut));
		for (int i = 0; i < 100; i++) {
			size_t place = random_below(&dice, size);
			unsigned char kept = bytes[place];

			bytes[place] = (unsigned char)random_below(&dice, 256);
			(void)forecaster_reads(class, 15, bytes, size);
			bytes[place] = kept;
		}
		forecaster_close(before);
		forecaster_close(after);
	}
}

/* A net that learnt nothing, for who asks one. */
static int open_net(void **state)
{
	struct forecaster_config shape;
	struct lstm_net *net;
	struct error why;

	forecaster_config_default(&shape);
	shape.lstm_hidden = 32;
	shape.lstm_layers = 1;
	net = lstm_net_open(&shape, &why);
	config.shared = lstm_shared_open(LSTM_FP32, &why);
	if (net == NULL || config.shared == NULL)
		return -1;
	lstm_shared_put(config.shared, net);
	return 0;
}

static int close_net(void **state)
{
	lstm_shared_close(config.shared);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_detector_read_back_says_the_same),
		cmocka_unit_test(cut_off_or_of_other_settings_it_is_refused),
		cmocka_unit_test(changed_bytes_are_refused_or_harmless),
		cmocka_unit_test(an_alarm_read_back_goes_on_in_its_episode),
		cmocka_unit_test(a_forecaster_read_back_says_the_same),
	};

	return cmocka_run_group_tests_name("pack", tests, open_net, close_net);
}
