/*
 * Any text as a selector and as an Alertmanager matcher: what is taken must be written and read back
 * to the same text, what is refused must leave no matcher behind, and matching must end.
 */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/matcher.h"
#include "base/mem.h"

#define TEXT_SIZE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

static char *write_text(const struct matchers *matchers)
{
	struct buf buf;
	char *text;

	buf_init(&buf, 1 << 20);
	matchers_write(&buf, matchers);
	text = buf_take(&buf, NULL);
	CHECK(text);
	return text;
}

static void test_values(struct matchers *matchers)
{
	static const char *const values[] = {"", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "web-7f-1",
		"\xE2\x82\xAC", "\xFF"};

	for (size_t i = 0; i < matchers->count; i++)
		for (size_t j = 0; j < ARRAY_COUNT(values); j++)
			matcher_test(matchers, &matchers->list[i], values[j]);
}

static void read_selector(const char *text)
{
	struct matchers matchers, again;
	struct error error;

	matchers_init(&matchers);
	matchers_init(&again);
	if (matchers_parse_selector(&matchers, text, &error)) {
		CHECK(!matchers.count && *error.text);
	} else {
		char *written = write_text(&matchers), *rewritten;

		CHECK(!matchers_parse_selector(&again, written, &error));
		CHECK(again.count == matchers.count);
		rewritten = write_text(&again);
		CHECK(!strcmp(written, rewritten));
		test_values(&matchers);
		mem_free(written);
		mem_free(rewritten);
	}
	matchers_fini(&again);
	matchers_fini(&matchers);
}

static void read_one(const char *text)
{
	struct matchers matchers;
	struct error error;

	matchers_init(&matchers);
	if (matchers_parse_one(&matchers, text, &error))
		CHECK(!matchers.count && *error.text);
	else
		CHECK(matchers.count == 1);
	test_values(&matchers);
	matchers_fini(&matchers);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char *text;

	if (input_size > TEXT_SIZE_MAX)
		return 0;
	text = mem_alloc(input_size + 1);
	CHECK(text);
	memcpy(text, input, input_size);
	text[input_size] = 0;
	read_selector(text);
	read_one(text);
	mem_free(text);
	return 0;
}
