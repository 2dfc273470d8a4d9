/*
 * Any bytes as a snappy block: each variant of the decoder and libsnappy give the same answer and the
 * same bytes, and nothing but the slop is touched beside them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <snappy-c.h>

#include "base/check.h"
#include "base/mem.h"
#include "remote_write/snappy_decode.h"

#define DECODED_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

typedef bool more_fn(struct snappy_stream *stream, size_t until);

static void compare(more_fn *more, bool mixed, const uint8_t *elements, size_t size,
	const uint8_t *expected, size_t expected_size)
{
	struct snappy_stream stream;
	/* Of their exact sizes, so that the sanitizers see what lies outside. */
	uint8_t *in = mem_alloc(size);
	uint8_t *out = mem_alloc(expected_size + SNAPPY_SLOP);

	CHECK(in != NULL && out != NULL);
	memcpy(in, elements, size);
	stream = snappy_stream_of(in, size, out, expected_size);
	stream.mixed = mixed;
	CHECK(more(&stream, SIZE_MAX) == (expected != NULL));
	CHECK(expected == NULL || memcmp(out, expected, expected_size) == 0);
	mem_free(in);
	mem_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	const char *block = (const char *)input;
	size_t claimed, decoded, preamble = 0;
	uint8_t *expected;

	if (snappy_uncompressed_length(block, input_size, &claimed) != SNAPPY_OK ||
		claimed > DECODED_MAX)
		return 0;
	while (input[preamble++] >= 0x80)
		continue;
	expected = mem_alloc(claimed);
	CHECK(expected != NULL);
	decoded = claimed;
	if (snappy_uncompress(block, input_size, (char *)expected, &decoded) != SNAPPY_OK) {
		mem_free(expected);
		expected = NULL;
	}
	for (int way = 0; way < 4; way++)
		compare(way < 2 ? snappy_stream_more : snappy_stream_more_plain, way % 2 != 0,
			input + preamble, input_size - preamble, expected, claimed);
	mem_free(expected);
	return 0;
}
