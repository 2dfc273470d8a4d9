/*
 * At rest: the value as 8 bytes, then for each label the sizes of its name and value, two bytes each,
 * and their texts.
 */
#include "store/exemplar.h"

#include <string.h>

#include "base/check.h"

static uint8_t *put_text(uint8_t *at, const char *text, uint32_t size)
{
	if (size > 0)
		memcpy(at, text, size);
	return at + size;
}

size_t exemplar_encode(const struct exemplar *exemplar, uint8_t *bytes)
{
	uint8_t *at = bytes;
	size_t size = sizeof(exemplar->value);

	for (uint32_t i = 0; i < exemplar->label_count; i++) {
		const struct label *label = &exemplar->labels[i];
		if (label->name_size > EXEMPLAR_BYTES_MAX || label->value_size > EXEMPLAR_BYTES_MAX)
			return 0;
		size += 4 + label->name_size + label->value_size;
	}
	if (size > EXEMPLAR_BYTES_MAX)
		return 0;
	memcpy(at, &exemplar->value, sizeof(exemplar->value));
	at += sizeof(exemplar->value);
	for (uint32_t i = 0; i < exemplar->label_count; i++) {
		const struct label *label = &exemplar->labels[i];
		const uint16_t sizes[2] = {(uint16_t)label->name_size, (uint16_t)label->value_size};
		memcpy(at, sizes, sizeof(sizes));
		at = put_text(at + sizeof(sizes), label->name, label->name_size);
		at = put_text(at, label->value, label->value_size);
	}
	return size;
}

void exemplar_decode(struct exemplar *exemplar, const uint8_t *bytes, size_t size)
{
	const uint8_t *at = bytes + sizeof(exemplar->value), *end = bytes + size;

	memcpy(&exemplar->value, bytes, sizeof(exemplar->value));
	exemplar->label_count = 0;
	while (at < end) {
		struct label *label = &exemplar->labels[exemplar->label_count++];
		uint16_t sizes[2];
		memcpy(sizes, at, sizeof(sizes));
		at += sizeof(sizes);
		*label = (struct label){(const char *)at, (const char *)at + sizes[0], sizes[0],
			sizes[1]};
		at += (size_t)sizes[0] + sizes[1];
	}
	CHECK(at == end);
}
