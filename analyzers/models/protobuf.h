/*
 * Writing protobuf messages (proto2 and proto3 alike, the wire format of protobuf.dev/programming-guides/
 * encoding): a field after the other, messages within a message from a buffer of their own.
 *
 * Threads: plain functions on the caller's buffers.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_PROTOBUF_H
#define NIMBUSGUARD_ANALYZERS_MODELS_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

void protobuf_int(struct buf *message, unsigned field, uint64_t value);
void protobuf_bytes(struct buf *message, unsigned field, const void *bytes, size_t size);
void protobuf_text(struct buf *message, unsigned field, const char *text);
/* The inner message becomes a field and is emptied for the next one; that it failed is passed on. */
void protobuf_message(struct buf *message, unsigned field, struct buf *inner);

#endif
