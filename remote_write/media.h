/*
 * Which message a request carries, by its headers alone.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_MEDIA_H
#define NIMBUSGUARD_REMOTE_WRITE_MEDIA_H

#include "base/error.h"

enum write_version { WRITE_V1, WRITE_V2, WRITE_VERSION_COUNT };

/* Content-Type and Content-Encoding, NULL when absent. STATUS_MEDIA_TYPE: it is no remote write. */
enum status media_read(const char *content_type, const char *content_encoding,
	enum write_version *version, struct error *error) MUST_CHECK;

#endif
