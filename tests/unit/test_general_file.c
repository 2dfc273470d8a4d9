/*
 * Files of the net for all workloads, as a start finds them: what is cut off, foreign, damaged or of a format to
 * come is refused by name, and the next good one serves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analyzer.h"
#include "analyzers/models/general_file.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "tests/support/folder.h"

static char folder[FOLDER_PATH_MAX], signal_path[FOLDER_PATH_MAX + 20];
static const char *const signal_paths[] = {signal_path};

struct world {
	struct clock_manual clock;
	struct store *store;
	struct analyzer_config config;
};

static void open_world(struct world *world)
{
	static const struct store_limits limits = {.memory_max = 16 << 20,
		.series_max = 1000,
		.retention_ms = 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 600000,
		.future_max_ms = 600000};
	struct error error;

	folder_make(folder);
	folder_path(signal_path, sizeof(signal_path), folder, "signals.yaml");
	folder_write(folder, "signals.yaml", "signals:\n- {role: cpu, selector: cpu}\n");
	clock_manual_init(&world->clock, INT64_C(1700000000000));
	world->store = store_open(&limits, &world->clock.clock, &error);
	assert_non_null(world->store);
	analyzer_config_default(&world->config);
	world->config.signal_paths = signal_paths;
	world->config.signal_path_count = 1;
	world->config.clock = &world->clock.clock;
}

static void says(const char *text, const char *words)
{
	if (strstr(text, words) == NULL)
		fail_msg("not \"%s\" in: %s", words, text);
}

/* A small net for all workloads. */
static void write_net(const char *path)
{
	struct forecaster_config small;
	struct model_info info = {.kind = "lstm"};
	struct lstm_net *net;
	struct error error;

	forecaster_config_default(&small);
	small.lstm_hidden = 32;
	small.lstm_beside = FORECAST_BESIDE;
	small.lstm_layers = 1;
	net = lstm_net_open(&small, &error);
	assert_non_null(net);
	assert_int_equal(general_file_write(path, net, &info, &error), STATUS_OK);
	lstm_net_release(net);
}

/* What the log says while an analyzer is opened with these nets. text: [4096]. */
static void log_of_nets(struct world *world, const char *const nets[2], char *text)
{
	FILE *log = tmpfile();
	struct analyzer *opened;
	struct error error;
	size_t size;

	assert_non_null(log);
	world->config.general_models[0] = nets[0];
	world->config.general_models[1] = nets[1];
	log_set_fd(fileno(log));
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	opened = analyzer_open(&world->config, world->store, &error);
	log_flush();
	log_set_fd(STDERR_FILENO);
	assert_non_null(opened);
	analyzer_close(opened);
	rewind(log);
	size = fread(text, 1, 4095, log);
	text[size] = '\0';
	fclose(log);
}

static void a_net_that_is_no_good_is_named_and_the_last_good_one_serves(void **state)
{
	static const struct {
		size_t cut, at; /* bytes left out at the end; the byte that is another */
		const char *words;
	} cases[] = {{100, SIZE_MAX, "cut off"}, {0, 0, "not a model"}, {0, 8, "format"},
		{0, 900, "checksum"}};
	char good[FOLDER_PATH_MAX + 20], bad[FOLDER_PATH_MAX + 20], text[4096], line[700];
	const char *const nets[2] = {bad, good};
	struct error error;
	struct world world;
	struct buf bytes;

	(void)state;
	open_world(&world);
	folder_path(good, sizeof(good), folder, "good.model");
	folder_path(bad, sizeof(bad), folder, "bad.model");
	write_net(good);
	buf_init(&bytes, 1 << 20);
	assert_int_equal(file_read(good, &bytes, &error), STATUS_OK);
	snprintf(line, sizeof(line), "takes part in forecasts\" path=%s", good);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		if (cases[i].at != SIZE_MAX)
			bytes.data[cases[i].at] ^= 3;
		assert_int_equal(file_write_atomic(bad, bytes.data, bytes.size - cases[i].cut, 0600,
					 &error),
			STATUS_OK);
		if (cases[i].at != SIZE_MAX)
			bytes.data[cases[i].at] ^= 3;
		log_of_nets(&world, nets, text);
		says(text, "a net for all workloads is refused");
		says(text, bad);
		says(text, cases[i].words);
		says(text, line);
	}
	buf_fini(&bytes);
	store_close(world.store);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_net_that_is_no_good_is_named_and_the_last_good_one_serves),
	};

	return cmocka_run_group_tests_name("general_file", tests, NULL, NULL);
}
