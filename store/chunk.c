/*
 * Writing a chunk. The encoding is described in chunk_code.h.
 *
 * A sample's code is put together first and written only when it fits as a whole, so that a chunk
 * that is full is left as it was. The plain case goes without that: one code of at most 64 bits.
 */
#include "store/chunk.h"

#include "base/check.h"
#include "store/chunk_code.h"

const double scale_per_one[SCALES] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1. / 512,
	1. / 1024, 1. / 4096};
const int16_t scale_levels[SCALES] = {0, 850, 1701, 2551, 3402, 4252, 5102, 5953, 6803, 7654, -2304,
	-2560, -3072};
const uint8_t time_sizes[4] = {14, 20, 32, 64};

/* The coarsest unit of a value, not coarser than `zeros` trailing zero bits allow; SCALES: none. */
static uint32_t scale_of(uint64_t bits, uint32_t finest)
{
	int64_t integer;

	if (finest == 0 && integer_of(bits, 0, &integer)) {
		if (integer != 0 && integer % 4096 == 0)
			return 12;
		if (integer != 0 && integer % 1024 == 0)
			return 11;
		return integer != 0 && integer % 512 == 0 ? 10 : 0;
	}
	for (uint32_t scale = finest; scale < SCALE_MULTIPLES; scale++) {
		if (integer_of(bits, scale, &integer))
			return scale;
	}
	return SCALES;
}

/* size: 1 to 64; bits: nothing above them. Room is the caller's promise. */
static inline void bits_put(struct chunk_end *end, struct chunk *chunk, uint64_t bits,
	uint32_t size)
{
	uint32_t shift = end->position % 64u;

	end->pending |= bits << shift;
	if (shift + size >= 64) {
		word_store(chunk->bytes + end->position / 64u * 8, end->pending);
		end->pending = shift == 0 ? 0 : bits >> (64 - shift);
	}
	end->position = (uint16_t)(end->position + size);
}

/* What is to be written for one sample, before it is known whether it fits. */
struct code {
	uint64_t bits[12];
	uint8_t size[12];
	uint32_t count, total;
};

static inline void code_add(struct code *code, uint64_t bits, uint32_t size)
{
	if (size == 0)
		return;
	code->bits[code->count] = low_bits(bits, size);
	code->size[code->count++] = (uint8_t)size;
	code->total += size;
}

static void code_put(struct chunk_end *end, struct chunk *chunk, const struct code *code)
{
	for (uint32_t i = 0; i < code->count; i++)
		bits_put(end, chunk, code->bits[i], code->size[i]);
}

static void code_escape(const struct chunk_end *end, struct code *code, enum escape escape)
{
	if ((end->flags & FLAG_FLOAT) != 0)
		code_add(code, 3 | ESCAPE_WINDOW << 2, 13);
	else
		code_add(code, (1u << ESCAPE_ONES) - 1, ESCAPE_ONES);
	code_add(code, escape, 3);
}

static uint32_t time_class(uint64_t distance)
{
	uint32_t class = 0;

	while (bit_width(distance) > time_sizes[class])
		class ++;
	return class;
}

static void code_jitter(struct chunk_end *end, struct code *code, uint64_t distance)
{
	uint64_t folded = zigzag((int64_t)distance - distance_expected(end));
	uint32_t class = time_class(distance);
	bool far = folded >= JITTER_FAR;

	if (folded == 0) {
		code_add(code, 0, 1);
	} else if (folded < JITTER_NEAR) {
		code_add(code, 1 | folded << 2, 7);
	} else if (!far) {
		code_add(code, 3 | folded << 3, 13);
	} else {
		code_add(code, 7 | class << 3, 5);
		code_add(code, distance, time_sizes[class]);
	}
	jitter_learn(end, far, distance);
}

/* Whether the distance is a new step: there is none, or it is the second one running far off the old one.
 * Of one nearer late_learn() judges. */
static bool step_is_new(const struct chunk_end *end, uint64_t distance)
{
	int64_t off = (int64_t)(distance - end->step_ms);

	if (end->step_ms == 0)
		return distance <= UINT32_MAX;
	return (end->flags & FLAG_OFF_TIME) != 0 && distance <= UINT32_MAX &&
		(off > LATE_MAX || off < -LATE_MAX);
}

static void code_time(struct chunk_end *end, struct code *code, uint64_t distance)
{
	bool adopt = step_is_new(end, distance);
	uint32_t class = time_class(distance);

	code_escape(end, code, ESCAPE_TIME);
	code_add(code, (adopt ? 1u : 0u) | class << 1, 3);
	code_add(code, distance, time_sizes[class]);
	if (adopt)
		end->step_ms = (uint32_t)distance;
}

