/*
 * A snappy block (google/snappy, format_description.txt) is a preamble, the decoded length as a
 * varint of at most five bytes, and elements, which snappy_decode.c decodes. The preamble is read
 * here first, because a buffer of the claimed length has to be there before, and a body of six bytes
 * may claim 4 GiB.
 *
 * The claim is believed only when
 *   1. it is not over the caller's limit, and
 *   2. the bytes after the preamble could expand to it. The densest element is a copy with a 2-byte
 *      offset, 64 bytes from 3, so that n bytes decode to at most n * 64 / 3.
 * The buffer is kept from request to request and has at least the size of the largest claim so far
 * and the decoder's slop; what is in it beyond `size` is old and never read.
 */
#include "remote_write/snappy_body.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "remote_write/snappy_decode.h"

#define PREAMBLE_BYTES_MAX 5

/* A copy element: this many bytes out, from this many in. */
#define EXPANSION_OUT 64
#define EXPANSION_IN 3

/* Growing by steps of this keeps bodies of nearly the same size from each resizing the buffer. */
#define CAPACITY_STEP ((size_t)64 << 10)

void snappy_body_init(struct snappy_body *body)
{
	*body = (struct snappy_body){.bytes = NULL};
}

void snappy_body_fini(struct snappy_body *body)
{
	mem_free(body->bytes);
	snappy_body_init(body);
}

void snappy_body_trim(struct snappy_body *body, size_t keep_max)
{
	if (body->capacity > keep_max)
		snappy_body_fini(body);
}

/* The length of the preamble, 0 when it is none. */
static size_t read_preamble(const uint8_t *bytes, size_t size, uint64_t *claimed)
{
	*claimed = 0;
	for (size_t i = 0; i < size && i < PREAMBLE_BYTES_MAX; i++) {
		*claimed |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
		if (bytes[i] < 0x80)
			return *claimed <= UINT32_MAX ? i + 1 : 0;
	}
	return 0;
}

/* The other format of the same library, which remote write forbids. */
static bool is_framed(const uint8_t *bytes, size_t size)
{
	static const uint8_t stream_id[] = {0xff, 0x06, 0x00, 0x00, 's', 'N', 'a', 'P', 'p', 'Y'};

	return size >= sizeof(stream_id) && memcmp(bytes, stream_id, sizeof(stream_id)) == 0;
}

/* *preamble: its length. */
static enum status check_claim(const uint8_t *bytes, size_t size, uint64_t decoded_max,
	uint64_t *claimed, size_t *preamble, struct error *error)
{
	if (size == 0)
		return error_set(error, STATUS_BAD_INPUT, "the body is empty");
	if (is_framed(bytes, size))
		return error_set(error, STATUS_BAD_INPUT,
			"the body is in snappy's framed format; remote write uses the block format");
	*preamble = read_preamble(bytes, size, claimed);
	if (*preamble == 0)
		return error_set(error, STATUS_BAD_INPUT,
			"the body is not a snappy block: its length is malformed");
	if (*claimed > decoded_max)
		return error_set(error, STATUS_LIMIT,
			"the body claims %" PRIu64 " bytes decoded, the limit is %" PRIu64,
			*claimed, decoded_max);
	if (*claimed * EXPANSION_IN > (uint64_t)(size - *preamble) * EXPANSION_OUT)
		return error_set(error, STATUS_BAD_INPUT,
			"the body is not a snappy block: %zu bytes cannot hold the %" PRIu64
			" they claim",
			size, *claimed);
	return STATUS_OK;
}

static enum status make_room(struct snappy_body *body, size_t decoded, struct error *error)
{
	size_t size = decoded + SNAPPY_SLOP;
	size_t capacity = (size + CAPACITY_STEP - 1) / CAPACITY_STEP * CAPACITY_STEP;
	uint8_t *bytes;

	if (size <= body->capacity)
		return STATUS_OK;
	/* Not resized: the old content is of no use, and copying it would cost. */
	bytes = mem_alloc(capacity);
	if (bytes == NULL)
		return error_set(error, STATUS_NO_MEMORY,
			"no memory for %zu bytes of a decoded body", decoded);
	mem_free(body->bytes);
	body->bytes = bytes;
	body->capacity = capacity;
	return STATUS_OK;
}

enum status snappy_body_begin(struct snappy_body *body, const void *compressed, size_t size,
	uint64_t decoded_max, struct error *error)
{
	const uint8_t *bytes = compressed;
	uint64_t claimed = 0;
	size_t preamble = 0;
	enum status status;

	body->size = 0;
	status = check_claim(bytes, size, decoded_max, &claimed, &preamble, error);
	if (status != STATUS_OK)
		return status;
	status = make_room(body, (size_t)claimed, error);
	if (status != STATUS_OK)
		return status;
	body->stream =
		snappy_stream_of(bytes + preamble, size - preamble, body->bytes, (size_t)claimed);
	return STATUS_OK;
}

enum status snappy_body_more(struct snappy_body *body, size_t until, struct error *error)
{
	size_t claimed = (size_t)(body->stream.ends.out_end - body->bytes);

	if (!snappy_stream_more(&body->stream, until))
		return error_set(error, STATUS_BAD_INPUT,
			"the body is not a snappy block: its elements are malformed or do not make up "
			"the %zu bytes it claims",
			claimed);
	if (body->stream.done)
		body->size = claimed;
	return STATUS_OK;
}

enum status snappy_body_decode(struct snappy_body *body, const void *compressed, size_t size,
	uint64_t decoded_max, struct error *error)
{
	enum status status = snappy_body_begin(body, compressed, size, decoded_max, error);

	return status == STATUS_OK ? snappy_body_more(body, SIZE_MAX, error) : status;
}
