/*
 * The election by a Lease against an API server in memory: two replicas with clocks of their own, lost
 * updates, a server that is gone. And the fence that keeps a former leader from sending.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/lease.h"

#define START_MS INT64_C(1767225600000)

/* The API server: one lease, or none. */
struct world {
	json_t *lease;
	int version;
	int code;       /* not 0: the answer to everything; -1: no server */
	int lose_after; /* not 0: so many writes on, the answer is lost though it was written */
	void (*before_write)(struct world *world); /* somebody else is faster */
	unsigned reads, writes;
};

struct side {
	struct clock_manual clock;
	struct lease lease;
	struct kube_session *session;
};

static struct world world;

static void stamp(json_t *lease)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", ++world.version);
	json_object_set_new(json_object_get(lease, "metadata"), "resourceVersion",
		json_string(text));
}

static const char *version_of(const json_t *lease)
{
	const char *text = json_string_value(
		json_object_get(json_object_get(lease, "metadata"), "resourceVersion"));

	return text != NULL ? text : "";
}

static int write_lease(const struct kube_request *request, json_t **body)
{
	json_t *sent = json_loads(request->body, 0, NULL);
	int code;

	assert_non_null(sent);
	world.writes++;
	if (world.before_write != NULL)
		world.before_write(&world);
	code = request->method == KUBE_POST ? (world.lease != NULL ? 409 : 201)
		: world.lease == NULL       ? 404
		: strcmp(version_of(sent), version_of(world.lease)) != 0 ? 409
									 : 200;
	if (code >= 300) {
		json_decref(sent);
		*body = json_pack("{s:s,s:s}", "kind", "Status", "message", "no");
		return code;
	}
	stamp(sent);
	json_decref(world.lease);
	world.lease = sent;
	if (world.lose_after > 0 && --world.lose_after == 0)
		return 0;
	*body = json_deep_copy(sent);
	return code;
}

static int serve(void *argument, const struct kube_request *request, json_t **body)
{
	assert_non_null(
		strstr(request->path, "/apis/coordination.k8s.io/v1/namespaces/shop/leases"));
	if (world.code == -1)
		return 0;
	if (world.code != 0) {
		*body = json_pack("{s:s,s:s}", "kind", "Status", "message", "broken");
		return world.code;
	}
	if (request->method != KUBE_GET)
		return write_lease(request, body);
	world.reads++;
	*body = world.lease != NULL ? json_deep_copy(world.lease)
				    : json_pack("{s:s}", "kind", "Status");
	return world.lease != NULL ? 200 : 404;
}

static struct lease_config config_of(const char *identity, const struct clock *clock)
{
	return (struct lease_config){.namespace_name = "shop",
		.name = "nimbusguard",
		.identity = identity,
		.url = "https://one:9000",
		.duration_ms = 15000,
		.renew_ms = 10000,
		.retry_ms = 2000,
		.clock = clock};
}

/* skew_ms: how far its clock on the wall is off. */
static void open_side(struct side *side, const char *identity, int64_t skew_ms)
{
	struct lease_config config;
	struct error error;

	clock_manual_init(&side->clock, START_MS + skew_ms);
	config = config_of(identity, &side->clock.clock);
	assert_int_equal(lease_init(&side->lease, &config, &error), STATUS_OK);
	side->session = kube_session_open_served(serve, NULL);
	assert_non_null(side->session);
}

static void close_side(struct side *side)
{
	lease_fini(&side->lease);
	kube_session_close(side->session);
}

static bool try_it(struct side *side)
{
	struct error error;
	enum status status = lease_try(&side->lease, side->session, &error);

	assert_true(status == STATUS_OK ? side->lease.leads : true);
	return side->lease.leads;
}

static int64_t until(struct side *side)
{
	if (!side->lease.leads)
		return 0;
	return lease_until_ns(&side->lease.config, side->lease.renewed_ns,
		clock_mono_ns(&side->clock.clock));
}

static int clear(void **state)
{
	json_decref(world.lease);
	world = (struct world){.lease = NULL};
	return 0;
}

static const char *spec_text(const char *name)
{
	return json_string_value(json_object_get(json_object_get(world.lease, "spec"), name));
}

static json_int_t spec_number(const char *name)
{
	return json_integer_value(json_object_get(json_object_get(world.lease, "spec"), name));
}

