/* run-under: tsan */
/*
 * The queue: order, its maximum, its end, its waits; then several pushers and poppers at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"

static int64_t elapsed_ms(int64_t since_ns)
{
	return (clock_mono_ns(clock_system()) - since_ns) / 1000000;
}

static void values_come_out_in_order(void **state)
{
	struct queue *queue = queue_open(sizeof(int), 7);
	int next_in = 0, next_out = 0;

	assert_non_null(queue);
	/* Uneven steps, so that the ring's seam is met at each place. */
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < round % 8; i++) {
			if (queue_push(queue, &next_in) == STATUS_OK)
				next_in++;
		}
		for (int i = 0; i < (round + 3) % 8; i++) {
			int value;
			if (queue_pop(queue, &value, 0) != STATUS_OK)
				continue;
			assert_int_equal(value, next_out);
			next_out++;
		}
		assert_int_equal(queue_length(queue), next_in - next_out);
	}
	assert_true(next_out > 100);
	queue_close(queue);
}

static void a_full_queue_is_busy_and_keeps_what_it_has(void **state)
{
	struct queue *queue = queue_open(sizeof(char[3]), 2);
	char value[3];

	assert_non_null(queue);
	assert_int_equal(queue_push(queue, "aa"), STATUS_OK);
	assert_int_equal(queue_push(queue, "bb"), STATUS_OK);
	assert_int_equal(queue_push(queue, "cc"), STATUS_BUSY);
	assert_int_equal(queue_length(queue), 2);
	assert_int_equal(queue_pop(queue, value, 0), STATUS_OK);
	assert_string_equal(value, "aa");
	assert_int_equal(queue_push(queue, "dd"), STATUS_OK);
	assert_int_equal(queue_pop(queue, value, 0), STATUS_OK);
	assert_string_equal(value, "bb");
	assert_int_equal(queue_pop(queue, value, 0), STATUS_OK);
	assert_string_equal(value, "dd");
	queue_close(queue);
}

static void an_empty_queue_waits_as_long_as_it_was_told(void **state)
{
	struct queue *queue = queue_open(sizeof(int), 2);
	int64_t since = clock_mono_ns(clock_system());
	int value;

	assert_non_null(queue);
	assert_int_equal(queue_pop(queue, &value, 0), STATUS_TIMEOUT);
	assert_true(elapsed_ms(since) < 10000);
	since = clock_mono_ns(clock_system());
	assert_int_equal(queue_pop(queue, &value, 60), STATUS_TIMEOUT);
	assert_in_range(elapsed_ms(since), 60, 30000);
	assert_int_equal(queue_pop_many(queue, &value, 1, 10), 0);
	queue_close(queue);
}

static void the_end_lets_what_is_left_out_and_nothing_in(void **state)
{
	struct queue *queue = queue_open(sizeof(int), 4);
	int value = 5;

	assert_non_null(queue);
	assert_int_equal(queue_push(queue, &value), STATUS_OK);
	assert_false(queue_ended(queue));
	queue_end(queue);
	queue_end(queue);
	assert_true(queue_ended(queue));
	assert_int_equal(queue_push(queue, &value), STATUS_UNAVAILABLE);
	value = 0;
	assert_int_equal(queue_pop(queue, &value, -1), STATUS_OK);
	assert_int_equal(value, 5);
	assert_int_equal(queue_pop(queue, &value, -1), STATUS_UNAVAILABLE);
	assert_int_equal(queue_pop_many(queue, &value, 1, -1), 0);
	queue_close(queue);
}

static void pop_many_takes_what_is_there(void **state)
{
	struct queue *queue = queue_open(sizeof(int), 5);
	int values[8];

	assert_non_null(queue);
	for (int i = 0; i < 3; i++)
		assert_int_equal(queue_push(queue, &i), STATUS_OK);
	assert_int_equal(queue_pop_many(queue, values, 0, -1), 0);
	assert_int_equal(queue_pop_many(queue, values, 2, -1), 2);
	for (int i = 3; i < 7; i++)
		assert_int_equal(queue_push(queue, &i), STATUS_OK);
	assert_int_equal(queue_pop_many(queue, values + 2, 6, -1), 5);
	for (int i = 0; i < 7; i++)
		assert_int_equal(values[i], i);
	queue_close(queue);
}

static void out_of_memory_is_null(void **state)
{
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		mem_fail_after(nth, false);
		struct queue *queue = queue_open(16, 100);
		reached = mem_fail_after(0, false);
		assert_int_equal(queue == NULL, reached);
		queue_close(queue);
		assert_true(nth < 10);
	}
	assert_null(queue_open(SIZE_MAX / 2, 4));
}

