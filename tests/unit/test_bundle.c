/*
 * From settings to the configuration of the analyzer: what its net for all workloads answers with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/yaml.h"
#include "daemon/bundle.h"

/* word NULL: the setting is left alone. */
static enum lstm_weights weights_of(const char *word)
{
	const struct config_flag flag = {"analyze.general-weights", word};
	struct analyzer_config analyzer;
	struct diagnostics diagnostics;
	struct bundle bundle;
	struct config *config;

	diagnostics_init(&diagnostics);
	config = config_load(NULL, NULL, &flag, word != NULL, &diagnostics);
	assert_non_null(config);
	bundle_find(&bundle);
	service_analyzer_config(config, &bundle, clock_system(), &analyzer);
	config_close(config);
	diagnostics_fini(&diagnostics);
	return analyzer.general_weights;
}

static void the_net_answers_with_the_weights_that_are_set(void **state)
{
	assert_int_equal(weights_of("bf16"), LSTM_BF16);
	assert_int_equal(weights_of("fp32"), LSTM_FP32);
}

static void without_a_word_the_processor_decides(void **state)
{
	enum lstm_weights expected = kernels_best()->rounds ? LSTM_BF16 : LSTM_FP32;

	assert_int_equal(weights_of(NULL), expected);
	assert_int_equal(weights_of("auto"), expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_net_answers_with_the_weights_that_are_set),
		cmocka_unit_test(without_a_word_the_processor_decides),
	};

	return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
