/*
 * The watch over whole workloads, from samples to findings: a tier with days in it, a stream on top of
 * it, scans, models made in between; what is found and said, what joins what, and that no bad input
 * makes a confident score or a finding without its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/analyzer.h"
#include "analyzers/minutes.h"
#include "analyzers/snapshot.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tests/support/folder.h"

#define DAYS 2
#define DAY 1440
#define STEP_MS 15000
#define M0 (INT64_C(28333320) - INT64_C(28333320) % DAY)
#define T0 (M0 * 60000)
#define COLUMNS 4

static const struct workload_key web = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};
static const char *const metrics[COLUMNS] = {"cpu", "memory", "rate", "latency"};
static const enum signal_role roles[COLUMNS] = {ROLE_CPU, ROLE_MEMORY, ROLE_REQUEST_RATE,
	ROLE_LATENCY};
/* The least deviations keep the robust z-score quiet where a test is about the watch alone. */
static const char signals[] =
	"signals:\n"
	"- {role: cpu, selector: cpu, detect: both, min_deviation: 100}\n"
	"- {role: memory, selector: memory, detect: up, min_deviation: 1e15}\n"
	"- {role: request_rate, selector: rate, detect: both, min_deviation: 1e6, "
	"forecast: true}\n"
	"- {role: latency, selector: latency, detect: up, min_deviation: 100}\n";
static const char no_forecasts[] = "signals:\n- {role: cpu, selector: cpu, detect: both}\n";

static char folder[FOLDER_PATH_MAX], tier_path[FOLDER_PATH_MAX + 20],
	signal_path[FOLDER_PATH_MAX + 20];
static const char *signal_paths[] = {signal_path};
static struct clock_manual manual;
static struct store *store;
static struct rollup *rollup;
static struct analyzer *analyzer;
static struct analyzer_config config;
static struct random dice;
static struct error error;
static uint32_t series[COLUMNS];

static struct {
	int opened, repeated, ended, singles;
	char summary[4096], description[4096], role[64];
	double score;
} told;

static void found(void *argument, const struct event *finding)
{
	const char *name = labels_get(&finding->labels, "finding");

	/* None without its reason. */
	assert_true(strlen(labels_get(&finding->annotations, "summary")) > 20);
	assert_true(strlen(labels_get(&finding->annotations, "description")) > 20);
	assert_non_null(labels_get(&finding->annotations, "since"));
	if (strcmp(name, "workload_anomaly") != 0) {
		told.singles += finding->firing;
		return;
	}
	if (!finding->firing)
		told.ended++;
	else if (finding->starts_ms != 0 && told.opened > told.ended)
		told.repeated++;
	else
		told.opened++;
	told.score = finding->score;
	snprintf(told.summary, sizeof(told.summary), "%s",
		labels_get(&finding->annotations, "summary"));
	snprintf(told.description, sizeof(told.description), "%s",
		labels_get(&finding->annotations, "description"));
	snprintf(told.role, sizeof(told.role), "%s", labels_get(&finding->labels, "role"));
}

/* A load that follows the day, and what follows the load. */
static void usual(int64_t minute, double row[COLUMNS])
{
	double load = 100 + 40 * sin((double)(minute % DAY) * 6.283185307 / DAY) +
		2 * random_normal(&dice);

	row[0] = load / 50 + 0.05 * random_normal(&dice);
	row[1] = 5e8 + 1e6 * load + 1e6 * random_normal(&dice);
	row[2] = load;
	row[3] = 0.2 + 0.02 * fabs(random_normal(&dice));
}

/* Changes a row before it is sent; column -1: not sent. NULL: nothing is changed. */
typedef void spoil_fn(double row[COLUMNS], bool sent[COLUMNS]);

/* What the rows of the days before are changed by; the clock tells the minute. */
static spoil_fn *tier_spoil;

