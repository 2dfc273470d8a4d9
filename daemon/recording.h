/*
 * Files of what the service received: the bodies of remote-write requests and of webhooks as they came,
 * with the times of their coming, so that `nimbusguard replay` can live through it once more.
 *
 * A file is RECORDING_MAGIC and frames. A frame is a head of RECORDING_HEAD bytes (little-endian:
 * mark u32, kind u8, three zeros, size u32, a zero u32, time in ms i64, checksum u64 of the head so far
 * and the body) and the body. A file ends where its last whole frame ends: what a crash cut off behind
 * it is told and left out.
 *
 * Limits: RECORDING_BODY_MAX bytes a body.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_DAEMON_RECORDING_H
#define NIMBUSGUARD_DAEMON_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define RECORDING_MAGIC "NGRECRD1"
#define RECORDING_MAGIC_SIZE 8
#define RECORDING_HEAD 32
#define RECORDING_BODY_MAX (UINT32_C(1) << 30)

enum recording_kind {
	RECORDING_WRITE_V1 = 1, /* a remote-write 1.0 body, snappy */
	RECORDING_WRITE_V2 = 2,
	RECORDING_WEBHOOK = 3, /* a message of Alertmanager */
	RECORDING_START = 4    /* the service started; the body is its version */
};

struct recording_frame {
	enum recording_kind kind;
	int64_t time_ms;
	const void *body;
	size_t size;
};

/* The head of a frame. size <= RECORDING_BODY_MAX. */
void recording_write_head(unsigned char head[RECORDING_HEAD], const struct recording_frame *frame);

/* Whether a file that begins like this is a recording. */
bool recording_is(const void *bytes, size_t size);

/* The frame at *at, which begins as RECORDING_MAGIC_SIZE; the body points into bytes. STATUS_OK moves
 * *at on. STATUS_NOT_FOUND: the end. STATUS_BAD_INPUT: damaged there, or cut off; the error names the
 * byte. */
enum status recording_next(const void *bytes, size_t size, size_t *at,
	struct recording_frame *frame, struct error *error) MUST_CHECK;

/* The Content-Type of the body of a remote-write request. */
const char *recording_content_type(enum recording_kind kind);

#endif