static bool often_off_time(const struct chunk_end *end)
{
	return end->off_time >= JITTER_AFTER && end->off_time > end->count / JITTER_PART;
}

static void time_encode(struct chunk_end *end, struct code *code, int64_t t_ms)
{
	int64_t distance = t_ms - end->t_ms;
	bool on_time = distance == distance_expected(end);

	if (!on_time && (end->flags & FLAG_JITTER) == 0 && often_off_time(end)) {
		code_escape(end, code, ESCAPE_JITTER);
		end->flags |= FLAG_JITTER;
	}
	if ((end->flags & FLAG_JITTER) != 0)
		code_jitter(end, code, (uint64_t)distance);
	else if (!on_time)
		code_time(end, code, (uint64_t)distance);
	late_learn(end, on_time, (uint64_t)distance);
	end->off_time = (uint8_t)(end->off_time + (!on_time && end->off_time < 255));
	end->t_ms = t_ms;
}

/* A float's code in two parts: what it is, and the bits that changed. */
struct float_code {
	uint64_t head, body;
	uint32_t head_size, body_size;
};

static inline struct float_code float_code_of(struct chunk_end *end, uint64_t bits)
{
	uint64_t changed = bits ^ end->bits;
	uint32_t lead, trail, window;

	if (changed == 0)
		return (struct float_code){0, 0, 1, 0};
	lead = (uint32_t)__builtin_clzll(changed);
	lead = lead > 31 ? 31 : lead;
	trail = (uint32_t)__builtin_ctzll(changed);
	window = end->lead == NO_WINDOW ? 128 : 64u - end->lead - end->trail;
	/* The old window, unless a new one pays for its 11 bits at once. */
	if (window <= 64 && lead >= end->lead && trail >= end->trail &&
		window <= 64 - lead - trail + 11)
		return (struct float_code){1, changed >> end->trail, 2, window};
	end->lead = (uint8_t)lead;
	end->trail = (uint8_t)trail;
	/* 31 leading zeros and 64 bits cannot be, so that length 64 may be written as 0. */
	return (struct float_code){3 | lead << 2 | (uint64_t)((64 - lead - trail) & 63) << 7,
		changed >> trail, 13, 64 - lead - trail};
}

static void float_encode(struct chunk_end *end, struct code *code, uint64_t bits)
{
	struct float_code parts = float_code_of(end, bits);

	code_add(code, parts.head, parts.head_size);
	code_add(code, parts.body, parts.body_size);
}

static void residual_encode(struct chunk_end *end, struct code *code, int64_t integer)
{
	int64_t residual = integer - end->integer - (end->slope >> 4);
	uint64_t folded = zigzag(residual);
	uint32_t rice = rice_bits(end->level);

	if (folded >> rice < ESCAPE_ONES) {
		uint32_t ones = (uint32_t)(folded >> rice);

		code_add(code, (UINT64_C(1) << ones) - 1, ones + 1);
		code_add(code, folded, rice);
	} else {
		uint32_t width = bit_width(folded);

		code_escape(end, code, ESCAPE_LITERAL);
		code_add(code, width - 1, 6);
		code_add(code, folded, width);
	}
	residual_learn(end, residual);
}

static void mode_float(struct chunk_end *end, struct code *code)
{
	code_escape(end, code, ESCAPE_FLOAT);
	end->flags |= FLAG_FLOAT;
	end->lead = NO_WINDOW;
	end->trail = 0;
}

/* A value that is no multiple of the unit. */
static void stranger_encode(struct chunk_end *end, struct code *code, uint64_t bits)
{
	struct chunk_end before = *end;
	double value = double_of(bits);
	int64_t integer;
	uint32_t scale;

	if (bits == STORE_STALE_BITS) {
		code_escape(end, code, ESCAPE_STALE);
		return;
	}
	scale = scale_of(bits, end->scale < SCALE_MULTIPLES ? end->scale : 0u);
	if (scale < SCALES && scale_change(end, scale) && integer_of(bits, scale, &integer)) {
		code_escape(&before, code, ESCAPE_SCALE);
		code_add(code, scale, 4);
		residual_encode(end, code, integer);
		end->integer = integer;
		return;
	}
	*end = before;
	/* One odd value stands alone; two running are floats. */
	if ((value != value || value - value != 0 || value == 0) &&
		integer_of(end->bits, end->scale, &integer)) {
		code_escape(end, code, ESCAPE_RAW);
		code_add(code, bits, 64);
		return;
	}
	mode_float(end, code);
	float_encode(end, code, bits);
}