static void fill_tier(int days)
{
	static struct rollup_minute minutes[COLUMNS][DAY];
	char key[ROLLUP_KEY_MAX];

	for (int day = days; day > 0; day--) {
		for (int i = 0; i < DAY; i++) {
			double row[COLUMNS];

			usual(M0 - day * DAY + i, row);
			if (tier_spoil != NULL) {
				struct clock_manual then = manual;
				bool sent[COLUMNS];

				clock_manual_init(&manual, (M0 - day * DAY + i) * 60000);
				tier_spoil(row, sent);
				manual = then;
			}
			for (int k = 0; k < COLUMNS; k++)
				minutes[k][i] = (struct rollup_minute){row[k], row[k], row[k],
					row[k], 4, true};
		}
		for (int k = 0; k < COLUMNS; k++)
			assert_int_equal(rollup_write(rollup, key, minutes_key(&web, roles[k], key),
						 M0 - day * DAY, minutes[k], DAY, M0, &error),
				STATUS_OK);
	}
}

static void open_world(const char *text, int days)
{
	static const struct store_limits limits = {.memory_max = 16 << 20,
		.series_max = 1000,
		.retention_ms = 3600000,
		.interval_ms = STEP_MS,
		.ended_keep_ms = 600000,
		.future_max_ms = INT64_C(400) * 86400000};
	static const struct rollup_limits kept = {.retention_ms = INT64_C(4) * 86400000,
		.signals_max = 10};

	folder_make(folder);
	folder_path(tier_path, sizeof(tier_path), folder, "rollup.1m");
	folder_path(signal_path, sizeof(signal_path), folder, "signals.yaml");
	folder_write(folder, "signals.yaml", text);
	memset(&told, 0, sizeof(told));
	random_init(&dice, 3);
	clock_manual_init(&manual, T0);
	store = store_open(&limits, &manual.clock, &error);
	rollup = rollup_open(tier_path, &kept, &manual.clock, &error);
	assert_non_null(store);
	assert_non_null(rollup);
	fill_tier(days);
	analyzer_config_default(&config);
	config.signal_paths = signal_paths;
	config.signal_path_count = 1;
	config.clock = &manual.clock;
	config.rollup = rollup;
	config.found = found;
	config.history_min_ms = 120000;
	config.learn_min_ms = 43200000;
	analyzer = analyzer_open(&config, store, &error);
	if (analyzer == NULL)
		fail_msg("%s", error.text);
	for (int k = 0; k < COLUMNS; k++) {
		const struct label pairs[] = {{"__name__", metrics[k], 8,
						      (uint32_t)strlen(metrics[k])},
			{"namespace", "shop", 9, 4}, {"workload_kind", "Deployment", 13, 10},
			{"workload", "web", 8, 3}};

		assert_int_equal(store_intern(store,
					 store_key_of(store, metrics[k], strlen(metrics[k])), pairs,
					 4, &series[k], &error),
			STATUS_OK);
	}
}

static int close_world(void **state)
{
	analyzer_close(analyzer);
	rollup_close(rollup);
	store_close(store);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

static int64_t now(void)
{
	return clock_now_ms(&manual.clock);
}

static void sample(int column, double value)
{
	uint64_t counts[APPEND_RESULT_COUNT];
	const struct store_sample one = {series[column], now(), value};

	memset(counts, 0, sizeof(counts));
	store_append(store, &one, 1, counts);
}

static void minute(spoil_fn *spoil)
{
	double row[COLUMNS];
	bool sent[COLUMNS] = {true, true, true, true};

	usual(now() / 60000, row);
	if (spoil != NULL)
		spoil(row, sent);
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < COLUMNS; k++)
			if (sent[k])
				sample(k, row[k]);
		analyzer_scan(analyzer);
		analyzer_learn(analyzer);
		clock_manual_advance(&manual, STEP_MS);
	}
}

static void minutes(int count, spoil_fn *spoil)
{
	for (int i = 0; i < count; i++)
		minute(spoil);
}

static struct watch_state watched(void)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	const struct watched_workload *workload = roster_find(&snapshot->roster, &web);
	struct watch_state state;

	assert_non_null(workload);
	state = workload->watched;
	snapshot_release(snapshot);
	return state;
}

static void slow(double row[COLUMNS], bool sent[COLUMNS])
{
	row[0] += 3;
	row[3] = 2.5;
}