/* ---- tests ---- */

static void first_one_takes_it_and_keeps_it(void **state)
{
	struct side one, two;
	char acquired[64];

	open_side(&one, "one", 0);
	open_side(&two, "two", 0);
	assert_true(try_it(&one));
	assert_string_equal(spec_text("holderIdentity"), "one");
	assert_int_equal(spec_number("leaseDurationSeconds"), 15);
	assert_int_equal(spec_number("leaseTransitions"), 0);
	assert_string_equal(spec_text("renewTime"), "2026-01-01T00:00:00.000000Z");
	snprintf(acquired, sizeof(acquired), "%s", spec_text("acquireTime"));
	for (int i = 0; i < 30; i++) {
		clock_manual_advance(&one.clock, 2000);
		clock_manual_advance(&two.clock, 2000);
		assert_true(try_it(&one));
		assert_false(try_it(&two));
	}
	assert_string_equal(spec_text("acquireTime"), acquired);
	assert_string_equal(lease_holder(&two.lease), "one");
	assert_string_equal(lease_holder_url(&two.lease), "https://one:9000");
	close_side(&one);
	close_side(&two);
}

/* A clock that is a day off on either side makes nobody lead early or late. */
static void the_holders_clock_is_never_asked(void **state)
{
	static const int64_t skews[] = {0, 86400000, -86400000};

	for (size_t i = 0; i < ARRAY_COUNT(skews); i++) {
		struct side one, two;

		clear(NULL);
		open_side(&one, "one", skews[i]);
		open_side(&two, "two", 0);
		assert_true(try_it(&one));
		assert_false(try_it(&two));
		/* 15 s after it was seen to change, not before. */
		clock_manual_advance(&two.clock, 14999);
		assert_false(try_it(&two));
		clock_manual_advance(&two.clock, 1);
		assert_true(try_it(&two));
		assert_int_equal(spec_number("leaseTransitions"), 1);
		assert_string_equal(spec_text("holderIdentity"), "two");
		assert_false(try_it(&one));
		close_side(&one);
		close_side(&two);
	}
}

/* The former leader may act for less long than the next one waits. */
static void former_leader_stops_before_the_next_begins(void **state)
{
	struct side one, two;

	open_side(&one, "one", 0);
	open_side(&two, "two", 0);
	assert_true(try_it(&one));
	assert_false(try_it(&two));
	for (int64_t ms = 0; ms < 20000; ms += 50) {
		bool may = until(&one) > clock_mono_ns(&one.clock.clock);

		if (ms >= 10000)
			assert_false(may);
		if (try_it(&two)) {
			assert_false(may);
			/* Nor is anything still on its way. */
			assert_true(one.lease.renewed_ns + 15000 * INT64_C(1000000) * 19 / 20 <
				clock_mono_ns(&one.clock.clock));
			close_side(&one);
			close_side(&two);
			return;
		}
		clock_manual_advance(&one.clock, 50);
		clock_manual_advance(&two.clock, 50);
	}
	fail_msg("nobody took it over");
}

static struct side *slow;

static void take_long(struct world *at)
{
	at->before_write = NULL;
	clock_manual_advance(&slow->clock, 3000);
}

/* Others see the record at the earliest when the request went out: from then on it counts. */
static void time_on_the_way_is_no_time_to_lead(void **state)
{
	struct side one;
	int64_t began_ns;

	open_side(&one, "one", 0);
	began_ns = clock_mono_ns(&one.clock.clock);
	slow = &one;
	world.before_write = take_long;
	assert_true(try_it(&one));
	assert_int_equal(clock_mono_ns(&one.clock.clock) - began_ns, 3000 * INT64_C(1000000));
	/* A twentieth of the 15 s is kept free for clocks that run faster elsewhere. */
	assert_int_equal(until(&one) - began_ns, 14250 * INT64_C(1000000));
	close_side(&one);
}

