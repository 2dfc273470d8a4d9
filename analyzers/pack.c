/*
 * Counting, copying out, copying in.
 */
#include "analyzers/pack.h"

#include <string.h>

void pack_measure(struct pack *pack)
{
	*pack = (struct pack){.to = NULL};
}

void pack_write(struct pack *pack, void *bytes, size_t size)
{
	*pack = (struct pack){.to = bytes, .size = size};
}

void pack_read(struct pack *pack, const void *bytes, size_t size)
{
	*pack = (struct pack){.from = bytes, .size = size};
}

bool pack_reads(const struct pack *pack)
{
	return pack->from != NULL && !pack->failed;
}

bool pack_ok(const struct pack *pack)
{
	return !pack->failed &&
		((pack->to == NULL && pack->from == NULL) || pack->done == pack->size);
}

void pack_fail(struct pack *pack)
{
	pack->failed = true;
}

void pack_bytes(struct pack *pack, void *value, size_t size)
{
	if ((pack->to != NULL || pack->from != NULL) && size > pack->size - pack->done)
		pack->failed = true;
	if (pack->failed || size == 0)
		return;
	if (pack->to != NULL)
		memcpy(pack->to + pack->done, value, size);
	else if (pack->from != NULL)
		memcpy(value, pack->from + pack->done, size);
	pack->done += size;
}

void pack_index(struct pack *pack, size_t *value, size_t max)
{
	uint64_t number = *value;

	pack_value(pack, &number);
	if (number > max)
		pack->failed = true;
	if (pack_reads(pack))
		*value = (size_t)number;
}

void pack_flag(struct pack *pack, bool *value)
{
	size_t number = *value ? 1 : 0;

	pack_index(pack, &number, 1);
	if (pack_reads(pack))
		*value = number == 1;
}

void pack_same(struct pack *pack, uint64_t value)
{
	uint64_t number = value;

	pack_value(pack, &number);
	if (number != value)
		pack->failed = true;
}