/* Everything but the plain cases that chunk_append() writes itself. */
static __attribute__((noinline)) bool append_any(struct chunk_end *end, struct chunk *chunk,
	uint32_t room, int64_t t_ms, uint64_t bits)
{
	struct chunk_end next = *end;
	struct code code;
	int64_t integer;

	code.count = code.total = 0;
	time_encode(&next, &code, t_ms);
	if ((next.flags & FLAG_FLOAT) != 0) {
		float_encode(&next, &code, bits);
	} else if (integer_of(bits, next.scale, &integer)) {
		residual_encode(&next, &code, integer);
		next.integer = integer;
	} else {
		stranger_encode(&next, &code, bits);
	}
	if (end->position + code.total > room)
		return false;
	code_put(&next, chunk, &code);
	next.bits = bits;
	next.count++;
	*end = next;
	return true;
}

/* A float on time. */
static bool append_float(struct chunk_end *end, struct chunk *chunk, uint32_t room, int64_t t_ms,
	uint64_t bits)
{
	uint8_t lead = end->lead, trail = end->trail;
	struct float_code parts = float_code_of(end, bits);
	uint32_t time_size = end->flags & FLAG_JITTER; /* a bit that says "on time" */

	_Static_assert(FLAG_JITTER == 1, "the flag is the size");
	parts.head <<= time_size;
	parts.head_size += time_size;
	if (end->position + parts.head_size + parts.body_size > room) {
		end->lead = lead;
		end->trail = trail;
		return false;
	}
	bits_put(end, chunk, parts.head, parts.head_size);
	if (parts.body_size > 0)
		bits_put(end, chunk, low_bits(parts.body, parts.body_size), parts.body_size);
	end->t_ms = t_ms;
	end->bits = bits;
	end->count++;
	return true;
}

bool chunk_append(struct chunk_end *end, struct chunk *chunk, size_t size, int64_t t_ms,
	uint64_t bits)
{
	uint32_t room = (uint32_t)(size - CHUNK_HEADER) * 8;
	int64_t integer, residual;
	uint64_t folded, ones;
	uint32_t rice, code_size, time_size = end->flags & FLAG_JITTER;

	/* Who was on time is expected after one step. */
	if (t_ms - end->t_ms != end->step_ms || (end->flags & FLAG_OFF_TIME) != 0)
		return append_any(end, chunk, room, t_ms, bits);
	if ((end->flags & FLAG_FLOAT) != 0)
		return append_float(end, chunk, room, t_ms, bits);
	/* The usual: an integer on time, near where it was expected. */
	if (!integer_of(bits, end->scale, &integer))
		return append_any(end, chunk, room, t_ms, bits);
	residual = integer - end->integer - (end->slope >> 4);
	folded = zigzag(residual);
	rice = rice_bits(end->level);
	ones = folded >> rice;
	if (ones >= ESCAPE_ONES)
		return append_any(end, chunk, room, t_ms, bits);
	code_size = time_size + (uint32_t)ones + 1 + rice;
	if (end->position + code_size > room)
		return false;
	bits_put(end, chunk,
		(((UINT64_C(1) << ones) - 1) | low_bits(folded, rice) << (ones + 1)) << time_size,
		code_size);
	residual_learn(end, residual);
	end->integer = integer;
	end->t_ms = t_ms;
	end->bits = bits;
	end->count++;
	return true;
}

/* The unit in which both values are whole numbers, as far as their own units tell. */
static uint32_t scale_common(uint32_t a, uint32_t b)
{
	bool a_multiple = a >= SCALE_MULTIPLES, b_multiple = b >= SCALE_MULTIPLES;

	if (a == SCALES || b == SCALES)
		return SCALES;
	if (a_multiple && b_multiple)
		return a < b ? a : b;
	if (a_multiple || b_multiple)
		return a_multiple ? b : a;
	return a > b ? a : b;
}

/* The unit for a chunk that begins with `bits` and follows *end, and the number; SCALES: floats. */
static uint32_t scale_for_begin(const struct chunk_end *end, uint64_t bits, int64_t *integer)
{
	uint64_t before =
		(end->flags & FLAG_FLOAT) != 0 ? end->bits : integer_bits(end->integer, end->scale);
	uint32_t own = scale_of(bits, 0);
	uint32_t scale = own;

	/* Zero is a multiple of everything and says nothing. */
	if (end->count > 0 && before == 0)
		scale = bits == 0 ? end->scale : own;
	else if (end->count > 0)
		scale = bits == 0 ? scale_of(before, 0) : scale_common(own, scale_of(before, 0));
	if (scale < SCALES && !integer_of(bits, scale, integer)) {
		scale = own;
		if (own < SCALES)
			(void)integer_of(bits, own, integer);
	}
	return scale;
}