static void silent(double row[COLUMNS], bool sent[COLUMNS])
{
	memset(sent, 0, COLUMNS * sizeof(*sent));
}

static void says(const char *text, const char *wanted)
{
	if (strstr(text, wanted) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", text, wanted);
}

/* The answer of GET /api/v1/detect. */
static const char *detection(void)
{
	static char text[65536];
	struct buf json;

	buf_init(&json, sizeof(text) - 1);
	assert_int_equal(analyzer_write_detection(analyzer, &json, &web), STATUS_OK);
	snprintf(text, sizeof(text), "%s", json.data);
	buf_fini(&json);
	return text;
}

static void what_is_usual_raises_nothing_and_trouble_is_told_once_with_its_reason(void **state)
{
	open_world(signals, DAYS);
	minutes(90, NULL);
	assert_true(watched().fitted);
	assert_int_equal(watched().quarantine, ALARM_SERVING);
	assert_true(!isnan(watched().answer.probability));
	assert_int_equal(told.opened, 0);
	minutes(12, slow);
	assert_int_equal(told.opened, 1);
	assert_true(told.repeated > 3);
	assert_int_equal(told.ended, 0);
	says(told.summary, "shop/Deployment/web behaves unusually: ");
	says(told.summary, "latency is 2.5 s");
	says(told.summary, "% of the score");
	says(told.description, "the detector \"ensemble\"");
	says(told.description, "unusual since 20");
	assert_true(told.score > 4);
	assert_true(watched().active);
	says(detection(), "\"state\":\"serving\"");
	says(detection(), "\"unusual\":true,\"since\":\"20");
	says(detection(), "\"explanation\":\"");
	says(detection(),
		"{\"role\":\"latency\",\"unit\":\"seconds\",\"quality\":\"good\","
		"\"value\":2.5,");
	says(detection(), "\"ground\":\"at this time of day\"");
	minutes(90, NULL);
	assert_int_equal(told.ended, 1);
	says(told.summary, "no longer behaves unusually");
	assert_int_equal(told.opened, 1);
	assert_int_equal(told.singles, 0);
	assert_true(metrics_get(METRIC_DETECTORS, "serving") == 1);
	assert_true(metrics_get(METRIC_MODELS_BYTES) > 10000);
	assert_true(metrics_get(METRIC_MODEL_FITS, "detect", "ok") == 1);
}

static double forecast(const char *quantile)
{
	struct buf page;

	buf_init(&page, 1 << 20);
	metrics_write_page(&page);
	buf_fini(&page);
	return metrics_get(METRIC_FORECAST, "shop", "Deployment", "web", "request_rate", "15m",
		quantile);
}

/* The answer of GET /api/v1/predict. */
static const char *prediction_told(void)
{
	static char text[65536];
	struct buf json;

	buf_init(&json, sizeof(text) - 1);
	assert_int_equal(analyzer_write_outlook(analyzer, &json, &web), STATUS_OK);
	snprintf(text, sizeof(text), "%s", json.data);
	buf_fini(&json);
	return text;
}

static void a_signal_that_is_to_be_forecast_is(void **state)
{
	double middle;

	open_world(signals, DAYS);
	minutes(30, NULL);
	middle = forecast("0.5");
	/* The load of this hour lies between 100 and 120. */
	assert_true(middle > 90 && middle < 130);
	assert_true(forecast("0.1") < middle && middle < forecast("0.9"));
	says(prediction_told(), "\"signals\":[{\"role\":\"request_rate\",");
	says(prediction_told(), "\"state\":\"serving\",\"forecasts\":[");
	says(prediction_told(), "{\"minutes\":15,\"at\":\"20");
	assert_null(strstr(prediction_told(), "cpu"));
	/* What is gone is not forecast. */
	minutes(25, silent);
	assert_true(isnan(forecast("0.5")) || forecast("0.5") == 0);
	says(prediction_told(),
		"\"state\":\"stale\",\"reason\":\"stale, no value for more than 15 minutes\","
		"\"forecasts\":[]");
	says(prediction_told(), "\"peak\":{\"minutes\":15,");
	says(prediction_told(),
		"\"reason\":\"stale, the last two minutes are missing\",\"q50\":null");
}

static void why_a_forecast_is_silent_is_told(void **state)
{
	open_world(signals, 0);
	minutes(37, NULL);
	says(prediction_told(), "\"state\":\"learning\",\"reason\":\"learning, 3");
	says(prediction_told(), " of 240 minutes\",\"forecasts\":[],\"peak\":{");
	says(prediction_told(), " of 1440 minutes\",\"q50\":null");
	close_world(NULL);
	open_world(no_forecasts, 0);
	minutes(3, NULL);
	says(prediction_told(), "\"reason\":\"nothing is to be forecast: ");
	says(prediction_told(), "\"signals\":[]");
}

/* Three times the load in the minutes 20 to 24 of each hour. */
static void burst(double row[COLUMNS], bool sent[COLUMNS])
{
	if (now() / 60000 % 60 >= 20 && now() / 60000 % 60 < 25)
		row[2] *= 3;
}

static double peak_shown(const char *quantile)
{
	struct buf page;

	buf_init(&page, 1 << 20);
	metrics_write_page(&page);
	buf_fini(&page);
	return metrics_get(METRIC_FORECAST_PEAK, "shop", "Deployment", "web", "request_rate", "15m",
		quantile);
}

static void the_highest_minute_to_come_is_told(void **state)
{
	int64_t newest_ms = 0;
	double value = NAN;

	tier_spoil = burst;
	open_world(signals, DAYS);
	tier_spoil = NULL;
	minutes(80, burst);
	/* Of the minutes 80 to 94: a burst is among them. */
	assert_int_equal(analyzer_peak(analyzer, &web, ROLE_REQUEST_RATE, now(), &value,
				 &newest_ms),
		QUALITY_GOOD);
	assert_true(value > 200 && value < 600);
	assert_true(newest_ms <= now() && newest_ms > now() - 180000);
	assert_true(fabs(peak_shown("0.9") - value) < 1e-9);
	assert_true(peak_shown("0.5") <= value && value <= peak_shown("0.99"));
	assert_true(metrics_get(METRIC_FORECAST_PEAK_SKILL, "shop", "Deployment", "web",
			    "request_rate", "15m") > 0);
	assert_true(metrics_get(METRIC_PEAK_TRAININGS, "promoted") == 1);
	says(prediction_told(), "\"peak\":{\"minutes\":15,\"until\":\"20");
	says(prediction_told(), "\"state\":\"serving\",\"q50\":");
	/* Of another signal, long past, and of a workload nobody knows. */
	assert_int_equal(analyzer_peak(analyzer, &web, ROLE_CPU, now(), &value, &newest_ms),
		QUALITY_MISSING);
	assert_true(isnan(value));
	assert_int_equal(analyzer_peak(analyzer, &web, ROLE_REQUEST_RATE, now() + 3600000, &value,
				 &newest_ms),
		QUALITY_STALE);
	/* By what is not to be known yet. */
	assert_int_equal(analyzer_peak(analyzer, &web, ROLE_REQUEST_RATE, now() - 600000, &value,
				 &newest_ms),
		QUALITY_STALE);
	/* And once it is silent. */
	minutes(5, silent);
	assert_int_equal(analyzer_peak(analyzer, &web, ROLE_REQUEST_RATE, now(), &value,
				 &newest_ms),
		QUALITY_STALE);
	assert_true(isnan(value) && peak_shown("0.9") == 0);
}

static void what_is_forecast_with_skill_is_foreseen(void **state)
{
	struct prediction at = {.middle = NAN};
	int64_t now_ms;

	open_world(signals, DAYS);
	minutes(30, NULL);
	now_ms = clock_now_ms(&manual.clock);
	assert_true(
		analyzer_foresee(analyzer, &web, ROLE_REQUEST_RATE, now_ms, now_ms + 600000, &at));
	assert_true(at.low < at.middle && at.middle < at.high);
	assert_true(at.middle > 90 && at.middle < 130);
	at.middle = -1;
	/* Not forecast, too far, by what is not to be known yet, by what is long past. */
	assert_false(analyzer_foresee(analyzer, &web, ROLE_CPU, now_ms, now_ms + 600000, &at));
	assert_false(
		analyzer_foresee(analyzer, &web, ROLE_REQUEST_RATE, now_ms, now_ms + 3600000, &at));
	assert_false(analyzer_foresee(analyzer, &web, ROLE_REQUEST_RATE, now_ms - 600000,
		now_ms + 600000, &at));
	assert_false(analyzer_foresee(analyzer, &web, ROLE_REQUEST_RATE, now_ms + 600000,
		now_ms + 600000, &at));
	assert_true(at.middle == -1);
}

static void between_horizons_is_the_line_and_without_skill_nothing(void **state)
{
	struct outlook_view view = {.predictions = {{1, 2, 3, 4, 5}, {11, 12, 13, 14, 15}},
		.skill = {0.2, 0.1}};
	struct prediction at;

	assert_true(outlook_at(&view, 10, &at));
	assert_true(fabs(at.low - 6) < 1e-9 && fabs(at.middle - 8) < 1e-9);
	assert_true(fabs(at.high - 10) < 1e-9);
	assert_true(outlook_at(&view, 3, &at) && at.middle == 3);
	assert_true(outlook_at(&view, 17, &at) && at.middle == 13);
	assert_false(outlook_at(&view, 2, &at) || outlook_at(&view, 18, &at));
	view.skill[1] = 0;
	assert_true(outlook_at(&view, 5, &at));
	assert_false(outlook_at(&view, 6, &at) || outlook_at(&view, 15, &at));
	view.skill[1] = NAN;
	assert_false(outlook_at(&view, 15, &at));
	view.predictions[0].low = NAN;
	assert_false(outlook_at(&view, 5, &at));
	(void)state;
}

static void with_too_little_history_it_says_nothing(void **state)
{
	open_world(signals, 0);
	minutes(70, NULL);
	minutes(10, slow);
	assert_false(watched().fitted);
	assert_true(isnan(watched().answer.probability));
	assert_int_equal(told.opened, 0);
	assert_true(metrics_get(METRIC_DETECTORS, "learning") == 1);
	says(detection(), "\"state\":\"learning\",\"reason\":\"it has learnt nothing yet\"");
	says(detection(), "\"score\":null");
	assert_true(metrics_get(METRIC_MODEL_FITS, "detect", "unavailable") >= 1);
}

static void a_finding_of_a_signal_takes_the_place_of_that_of_the_workload(void **state)
{
	open_world("signals:\n"
		   "- {role: cpu, selector: cpu, detect: both, min_deviation: 0.1}\n"
		   "- {role: memory, selector: memory, detect: up}\n"
		   "- {role: request_rate, selector: rate, detect: both}\n"
		   "- {role: latency, selector: latency, detect: up, min_deviation: 0.1}\n",
		DAYS);
	minutes(60, NULL);
	minutes(15, slow);
	assert_true(told.singles > 0);
	/* Whichever was first: at the end there is one kind of finding, not both. */
	assert_int_equal(told.opened, told.ended);
	if (told.ended > 0)
		says(told.summary, "it goes on as ");
	assert_true(watched().active);
}

/* ---- bad input: none of it a confident score or a finding without its reason ---- */

static void not_a_number(double row[COLUMNS], bool sent[COLUMNS])
{
	for (int k = 0; k < COLUMNS; k++)
		row[k] = k % 2 == 0 ? NAN : INFINITY;
}

static void ended(double row[COLUMNS], bool sent[COLUMNS])
{
	const uint64_t bits = STORE_STALE_BITS;

	for (int k = 0; k < COLUMNS; k++)
		memcpy(&row[k], &bits, sizeof(bits));
}

static void without_latency(double row[COLUMNS], bool sent[COLUMNS])
{
	sent[3] = false;
}

static void too_large(double row[COLUMNS], bool sent[COLUMNS])
{
	for (int k = 0; k < COLUMNS; k++)
		row[k] = k % 2 == 0 ? 1e308 : -1e308;
}

static void no_finding_and_no_score(spoil_fn *spoil)
{
	open_world(signals, 1);
	minutes(40, NULL);
	assert_true(watched().fitted);
	minutes(30, spoil);
	assert_int_equal(told.opened, 0);
	assert_true(isnan(watched().answer.score) && isnan(watched().answer.probability));
}

static void numbers_that_are_none_are_not_judged(void **state)
{
	no_finding_and_no_score(not_a_number);
}

static void an_ended_series_is_not_judged(void **state)
{
	no_finding_and_no_score(ended);
}

static void silence_is_not_judged(void **state)
{
	no_finding_and_no_score(silent);
}

static void values_of_1e308_are_not_judged(void **state)
{
	no_finding_and_no_score(too_large);
}

static void a_signal_that_disappears_is_no_anomaly(void **state)
{
	open_world(signals, 1);
	minutes(40, NULL);
	minutes(40, without_latency);
	assert_int_equal(told.opened, 0);
	/* The others are still judged. */
	assert_true(!isnan(watched().answer.score));
}

static void trouble_that_falls_silent_ends_without_saying_that_all_is_well(void **state)
{
	open_world(signals, 1);
	minutes(40, NULL);
	minutes(10, slow);
	assert_int_equal(told.opened, 1);
	minutes(80, silent);
	assert_int_equal(told.ended, 1);
	says(told.summary, "can no longer be judged");
	says(told.description, "without saying that all is well");
}

static void constant(double row[COLUMNS], bool sent[COLUMNS])
{
	for (int k = 0; k < COLUMNS; k++)
		row[k] = 7;
}

static void constant_series_put_the_detector_into_quarantine(void **state)
{
	static struct rollup_minute same[DAY];
	char key[ROLLUP_KEY_MAX];

	open_world(signals, 0);
	for (int i = 0; i < DAY; i++)
		same[i] = (struct rollup_minute){7, 7, 7, 7, 4, true};
	for (int day = 1; day > 0; day--)
		for (int k = 0; k < COLUMNS; k++)
			assert_int_equal(rollup_write(rollup, key, minutes_key(&web, roles[k], key),
						 M0 - day * DAY, same, DAY, M0, &error),
				STATUS_OK);
	minutes(70, constant);
	assert_int_equal(told.opened, 0);
	if (watched().fitted)
		assert_true(watched().quarantine != ALARM_SERVING);
	minutes(20, slow);
	assert_int_equal(told.opened, 0);
	says(alarm_reason(watched().quarantine), "all rows");
}

static void a_week_of_nothing_is_learnt_from_as_nothing(void **state)
{
	open_world(signals, 0);
	minutes(30, silent);
	assert_int_equal(told.opened, 0);
	minutes(30, NULL);
	assert_false(watched().fitted);
	assert_int_equal(told.opened, 0);
}

/* After days that were learnt from; what comes then is not yet usual or unusual. */
static void a_week_of_nothing_in_between_ends_all_judging(void **state)
{
	open_world(signals, 1);
	minutes(40, NULL);
	assert_true(watched().fitted);
	clock_manual_advance(&manual, INT64_C(7) * 86400000);
	minutes(3, silent);
	assert_true(isnan(watched().answer.score) && isnan(watched().answer.probability));
	minutes(20, slow);
	assert_int_equal(told.opened, 0);
	assert_int_equal(told.singles, 0);
	assert_false(watched().fitted);
	assert_true(isnan(watched().answer.score) && isnan(watched().answer.probability));
}

static void a_clock_that_steps_lets_the_model_go_and_it_is_made_again(void **state)
{
	open_world(signals, 1);
	minutes(40, NULL);
	assert_true(watched().fitted);
	/* Two hours ahead, in one step: the minutes between are gaps, and no finding. */
	clock_manual_advance(&manual, 7200000);
	minutes(10, NULL);
	assert_int_equal(told.opened, 0);
	minutes(100, NULL);
	assert_int_equal(told.opened, 0);
	assert_true(watched().fitted);
	/* An hour back: the samples of the store are ahead of the clock now. */
	clock_manual_advance(&manual, -3600000);
	minutes(10, NULL);
	assert_int_equal(told.opened, 0);
}

static void doubled_and_late_samples_change_nothing(void **state)
{
	double row[COLUMNS];
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	open_world(signals, 1);
	minutes(40, NULL);
	for (int i = 0; i < 30; i++) {
		minute(NULL);
		usual(now() / 60000, row);
		for (int k = 0; k < COLUMNS; k++) {
			const struct store_sample again[] = {{series[k], now() - STEP_MS,
								     row[k] * 1000},
				{series[k], now() - 300000, row[k] * 1000}};

			store_append(store, again, 2, counts);
		}
	}
	assert_true(counts[APPEND_CONFLICT] > 0 && counts[APPEND_LATE] > 0);
	assert_int_equal(told.opened, 0);
	assert_true(!isnan(watched().answer.score));
}

static void an_unknown_detector_is_named(void **state)
{
	struct analyzer_config other;

	open_world(signals, 0);
	other = config;
	other.forecaster = "oracle";
	assert_null(analyzer_open(&other, store, &error));
	says(error.text, "there is no forecaster \"oracle\"");
	other = config;
	other.detector = "oracle";
	assert_null(analyzer_open(&other, store, &error));
	says(error.text, "there is no detector \"oracle\"");
}

static void without_room_for_models_nobody_learns(void **state)
{
	struct analyzer *first;

	open_world(signals, 1);
	first = analyzer;
	config.models_bytes_max = 0;
	analyzer = analyzer_open(&config, store, &error);
	assert_non_null(analyzer);
	minutes(20, NULL);
	assert_false(watched().fitted);
	analyzer_close(first);
}

static void models_are_made_by_the_thread_of_the_trainer(void **state)
{
	open_world(signals, 1);
	minutes(3, silent);
	config.scan_interval_ms = 1000;
	assert_int_equal(analyzer_start(analyzer, &error), STATUS_OK);
	for (int i = 0; i < 3000; i++) {
		double row[COLUMNS];
		struct snapshot *snapshot;
		const struct watched_workload *workload;
		bool fitted;

		usual(now() / 60000, row);
		for (int k = 0; k < COLUMNS; k++)
			sample(k, row[k]);
		clock_manual_advance(&manual, STEP_MS);
		clock_sleep_ms(20);
		snapshot = analyzer_snapshot(analyzer);
		workload = roster_find(&snapshot->roster, &web);
		fitted = workload != NULL && workload->watched.fitted;
		snapshot_release(snapshot);
		if (fitted)
			break;
	}
	assert_true(watched().fitted);
	analyzer_stop(analyzer);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_usual_raises_nothing_and_trouble_is_told_once_with_its_reason),
		TEST(a_signal_that_is_to_be_forecast_is),
		TEST(why_a_forecast_is_silent_is_told),
		TEST(the_highest_minute_to_come_is_told),
		TEST(what_is_forecast_with_skill_is_foreseen),
		cmocka_unit_test(between_horizons_is_the_line_and_without_skill_nothing),
		TEST(with_too_little_history_it_says_nothing),
		TEST(a_finding_of_a_signal_takes_the_place_of_that_of_the_workload),
		TEST(numbers_that_are_none_are_not_judged),
		TEST(an_ended_series_is_not_judged),
		TEST(silence_is_not_judged),
		TEST(values_of_1e308_are_not_judged),
		TEST(a_signal_that_disappears_is_no_anomaly),
		TEST(trouble_that_falls_silent_ends_without_saying_that_all_is_well),
		TEST(constant_series_put_the_detector_into_quarantine),
		TEST(a_week_of_nothing_is_learnt_from_as_nothing),
		TEST(a_week_of_nothing_in_between_ends_all_judging),
		TEST(a_clock_that_steps_lets_the_model_go_and_it_is_made_again),
		TEST(doubled_and_late_samples_change_nothing),
		TEST(an_unknown_detector_is_named),
		TEST(without_room_for_models_nobody_learns),
		TEST(models_are_made_by_the_thread_of_the_trainer),
	};

	return cmocka_run_group_tests_name("watcher", tests, NULL, NULL);
}