static void *end_later(void *argument)
{
	clock_sleep_ms(30);
	queue_end(argument);
	return NULL;
}

static void the_end_wakes_who_waits_for_ever(void **state)
{
	struct queue *queue = queue_open(sizeof(int), 2);
	pthread_t thread;
	int value;

	assert_non_null(queue);
	assert_int_equal(pthread_create(&thread, NULL, end_later, queue), 0);
	assert_int_equal(queue_pop(queue, &value, -1), STATUS_UNAVAILABLE);
	pthread_join(thread, NULL);
	queue_close(queue);
}

/* Several pushers and poppers on a queue that is often full and often empty. */
#define PUSHERS 4
#define POPPERS 3
#define EACH 5000

struct parcel {
	uint32_t pusher, number;
	uint64_t check;
};

static struct queue *shared;
static atomic_uint seen[PUSHERS][EACH];
static atomic_uint disorder;

static uint64_t check_of(const struct parcel *parcel)
{
	return ((uint64_t)parcel->pusher << 32 | parcel->number) * UINT64_C(0x9e3779b97f4a7c15);
}

static void *push_all(void *argument)
{
	uint32_t pusher = (uint32_t)(uintptr_t)argument;

	for (uint32_t i = 0; i < EACH; i++) {
		struct parcel parcel = {.pusher = pusher, .number = i};
		parcel.check = check_of(&parcel);
		while (queue_push(shared, &parcel) == STATUS_BUSY)
			sched_yield();
	}
	return NULL;
}

/* First in, first out over all: each popper sees each pusher's numbers rise. */
static void accept_parcel(const struct parcel *parcel, int64_t last[PUSHERS])
{
	if (parcel->pusher >= PUSHERS || parcel->number >= EACH ||
		parcel->check != check_of(parcel) || last[parcel->pusher] >= parcel->number) {
		atomic_fetch_add(&disorder, 1);
		return;
	}
	last[parcel->pusher] = parcel->number;
	atomic_fetch_add(&seen[parcel->pusher][parcel->number], 1);
}

static void *pop_all(void *argument)
{
	int64_t last[PUSHERS] = {-1, -1, -1, -1};
	struct parcel parcels[5];
	bool single = argument != NULL;

	for (;;) {
		size_t count = 1;

		if (single) {
			enum status status = queue_pop(shared, parcels, 5);
			if (status == STATUS_UNAVAILABLE)
				return NULL;
			count = status == STATUS_OK ? 1 : 0;
		} else {
			count = queue_pop_many(shared, parcels, 5, -1);
			if (count == 0)
				return NULL;
		}
		for (size_t i = 0; i < count; i++)
			accept_parcel(&parcels[i], last);
	}
}

static void every_value_is_popped_once_and_in_order(void **state)
{
	pthread_t pushers[PUSHERS], poppers[POPPERS];

	shared = queue_open(sizeof(struct parcel), 13);
	assert_non_null(shared);
	for (uintptr_t i = 0; i < POPPERS; i++)
		assert_int_equal(pthread_create(&poppers[i], NULL, pop_all, i == 0 ? shared : NULL),
			0);
	for (uintptr_t i = 0; i < PUSHERS; i++)
		assert_int_equal(pthread_create(&pushers[i], NULL, push_all, (void *)i), 0);
	for (int i = 0; i < PUSHERS; i++)
		pthread_join(pushers[i], NULL);
	queue_end(shared);
	for (int i = 0; i < POPPERS; i++)
		pthread_join(poppers[i], NULL);
	assert_int_equal(atomic_load(&disorder), 0);
	for (int i = 0; i < PUSHERS; i++) {
		for (int j = 0; j < EACH; j++)
			assert_int_equal(atomic_load(&seen[i][j]), 1);
	}
	queue_close(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_out_in_order),
		cmocka_unit_test(a_full_queue_is_busy_and_keeps_what_it_has),
		cmocka_unit_test(an_empty_queue_waits_as_long_as_it_was_told),
		cmocka_unit_test(the_end_lets_what_is_left_out_and_nothing_in),
		cmocka_unit_test(pop_many_takes_what_is_there),
		cmocka_unit_test(out_of_memory_is_null),
		cmocka_unit_test(the_end_wakes_who_waits_for_ever),
		cmocka_unit_test(every_value_is_popped_once_and_in_order),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