/* A record that claims to be held for ever, or for no time, is held as long as our own would be. */
static void a_duration_that_is_nonsense_is_not_waited_for(void **state)
{
	static const json_int_t seconds[] = {0, -5, 3601, INT64_C(4000000000)};

	for (size_t i = 0; i < ARRAY_COUNT(seconds); i++) {
		struct side one, two;

		clear(NULL);
		open_side(&one, "one", 0);
		open_side(&two, "two", 0);
		assert_true(try_it(&one));
		json_object_set_new(json_object_get(world.lease, "spec"), "leaseDurationSeconds",
			json_integer(seconds[i]));
		stamp(world.lease);
		assert_false(try_it(&two));
		clock_manual_advance(&two.clock, 14999);
		assert_false(try_it(&two));
		clock_manual_advance(&two.clock, 1);
		assert_true(try_it(&two));
		close_side(&one);
		close_side(&two);
	}
}

static void take_it(struct world *at)
{
	json_t *spec = json_object_get(at->lease, "spec");

	at->before_write = NULL;
	json_object_set_new(spec, "holderIdentity", json_string("three"));
	stamp(at->lease);
}

static void who_is_slower_has_lost(void **state)
{
	struct side one, two;
	struct error error;

	open_side(&one, "one", 0);
	open_side(&two, "two", 0);
	assert_true(try_it(&one));
	assert_false(try_it(&two));
	clock_manual_advance(&two.clock, 15000);
	world.before_write = take_it;
	assert_int_equal(lease_try(&two.lease, two.session, &error), STATUS_CONFLICT);
	assert_false(two.lease.leads);
	assert_false(try_it(&two));
	assert_string_equal(lease_holder(&two.lease), "three");
	close_side(&one);
	close_side(&two);
}

static void create_it(struct world *at)
{
	at->before_write = NULL;
	at->lease = json_pack("{s:{s:s},s:{s:s,s:i}}", "metadata", "name", "nimbusguard", "spec",
		"holderIdentity", "three", "leaseDurationSeconds", 15);
	stamp(at->lease);
}

static void who_creates_it_later_has_lost(void **state)
{
	struct side one;
	struct error error;

	open_side(&one, "one", 0);
	world.before_write = create_it;
	assert_int_equal(lease_try(&one.lease, one.session, &error), STATUS_CONFLICT);
	assert_false(one.lease.leads);
	close_side(&one);
}

/* Whether it was written is not known: until it is seen, nothing is done on its word. */
static void a_lost_answer_is_no_lease(void **state)
{
	struct side one;
	struct error error;

	open_side(&one, "one", 0);
	world.lose_after = 1;
	assert_int_equal(lease_try(&one.lease, one.session, &error), STATUS_UNAVAILABLE);
	assert_false(one.lease.leads);
	assert_string_equal(spec_text("holderIdentity"), "one");
	clock_manual_advance(&one.clock, 2000);
	assert_true(try_it(&one));
	assert_int_equal(spec_number("leaseTransitions"), 0);
	close_side(&one);
}

static void without_the_server_it_stops_at_the_renew_deadline(void **state)
{
	struct side one;
	static const int codes[] = {-1, 500, 403, 429};

	for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
		clear(NULL);
		open_side(&one, "one", 0);
		assert_true(try_it(&one));
		world.code = codes[i];
		clock_manual_advance(&one.clock, 9999);
		assert_true(try_it(&one));
		assert_true(until(&one) > clock_mono_ns(&one.clock.clock));
		clock_manual_advance(&one.clock, 1);
		/* Even before anybody tries again. */
		assert_int_equal(until(&one), 0);
		assert_false(try_it(&one));
		world.code = 0;
		assert_true(try_it(&one));
		close_side(&one);
	}
}

static void deleted_lease_is_made_anew_by_its_holder_only_once(void **state)
{
	struct side one, two;

	open_side(&one, "one", 0);
	open_side(&two, "two", 0);
	assert_true(try_it(&one));
	assert_false(try_it(&two));
	json_decref(world.lease);
	world.lease = NULL;
	assert_true(try_it(&two));
	assert_false(try_it(&one));
	close_side(&one);
	close_side(&two);
}

static void released_lease_is_free_at_once(void **state)
{
	struct side one, two;
	struct error error;

	open_side(&one, "one", 0);
	open_side(&two, "two", 0);
	assert_true(try_it(&one));
	assert_false(try_it(&two));
	assert_int_equal(lease_release(&one.lease, one.session, &error), STATUS_OK);
	assert_string_equal(spec_text("holderIdentity"), "");
	assert_int_equal(spec_number("leaseDurationSeconds"), 1);
	assert_true(try_it(&two));
	assert_int_equal(spec_number("leaseTransitions"), 1);
	/* What is not ours is not given back. */
	assert_int_equal(lease_release(&one.lease, one.session, &error), STATUS_OK);
	assert_string_equal(spec_text("holderIdentity"), "two");
	close_side(&one);
	close_side(&two);
}

