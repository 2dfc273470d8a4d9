/* Base64 there and back, by the vectors of RFC 4648, section 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base64.h"
#include "base/check.h"

static const struct {
	const char *plain, *text;
} vectors[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd?", "//79Pw=="}};

static void vectors_hold_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
		struct buf buf;

		buf_init(&buf, 100);
		base64_encode(vectors[i].plain, strlen(vectors[i].plain), &buf);
		assert_string_equal(buf.data != NULL ? buf.data : "", vectors[i].text);
		buf_reset(&buf);
		assert_true(base64_decode(vectors[i].text, strlen(vectors[i].text), &buf));
		assert_int_equal(buf.size, strlen(vectors[i].plain));
		if (buf.size > 0)
			assert_memory_equal(buf.data, vectors[i].plain, buf.size);
		buf_fini(&buf);
	}
}

static void wrapped_text_is_taken_and_anything_else_refused(void **state)
{
	static const char *const bad[] = {"Zg", "Zg=", "Zg===", "Z", "=", "Zg==Zg==", "Zm9v!",
		"Zm9v-_", "Zm9vY"};
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	assert_true(base64_decode("Zm 9v\r\n\tYmFy\n", 12, &buf));
	assert_string_equal(buf.data, "foobar");
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_false(base64_decode(bad[i], strlen(bad[i]), &buf));
	assert_false(base64_decode("Zm9v\0YmF", 8, &buf));
	buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_hold_both_ways),
		cmocka_unit_test(wrapped_text_is_taken_and_anything_else_refused),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
