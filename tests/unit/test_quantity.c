/* Kubernetes quantities: values worked out by hand from the grammar of k8s.io/apimachinery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/quantity.h"

static void good_quantities_have_their_value(void **state)
{
	static const struct {
		const char *text;
		int64_t whole, milli;
	} table[] = {
		{"0", 0, 0}, {"1", 1, 1000}, {"1000m", 1, 1000}, {"1e0", 1, 1000},
		{"500m", 1, 500}, /* rounded up */
		{"100m", 1, 100}, {"1.", 1, 1000}, {".5", 1, 500}, {"0.5", 1, 500},
		{"1.5", 2, 1500}, {"-1.5", -2, -1500}, {"+3", 3, 3000}, {"0001", 1, 1000},
		{"1k", 1000, 1000000}, {"1Ki", 1024, 1024000},
		{"1.5Gi", 1610612736, INT64_C(1610612736000)},
		{"512Mi", 536870912, INT64_C(536870912000)}, {"2M", 2000000, INT64_C(2000000000)},
		{"1E", INT64_C(1000000000000000000), INT64_MAX}, {"1E3", 1000, 1000000},
		{"1e3", 1000, 1000000}, {"1e+3", 1000, 1000000}, {"1.5e3", 1500, 1500000},
		{"1500e-3", 2, 1500}, {"12345e-3", 13, 12345}, {"1n", 1, 1}, {"1u", 1, 1},
		{"1000000n", 1, 1}, {"1000001n", 1, 2},
		{"0.0000000001", 1, 1}, /* finer than nano rounds up */
		{"-0.0000000001", -1, -1}, {"1e-30", 1, 1}, {"0e-30", 0, 0},
		{"1e30", INT64_MAX, INT64_MAX}, {"-1e30", -INT64_MAX, -INT64_MAX},
		{"1e999999999999", INT64_MAX, INT64_MAX}, {"1e-999999999999", 1, 1},
		{"0.000000000000000000001Ei", 1, 2}, /* 2^60 / 10^21 = 0.00115 */
		{"8Ei", INT64_MAX, INT64_MAX}, {"7Ei", INT64_C(7) << 60, INT64_MAX},
		{"9223372036854775807", INT64_MAX, INT64_MAX},
		{"9223372036854775808", INT64_MAX, INT64_MAX},
		{"99999999999999999999999999999999999999", INT64_MAX, INT64_MAX},
		{"99999999999999999999999999999999999999Ei", INT64_MAX, INT64_MAX},
		{"10000000000000000000000n", INT64_C(10000000000000), INT64_C(10000000000000000)},
		{"1.0000000000000000000000001", 2, 1001}, {"0.1Ki", 103, 102400}, /* 102.4 */
	};

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		int64_t whole = -7, milli = -7;

		if (quantity_parse(table[i].text, &whole) != STATUS_OK ||
			quantity_parse_milli(table[i].text, &milli) != STATUS_OK ||
			whole != table[i].whole || milli != table[i].milli)
			fail_msg("%s: %lld, %lld", table[i].text, (long long)whole,
				(long long)milli);
	}
}

static void bad_quantities_are_refused(void **state)
{
	static const char *const bad[] = {"", " 1", "1 ", "1 Gi", "Gi", "m", ".", "-", "+", "1..5",
		"1.5.5", "1K", "1mi", "1ki", "1g", "1Gib", "1GiB", "1e", "1E+", "1e3.5", "1e3Ki",
		"1Kim", "--1", "0x10", "1,5", "NaN", "Inf", "e3", "1i", "\xc2\xb5", "one",
		"1111111111111111111111111111111111111111111111111111111111111111"};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		int64_t value = -7;

		if (quantity_parse(bad[i], &value) != STATUS_BAD_INPUT || value != -7)
			fail_msg("\"%s\" gave %lld", bad[i], (long long)value);
	}
}

static void output_is_canonical(void **state)
{
	char text[32];

	quantity_write_bytes(1610612736, text, sizeof(text));
	assert_string_equal(text, "1536Mi");
	quantity_write_bytes(1000, text, sizeof(text));
	assert_string_equal(text, "1000");
	quantity_write_bytes(0, text, sizeof(text));
	assert_string_equal(text, "0");
	quantity_write_bytes(INT64_C(1) << 62, text, sizeof(text));
	assert_string_equal(text, "4Ei");
	quantity_write_bytes(-2048, text, sizeof(text));
	assert_string_equal(text, "-2Ki");
	quantity_write_milli(1500, text, sizeof(text));
	assert_string_equal(text, "1500m");
	quantity_write_milli(2000, text, sizeof(text));
	assert_string_equal(text, "2");
	quantity_write_milli(0, text, sizeof(text));
	assert_string_equal(text, "0");
}

static void what_is_written_reads_back(void **state)
{
	int64_t values[] = {1, 1023, 1024, 1536, 1048576, 123456789, INT64_MAX, 5368709120};
	char text[32];
	int64_t back;

	for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
		quantity_write_bytes(values[i], text, sizeof(text));
		assert_int_equal(quantity_parse(text, &back), STATUS_OK);
		assert_true(back == values[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_quantities_have_their_value),
		cmocka_unit_test(bad_quantities_are_refused),
		cmocka_unit_test(output_is_canonical),
		cmocka_unit_test(what_is_written_reads_back),
	};

	return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