static void what_others_wrote_on_it_stays(void **state)
{
	struct side one;

	open_side(&one, "one", 0);
	assert_true(try_it(&one));
	json_object_set_new(json_object_get(world.lease, "metadata"), "labels",
		json_pack("{s:s}", "team", "a"));
	json_object_set_new(json_object_get(json_object_get(world.lease, "metadata"),
				    "annotations"),
		"owner", json_string("b"));
	json_object_set_new(json_object_get(world.lease, "spec"), "strategy", json_string("x"));
	stamp(world.lease);
	assert_true(try_it(&one));
	assert_string_equal(spec_text("strategy"), "x");
	assert_non_null(json_object_get(json_object_get(world.lease, "metadata"), "labels"));
	assert_string_equal(json_string_value(
				    json_object_get(json_object_get(json_object_get(world.lease,
									    "metadata"),
							    "annotations"),
					    "owner")),
		"b");
	close_side(&one);
}

static void times_that_do_not_fit_are_refused(void **state)
{
	static const int64_t times[][3] = {{10000, 10000, 2000}, {15000, 10000, 9000},
		{15000, 2000, 2000}, {15000, 10000, 0}};
	struct clock_manual clock;
	struct lease_config config;
	struct lease lease;
	struct error error;

	clock_manual_init(&clock, START_MS);
	for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
		config = config_of("one", &clock.clock);
		config.duration_ms = times[i][0];
		config.renew_ms = times[i][1];
		config.retry_ms = times[i][2];
		assert_int_equal(lease_init(&lease, &config, &error), STATUS_BAD_INPUT);
	}
	config = config_of("one", &clock.clock);
	config.name = "no/name";
	assert_int_equal(lease_init(&lease, &config, &error), STATUS_BAD_INPUT);
}

/* --- the fence --- */

static int64_t fence_end_ns;
static unsigned asked;

static int serve_any(void *argument, const struct kube_request *request, json_t **body)
{
	asked++;
	*body = json_object();
	return 200;
}

static int64_t fence(void *argument)
{
	return fence_end_ns;
}

static void fenced_session_reads_but_changes_nothing(void **state)
{
	struct kube_session *session = kube_session_open_served(serve_any, NULL);
	struct kube_request request = {.method = KUBE_PATCH, .path = "/x", .body = "{}"};
	struct kube_answer answer;
	struct error error;

	kube_session_fence(session, fence, NULL);
	fence_end_ns = clock_mono_ns(clock_system()) + INT64_C(60000000000);
	assert_int_equal(kube_session_call(session, &request, &answer, &error), STATUS_OK);
	kube_answer_fini(&answer);
	fence_end_ns = clock_mono_ns(clock_system()) - 1;
	assert_int_equal(kube_session_call(session, &request, &answer, &error), STATUS_UNAVAILABLE);
	assert_false(answer.sent);
	kube_answer_fini(&answer);
	assert_int_equal(asked, 1);
	request.method = KUBE_GET;
	request.body = NULL;
	assert_int_equal(kube_session_call(session, &request, &answer, &error), STATUS_OK);
	kube_answer_fini(&answer);
	kube_session_close(session);
}

int main(void)
{
#define T(test) cmocka_unit_test_teardown(test, clear)
	const struct CMUnitTest tests[] = {
		T(first_one_takes_it_and_keeps_it),
		T(the_holders_clock_is_never_asked),
		T(former_leader_stops_before_the_next_begins),
		T(who_is_slower_has_lost),
		T(who_creates_it_later_has_lost),
		T(a_lost_answer_is_no_lease),
		T(without_the_server_it_stops_at_the_renew_deadline),
		T(deleted_lease_is_made_anew_by_its_holder_only_once),
		T(released_lease_is_free_at_once),
		T(time_on_the_way_is_no_time_to_lead),
		T(a_duration_that_is_nonsense_is_not_waited_for),
		T(what_others_wrote_on_it_stays),
		T(times_that_do_not_fit_are_refused),
		T(fenced_session_reads_but_changes_nothing),
	};

	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
