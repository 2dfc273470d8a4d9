/*
 * A remote write sent to a server of a test.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_WRITE_POST_H
#define NIMBUSGUARD_TESTS_SUPPORT_WRITE_POST_H

#include "tests/support/http_client.h"
#include "tests/support/write_body.h"

#define WRITE_V1 "application/x-protobuf"
#define WRITE_V2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"

/* POST of the request, snappy-compressed, as this Content-Type to /api/v1/write of 127.0.0.1:port. The
 * answer is the caller's (http_reply_fini()); its status is 0 when there was none. */
struct http_reply write_post(unsigned port, const char *type, const struct write_body *request);
/* The same as 1.0; only the answer's status. */
int write_post_status(unsigned port, const struct write_body *request);

#endif
