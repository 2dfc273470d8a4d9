/*
 * A snappy block's elements (google/snappy, format_description.txt), told by the two lowest bits of
 * the first byte:
 *
 *   0  literal: length - 1 in six bits, or 60 to 63: in the next 1 to 4 bytes; then the bytes
 *   1  copy of 4 to 11 bytes: length - 4 in three bits, offset in three bits and a byte
 *   2  copy of 1 to 64 bytes: length - 1 in six bits, offset in two bytes
 *   3  the same with an offset of four bytes; no encoder known writes it
 *
 * Own code, because uncompressing is a third of what a sample costs and libsnappy takes up to twice
 * as long: 51 ns a sample in scrape order (8 elements, most of them 64 bytes of the series before),
 * here 26 with vectors of 32 bytes and 34 with those of 16; shuffled 138, 87 and 110
 * (bench_ingest). What was measured to make the difference:
 *   - "wild" copies: always 64 bytes, two vectors, of which `length` count; what is too much is
 *     overwritten by the next element or lies in the slop;
 *   - branches by the kind of element (decode_branching): guessed right they let the next element begin
 *     before the first byte of this one is there. That goes for bodies in scrape order, 7 elements a
 *     sample of which half are 64 bytes of the series before: 24.5 ns, without branches 31;
 *   - no branches by the kind (decode_mixed) where kinds and lengths come as if drawn, as in bodies of
 *     series in no order, 17 elements a sample: 97 ns with branches, 75 with a table instead. Which of
 *     the two a body is, its size tells (MIXED_BELOW);
 *   - bounds are held against the slop once per element instead of against the length.
 *
 * Why nothing is read or written out of bounds:
 *   1. At the head of the loops at least ELEMENT_MAX bytes may be read: in the body all but the last
 *      of them are handled that way, the last ones in a copy with zeros behind. An element other than a
 *      long literal has at most 61 bytes, the wild copy of a literal reads 65.
 *   2. At the head of the loops out <= out_end. An element puts out at most 64 bytes and writes at most
 *      79, so that nothing beyond out_end + SNAPPY_SLOP is written; and a block that is too long is
 *      seen before the next element.
 *   3. A long literal's length is checked against both ends before it is copied.
 *   4. An offset is checked against what was put out.
 *   5. Elements that read the zeros behind the end of the body leave the input behind that end, which
 *      is then refused.
 */
#include "remote_write/snappy_decode.h"

#include <string.h>

#define VECTOR 32
#define ELEMENT_MAX 66
#define LITERAL_SHORT_MAX 60
/* A body that decodes to less than so many times its size is one of many short elements. */
#define MIXED_BELOW 8

enum element { ELEMENT_LITERAL = 0, ELEMENT_COPY_1 = 1, ELEMENT_COPY_2 = 2, ELEMENT_COPY_4 = 3 };

/* One register or two; may stand anywhere and be of any type. */
typedef uint64_t vector_bytes __attribute__((vector_size(VECTOR), aligned(1), may_alias));

/* always_inline: compiled anew for each variant below, with its instructions. */
#define VARIANT_INLINE static inline __attribute__((always_inline))

VARIANT_INLINE void copy_vector(uint8_t *to, const uint8_t *from)
{
	*(vector_bytes *)to = *(const vector_bytes *)from;
}

static inline uint32_t load_bytes(const uint8_t *at, size_t count)
{
	uint32_t value = 0;

	for (size_t i = 0; i < count; i++)
		value |= (uint32_t)at[i] << (8 * i);
	return value;
}

/* A literal whose length is in bytes of its own. */
static __attribute__((noinline)) bool take_long_literal(struct snappy_cursor *cursor,
	const struct snappy_ends *ends)
{
	size_t bytes = (size_t)(*cursor->in >> 2) + 1 - LITERAL_SHORT_MAX;
	/* 32 bits, as libsnappy counts: the largest length comes round to nothing. */
	uint32_t length = load_bytes(cursor->in + 1, bytes) + 1;
	const uint8_t *in = cursor->in + 1 + bytes;

	if (in > ends->in_end || length > (size_t)(ends->in_end - in) ||
		length > (size_t)(ends->out_end - cursor->out))
		return false;
	memcpy(cursor->out, in, length);
	cursor->in = in + length;
	cursor->out += length;
	return true;
}

/* A copy that may read what it writes: the `offset` bytes before repeat. Their run is doubled until
 * it holds 16, then 16 at a time are right. Writes up to 15 bytes more than `length`. */
