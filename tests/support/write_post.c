/* One connection for each request, which the server is asked to close. */
#include "tests/support/write_post.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_WITHIN_MS 120000

struct http_reply write_post(unsigned port, const char *type, const struct write_body *request)
{
	struct write_body *block = malloc(sizeof(*block));
	struct http_reply reply = {0};
	int fd = http_connect(port);
	char head[512];

	write_body_snappy(request, block);
	snprintf(head, sizeof(head),
		"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
		"Content-Encoding: snappy\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		type, block->size);
	if (fd >= 0 && http_send_text(fd, head) && http_send(fd, block->bytes, block->size))
		reply = http_read(fd, ANSWER_WITHIN_MS, false);
	if (fd >= 0)
		close(fd);
	free(block);
	return reply;
}

int write_post_status(unsigned port, const struct write_body *request)
{
	struct http_reply reply = write_post(port, WRITE_V1, request);
	int status = reply.status;

	http_reply_fini(&reply);
	return status;
}
