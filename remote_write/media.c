/*
 * Content-Type and Content-Encoding of a remote-write request (specification sheet remote_write,
 * section 1): the message is chosen by the proto parameter of the type and by nothing else, not by
 * X-Prometheus-Remote-Write-Version. A header that is absent or empty means remote write 1.0 in
 * snappy, as for Prometheus' receiver; a type without the parameter means 1.0 too.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/metrics.h"
#include "remote_write/ingest.h"
#include "remote_write/media.h"
#include "remote_write/refusal.h"

#define MEDIA_TYPE "application/x-protobuf"
#define PROTO_V1 "prometheus.WriteRequest"
#define PROTO_V2 "io.prometheus.write.v2.Request"

/* A piece of a header, not NUL-terminated. */
struct piece {
	const char *text;
	size_t size;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct piece trim(const char *text, size_t size)
{
	while (size > 0 && is_space(text[0])) {
		text++;
		size--;
	}
	while (size > 0 && is_space(text[size - 1]))
		size--;
	return (struct piece){text, size};
}

static bool piece_is(struct piece piece, const char *word)
{
	return piece.size == strlen(word) && strncasecmp(piece.text, word, piece.size) == 0;
}

/* What stands before the next `stop` outside quotes; *rest moves past it, to NULL at the end. */
static struct piece next_piece(const char **rest, char stop)
{
	const char *start = *rest, *at = start;
	bool quoted = false;

	while (*at != '\0' && (quoted || *at != stop)) {
		if (*at == '"')
			quoted = !quoted;
		at++;
	}
	*rest = *at == '\0' ? NULL : at + 1;
	return trim(start, (size_t)(at - start));
}

static struct piece unquote(struct piece piece)
{
	if (piece.size >= 2 && piece.text[0] == '"' && piece.text[piece.size - 1] == '"')
		return (struct piece){piece.text + 1, piece.size - 2};
	return piece;
}

/* The value of `parameter` when it is name=value with this name. */
static bool parameter_value(struct piece parameter, const char *name, struct piece *value)
{
	const char *equals = memchr(parameter.text, '=', parameter.size);
	size_t name_size;

	if (equals == NULL)
		return false;
	name_size = (size_t)(equals - parameter.text);
	if (!piece_is(trim(parameter.text, name_size), name))
		return false;
	*value = unquote(trim(equals + 1, parameter.size - name_size - 1));
	return true;
}

static enum status read_type(const char *content_type, enum write_version *version,
	struct error *error)
{
	const char *rest = content_type;
	struct piece piece = next_piece(&rest, ';'), value;
	bool named = false;

	if (piece.size == 0 && rest == NULL)
		return STATUS_OK;
	if (!piece_is(piece, MEDIA_TYPE))
		return error_set(error, STATUS_MEDIA_TYPE,
			"Content-Type must be " MEDIA_TYPE " (remote write 1.0 or 2.0)");
	while (rest != NULL) {
		enum write_version found = WRITE_V1;
		piece = next_piece(&rest, ';');
		if (!parameter_value(piece, "proto", &value))
			continue;
		if (piece_is(value, PROTO_V2))
			found = WRITE_V2;
		else if (!piece_is(value, PROTO_V1))
			return error_set(error, STATUS_MEDIA_TYPE,
				"Content-Type names an unknown message, " PROTO_V1 " or " PROTO_V2
				" is expected");
		if (named && found != *version)
			return error_set(error, STATUS_MEDIA_TYPE,
				"Content-Type names two messages");
		*version = found;
		named = true;
	}
	return STATUS_OK;
}

static enum status check_encoding(const char *content_encoding, struct error *error)
{
	struct piece piece = trim(content_encoding, strlen(content_encoding));

	if (piece.size == 0 || piece_is(piece, "snappy"))
		return STATUS_OK;
	return error_set(error, STATUS_MEDIA_TYPE, "Content-Encoding must be snappy");
}

enum status media_read(const char *content_type, const char *content_encoding,
	enum write_version *version, struct error *error)
{
	enum status status = STATUS_OK;

	*version = WRITE_V1;
	if (content_type != NULL)
		status = read_type(content_type, version, error);
	if (status == STATUS_OK && content_encoding != NULL)
		status = check_encoding(content_encoding, error);
	if (status != STATUS_OK) {
		metrics_inc(METRIC_RW_REQUESTS, status_label(status));
		metrics_inc(METRIC_RW_INVALID, refusal_label(REFUSAL_MEDIA_TYPE));
	}
	return status;
}

enum status ingest_check_media(const char *content_type, const char *content_encoding,
	struct error *error)
{
	enum write_version version;

	return media_read(content_type, content_encoding, &version, error);
}
