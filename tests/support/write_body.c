#include "tests/support/write_body.h"

#include <ctype.h>
#include <string.h>

#include "base/check.h"

#define LITERAL_MAX ((size_t)1 << 16)

void write_body_reset(struct write_body *body)
{
	body->size = 0;
}

void write_body_bytes(struct write_body *body, const void *bytes, size_t size)
{
	CHECK(size <= sizeof(body->bytes) - body->size);
	if (size > 0)
		memcpy(body->bytes + body->size, bytes, size);
	body->size += size;
}

static void put_varint(struct write_body *body, uint64_t value)
{
	do {
		uint8_t byte = (uint8_t)(value & 0x7f);
		value >>= 7;
		if (value > 0)
			byte |= 0x80;
		write_body_bytes(body, &byte, 1);
	} while (value > 0);
}

static unsigned digit(char c)
{
	const char *at = memchr("0123456789abcdef", c, 16);

	CHECK(at != NULL);
	return (unsigned)(at - "0123456789abcdef");
}

void write_body_hex(struct write_body *body, const char *hex)
{
	for (const char *at = hex; *at != '\0';) {
		if (isspace((unsigned char)*at)) {
			at++;
			continue;
		}
		write_body_bytes(body, &(uint8_t){(uint8_t)(digit(at[0]) << 4 | digit(at[1]))}, 1);
		at += 2;
	}
}

void write_body_field(struct write_body *body, uint32_t field, const void *bytes, size_t size)
{
	put_varint(body, (uint64_t)field << 3 | 2);
	put_varint(body, size);
	write_body_bytes(body, bytes, size);
}

static void put_label(struct write_body *series, const char *name, size_t name_size,
	const char *value, size_t value_size)
{
	static struct write_body label;

	write_body_reset(&label);
	write_body_field(&label, 1, name, name_size);
	write_body_field(&label, 2, value, value_size);
	write_body_field(series, 1, label.bytes, label.size);
}

void write_body_label(struct write_body *series, const char *name, const char *value)
{
	put_label(series, name, strlen(name), value, strlen(value));
}

void write_body_number(struct write_body *message, uint32_t field, uint64_t value)
{
	put_varint(message, (uint64_t)field << 3);
	put_varint(message, value);
}

void write_body_double(struct write_body *message, uint32_t field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	put_varint(message, (uint64_t)field << 3 | 1);
	for (unsigned i = 0; i < 8; i++)
		write_body_bytes(message, &(uint8_t){(uint8_t)(bits >> (8 * i))}, 1);
}

void write_body_v2_sample(struct write_body *series, int64_t t_ms, double value, int64_t start_ms)
{
	static struct write_body sample;
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	write_body_reset(&sample);
	if (bits != 0)
		write_body_double(&sample, 1, value);
	if (t_ms != 0)
		write_body_number(&sample, 2, (uint64_t)t_ms);
	if (start_ms != 0)
		write_body_number(&sample, 3, (uint64_t)start_ms);
	write_body_field(series, 2, sample.bytes, sample.size);
}

/* A sample of 1.0 is one of 2.0 without a start. */
void write_body_sample(struct write_body *series, int64_t t_ms, double value)
{
	write_body_v2_sample(series, t_ms, value, 0);
}

void write_body_series(struct write_body *request, const struct write_body *series)
{
	write_body_field(request, 1, series->bytes, series->size);
}

void write_body_simple(struct write_body *request, const char *labels, int64_t t_ms, double value)
{
	static struct write_body series;

	write_body_reset(&series);
	while (*labels != '\0') {
		size_t size = strcspn(labels, ",");
		const char *equals = memchr(labels, '=', size);
		CHECK(equals != NULL);
		put_label(&series, labels, (size_t)(equals - labels), equals + 1,
			size - (size_t)(equals + 1 - labels));
		labels += size + (labels[size] == ',');
	}
	write_body_sample(&series, t_ms, value);
	write_body_series(request, &series);
}

static uint32_t add_symbol(struct write_body_v2 *request, const char *text, size_t size)
{
	write_body_field(&request->body, 4, text, size);
	return request->symbol_count++;
}

void write_body_v2_reset(struct write_body_v2 *request)
{
	write_body_reset(&request->body);
	request->symbol_count = 0;
	(void)add_symbol(request, "", 0);
}

uint32_t write_body_v2_symbol(struct write_body_v2 *request, const char *text)
{
	return add_symbol(request, text, strlen(text));
}

void write_body_v2_references(struct write_body *message, uint32_t field,
	const uint32_t *references, size_t count)
{
	static struct write_body block;

	write_body_reset(&block);
	for (size_t i = 0; i < count; i++)
		put_varint(&block, references[i]);
	write_body_field(message, field, block.bytes, block.size);
}

void write_body_v2_labels(struct write_body_v2 *request, struct write_body *series,
	const char *labels)
{
	uint32_t references[128];
	size_t count = 0;

	while (*labels != '\0') {
		size_t size = strcspn(labels, ",");
		const char *equals = memchr(labels, '=', size);
		CHECK(equals != NULL && count + 2 <= sizeof(references) / sizeof(references[0]));
		references[count++] = add_symbol(request, labels, (size_t)(equals - labels));
		references[count++] =
			add_symbol(request, equals + 1, size - (size_t)(equals + 1 - labels));
		labels += size + (labels[size] == ',');
	}
	write_body_v2_references(series, 1, references, count);
}

void write_body_v2_series(struct write_body_v2 *request, const struct write_body *series)
{
	write_body_field(&request->body, 5, series->bytes, series->size);
}

void write_body_v2_simple(struct write_body_v2 *request, const char *labels, int64_t t_ms,
	double value)
{
	static struct write_body series;

	write_body_reset(&series);
	write_body_v2_labels(request, &series, labels);
	write_body_v2_sample(&series, t_ms, value, 0);
	write_body_v2_series(request, &series);
}

void write_body_snappy(const struct write_body *request, struct write_body *block)
{
	write_body_reset(block);
	put_varint(block, request->size);
	for (size_t at = 0; at < request->size;) {
		size_t size = request->size - at < LITERAL_MAX ? request->size - at : LITERAL_MAX;
		/* Tag 61: the two bytes after it hold the length less one. */
		uint8_t head[] = {61 << 2, (uint8_t)(size - 1), (uint8_t)((size - 1) >> 8)};
		write_body_bytes(block, head, sizeof(head));
		write_body_bytes(block, request->bytes + at, size);
		at += size;
	}
}