/* Writes the slope and leaves in *end what a reader will have. */
static void slope_encode(struct chunk_end *end, struct code *code)
{
	uint64_t folded = zigzag(end->slope);
	uint32_t width = bit_width(folded);
	uint32_t cut = width > SLOPE_BITS ? width - SLOPE_BITS : 0;

	code_add(code, width, 6);
	code_add(code, folded >> cut, width - cut);
	end->slope = zigzag_back(folded >> cut << cut);
}

static void start_encode(struct chunk_end *end, struct chunk *chunk, struct code *code,
	uint64_t bits)
{
	uint32_t step = end->step_ms < STEP_LONG ? end->step_ms : STEP_LONG;
	bool floats = (end->flags & FLAG_FLOAT) != 0;
	uint32_t level = floats ? 0 : (end->level + 128u) >> 8;
	uint64_t folded = zigzag(end->integer);

	chunk->start = (floats ? 1u : 0u) | (uint32_t)end->scale << 1 |
		(end->flags & FLAGS_START) << 5 | level << 7 | step << 13;
	if (step == STEP_LONG)
		code_add(code, end->step_ms, 32);
	if (floats) {
		code_add(code, bits, 64);
		return;
	}
	end->level = (uint16_t)(level << 8);
	code_add(code, bit_width(folded), 6);
	code_add(code, folded, bit_width(folded));
	if ((end->flags & FLAG_SETTLED) != 0)
		slope_encode(end, code);
}

void chunk_begin(struct chunk_end *end, struct chunk *chunk, size_t size, int64_t t_ms,
	uint64_t bits)
{
	struct code code;
	int64_t integer = 0;
	uint32_t scale = scale_for_begin(end, bits, &integer);
	bool settled = end->count > 0 && (end->flags & FLAG_FLOAT) == 0 && scale < SCALES &&
		(end->count > LAG || (end->flags & FLAG_SETTLED) != 0) && scale_change(end, scale);
	bool jitter = often_off_time(end);

	code.count = code.total = 0;
	CHECK(size >= CHUNK_SIZE_MIN && size <= CHUNK_SIZE_MAX && size % 8 == 0);
	end->flags = (uint8_t)((settled ? FLAG_SETTLED : 0) | (jitter ? FLAG_JITTER : 0) |
		(scale < SCALES ? 0 : FLAG_FLOAT));
	if (!settled)
		end->slope = end->level = 0;
	if (scale == SCALES)
		end->lead = NO_WINDOW;
	end->scale = (uint8_t)(scale < SCALES ? scale : 0);
	end->integer = integer;
	end->off_time = 0;
	end->late_ms = 0;
	end->pending = 0;
	end->position = 0;
	end->t_ms = t_ms;
	end->bits = bits;
	chunk->first_and_count = (uint64_t)t_ms << 16;
	start_encode(end, chunk, &code, bits);
	end->count = 1;
	code_put(end, chunk, &code);
}

void chunk_seal(const struct chunk_end *end, struct chunk *chunk)
{
	if (end->position % 64u != 0)
		word_store(chunk->bytes + end->position / 64u * 8, end->pending);
	chunk->first_and_count = (chunk->first_and_count & ~UINT64_C(0xffff)) | end->count;
}

bool chunk_end_valid(const struct chunk_end *end, size_t size)
{
	uint32_t room = (uint32_t)(size - CHUNK_HEADER) * 8;
	bool state = (end->flags & FLAG_FLOAT) != 0
		? end->lead == NO_WINDOW || (end->lead <= 31 && end->lead + end->trail < 64)
		: end->level <= LEVEL_LIMIT;

	return state && end->count > 0 && end->count <= room && end->position <= room &&
		end->scale < SCALES && end->flags < 32 &&
		(end->late_ms == 0 || (end->flags & FLAG_OFF_TIME) != 0) &&
		end->t_ms <= CHUNK_TIME_LIMIT && end->t_ms >= -CHUNK_TIME_LIMIT &&
		__builtin_fabs((double)end->slope) <= 2 * SLOPE_LIMIT &&
		__builtin_fabs((double)end->integer) < INTEGER_LIMIT;
}