static __attribute__((noinline)) void repeat_bytes(uint8_t *out, size_t offset, size_t length)
{
	uint8_t *run = out - offset;
	uint8_t bytes[16];

	while (offset < sizeof(bytes)) {
		memcpy(bytes, run, sizeof(bytes));
		memcpy(run + offset, bytes, sizeof(bytes));
		offset *= 2;
	}
	for (uint8_t *at = run + offset; at < out + length; at += sizeof(bytes)) {
		memcpy(bytes, at - offset, sizeof(bytes));
		memcpy(at, bytes, sizeof(bytes));
	}
}

/* Elements until `stop`, from which ELEMENT_MAX bytes may be read, or until the output has come to
 * out_stop, which is not behind invariant 2's out_end + 1. */
VARIANT_INLINE bool decode_branching(struct snappy_cursor *cursor, const uint8_t *stop,
	const struct snappy_ends *ends, const uint8_t *out_stop)
{
	const uint8_t *in = cursor->in;
	uint8_t *out = cursor->out, *const out_end = ends->out_end;

	while (in < stop && out < out_stop) {
		uint32_t tag = *in;
		size_t length = (tag >> 2) + 1, offset;

		if ((tag & 3) == ELEMENT_COPY_2) {
			offset = load_bytes(in + 1, 2);
			in += 3;
		} else if ((tag & 3) == ELEMENT_LITERAL) {
			if (length > LITERAL_SHORT_MAX) {
				*cursor = (struct snappy_cursor){in, out};
				if (!take_long_literal(cursor, ends))
					return false;
				in = cursor->in;
				out = cursor->out;
				continue;
			}
			copy_vector(out, in + 1);
			if (length > VECTOR)
				copy_vector(out + VECTOR, in + 1 + VECTOR);
			in += 1 + length;
			out += length;
			continue;
		} else if ((tag & 3) == ELEMENT_COPY_1) {
			length = (tag >> 2 & 7) + 4;
			offset = tag >> 5 << 8 | in[1];
			in += 2;
		} else {
			offset = load_bytes(in + 1, 4);
			in += 5;
		}
		if (offset < VECTOR || offset > (size_t)(out - ends->out_begin)) {
			if (offset == 0 || offset > (size_t)(out - ends->out_begin))
				return false;
			repeat_bytes(out, offset, length);
		} else {
			copy_vector(out, out - offset);
			copy_vector(out + VECTOR, out + VECTOR - offset);
		}
		out += length;
	}
	*cursor = (struct snappy_cursor){in, out};
	return out <= out_end;
}

/* For each tag the element's size in the body, the upper bits of a copy's offset, and its length; of an
 * element that is to be taken in another way (its length or offset is in four bytes) 0. A literal has
 * an offset that passes for one. */
#define ENTRY(size, offset, length)                                                                \
	((uint32_t)(size) << 16 | (uint32_t)(offset) | (uint32_t)(length))
#define ENTRY_LITERAL(n) ((n) < LITERAL_SHORT_MAX ? ENTRY((n) + 2, 0x100, (n) + 1) : 0)
#define ENTRIES(n) ENTRY_LITERAL(n), ENTRY(2, (n) >> 3 << 8, ((n)&7) + 4), ENTRY(3, 0, (n) + 1), 0
#define ENTRIES_4(n) ENTRIES(n), ENTRIES((n) + 1), ENTRIES((n) + 2), ENTRIES((n) + 3)
#define ENTRIES_16(n) ENTRIES_4(n), ENTRIES_4((n) + 4), ENTRIES_4((n) + 8), ENTRIES_4((n) + 12)

static const uint32_t entries[256] = {ENTRIES_16(0), ENTRIES_16(16), ENTRIES_16(32),
	ENTRIES_16(48)};
/* The bytes of the offset behind the tag. */
static const uint32_t offset_masks[4] = {0, 0xff, 0xffff, 0};

/* An element of any kind. */
static __attribute__((noinline)) bool take_element(struct snappy_cursor *cursor,
	const struct snappy_ends *ends)
{
	return decode_branching(cursor, cursor->in + 1, ends, ends->out_end + 1);
}

