#include "daemon/recording.h"

#include <string.h>

#include "base/check.h"
#include "store/hash.h"

#define MARK UINT32_C(0x4d46474e) /* "NGFM" */
#define HEAD_CHECKED 24

static void put(unsigned char *at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static uint64_t checksum(const unsigned char *head, const void *body, size_t size)
{
	return hash_checksum(body, size, hash_checksum(head, HEAD_CHECKED, 0));
}

void recording_write_head(unsigned char head[RECORDING_HEAD], const struct recording_frame *frame)
{
	CHECK(frame->size <= RECORDING_BODY_MAX);
	memset(head, 0, RECORDING_HEAD);
	put(head, MARK, 4);
	head[4] = (unsigned char)frame->kind;
	put(head + 8, frame->size, 4);
	put(head + 16, (uint64_t)frame->time_ms, 8);
	put(head + HEAD_CHECKED, checksum(head, frame->body, frame->size), 8);
}

bool recording_is(const void *bytes, size_t size)
{
	return size >= RECORDING_MAGIC_SIZE &&
		memcmp(bytes, RECORDING_MAGIC, RECORDING_MAGIC_SIZE) == 0;
}

enum status recording_next(const void *bytes, size_t size, size_t *at,
	struct recording_frame *frame, struct error *error)
{
	const unsigned char *head = (const unsigned char *)bytes + *at;
	size_t left = size - *at, body;

	if (left == 0)
		return error_set(error, STATUS_NOT_FOUND, "the end");
	if (left < RECORDING_HEAD)
		return error_set(error, STATUS_BAD_INPUT, "the frame at byte %zu is cut off", *at);
	body = (size_t)get(head + 8, 4);
	if (get(head, 4) != MARK || head[4] < RECORDING_WRITE_V1 || head[4] > RECORDING_START ||
		body > RECORDING_BODY_MAX)
		return error_set(error, STATUS_BAD_INPUT, "no frame begins at byte %zu", *at);
	if (left - RECORDING_HEAD < body)
		return error_set(error, STATUS_BAD_INPUT, "the frame at byte %zu is cut off", *at);
	if (get(head + HEAD_CHECKED, 8) != checksum(head, head + RECORDING_HEAD, body))
		return error_set(error, STATUS_BAD_INPUT, "the frame at byte %zu is damaged", *at);
	*frame = (struct recording_frame){.kind = (enum recording_kind)head[4],
		.time_ms = (int64_t)get(head + 16, 8),
		.body = head + RECORDING_HEAD,
		.size = body};
	*at += RECORDING_HEAD + body;
	return STATUS_OK;
}

const char *recording_content_type(enum recording_kind kind)
{
	return kind == RECORDING_WRITE_V2
		? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
		: "application/x-protobuf";
}
