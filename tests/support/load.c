#include "tests/support/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>

#include "demo/loadgen.h"

#define ROUNDS 5

double load_send(const struct servers *servers, const struct server *nimbusguard, uint64_t seed)
{
	static struct loadgen_result result;
	char url[128];
	atomic_bool stop = false;
	struct error error = {.text = ""};
	const struct loadgen_config config = {.target = {.url = url},
		.shape = {.series_count = LOAD_SAMPLES / ROUNDS,
			.label_count = 10,
			.seed = seed,
			.start_ms = clock_now_ms(clock_system()) - 100000,
			.interval_ms = 15000},
		.round_count = ROUNDS,
		.batch_series = 200,
		.connection_count = 2,
		.body_memory_max = 1 << 24};

	snprintf(url, sizeof(url), "%s/api/v1/write", nimbusguard->url);
	if (loadgen_run(&config, &stop, &result, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	if (!loadgen_good(&result)) {
		loadgen_write_report(stderr, &result);
		servers_tell(servers);
		fail_msg("the load was not taken whole");
	}
	assert_int_equal(loadgen_verdict(&result), LOADGEN_COMPLETE);
	return (double)latency_quantile_ns(&result.latency, 0.99) / 1e9;
}