/* As decode_branching(). What is not expected to happen is all that it branches on. */
VARIANT_INLINE bool decode_mixed(struct snappy_cursor *cursor, const uint8_t *stop,
	const struct snappy_ends *ends, const uint8_t *out_stop)
{
	const uint8_t *in = cursor->in, *const out_begin = ends->out_begin;
	uint8_t *out = cursor->out;

	while (in < stop && out < out_stop) {
		uint32_t tag = *in, entry = entries[tag];
		size_t offset = (load_bytes(in + 1, 2) & offset_masks[tag & 3]) + (entry & 0xff00);
		const uint8_t *from;

		if (entry == 0 || offset < VECTOR || offset > (size_t)(out - out_begin)) {
			*cursor = (struct snappy_cursor){in, out};
			if (!take_element(cursor, ends))
				return false;
			in = cursor->in;
			out = cursor->out;
			continue;
		}
		from = (tag & 3) == ELEMENT_LITERAL ? in + 1 : out - offset;
		copy_vector(out, from);
		copy_vector(out + VECTOR, from + VECTOR);
		in += entry >> 16;
		out += entry & 0xff;
	}
	*cursor = (struct snappy_cursor){in, out};
	return out <= ends->out_end;
}

/* The next part; see snappy_stream_more(). */
VARIANT_INLINE bool decode_part(struct snappy_stream *stream, size_t until, bool mixed)
{
	struct snappy_cursor *cursor = &stream->cursor;
	struct snappy_ends *ends = &stream->ends;
	size_t out_size = (size_t)(ends->out_end - ends->out_begin);
	const uint8_t *out_stop = until < out_size ? ends->out_begin + until : ends->out_end + 1;
	uint8_t last[2 * ELEMENT_MAX] = {0};
	size_t left = (size_t)(ends->in_end - cursor->in);
	bool good;

	if (left > ELEMENT_MAX) {
		const uint8_t *stop = ends->in_end - ELEMENT_MAX;

		if (!(mixed ? decode_mixed(cursor, stop, ends, out_stop)
			    : decode_branching(cursor, stop, ends, out_stop)))
			return false;
		if (cursor->in < stop)
			return true;
	}
	/* ELEMENT_MAX at most, from anywhere within an honest body; none when a long literal ended it. */
	left = (size_t)(ends->in_end - cursor->in);
	memcpy(last, cursor->in, left);
	*cursor = (struct snappy_cursor){last, cursor->out};
	ends->in_end = last + left;
	stream->done = true;
	good = decode_branching(cursor, ends->in_end, ends, ends->out_end + 1) &&
		cursor->in == ends->in_end && cursor->out == ends->out_end;
	/* The copy ends here. */
	cursor->in = ends->in_end = NULL;
	return good;
}

struct snappy_stream snappy_stream_of(const uint8_t *in, size_t in_size, uint8_t *out,
	size_t out_size)
{
	return (struct snappy_stream){.cursor = {in, out},
		.ends = {in + in_size, out, out + out_size},
		.mixed = out_size / MIXED_BELOW < in_size};
}

/* Functions of their own: side by side in one, each is slower. */
static __attribute__((noinline)) bool part_branching(struct snappy_stream *stream, size_t until)
{
	return decode_part(stream, until, false);
}

static __attribute__((noinline)) bool part_mixed(struct snappy_stream *stream, size_t until)
{
	return decode_part(stream, until, true);
}

bool snappy_stream_more_plain(struct snappy_stream *stream, size_t until)
{
	return stream->mixed ? part_mixed(stream, until) : part_branching(stream, until);
}

#if defined(__x86_64__) && defined(__GNUC__)

#define AVX2 __attribute__((target("avx2"), noinline))

static AVX2 bool part_branching_avx2(struct snappy_stream *stream, size_t until)
{
	return decode_part(stream, until, false);
}

static AVX2 bool part_mixed_avx2(struct snappy_stream *stream, size_t until)
{
	return decode_part(stream, until, true);
}

bool snappy_stream_more(struct snappy_stream *stream, size_t until)
{
	if (!__builtin_cpu_supports("avx2"))
		return snappy_stream_more_plain(stream, until);
	return stream->mixed ? part_mixed_avx2(stream, until) : part_branching_avx2(stream, until);
}

#else

bool snappy_stream_more(struct snappy_stream *stream, size_t until)
{
	return snappy_stream_more_plain(stream, until);
}

#endif

bool snappy_decode(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
	struct snappy_stream stream = snappy_stream_of(in, in_size, out, out_size);

	return snappy_stream_more(&stream, SIZE_MAX);
}
