/*
 * The simulation against its own promises: the same plant as that of named pods, pods ready after their
 * delay, paid from their creation, requests conserved, minutes judged as defined, one seed one run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/hpa.h"
#include "analyzers/scaler/policies.h"
#include "analyzers/scaler/simulate.h"
#include "base/mem.h"

#define MINUTES 600
#define SLOTS ((size_t)MINUTES * POLICY_SLOTS_PER_MINUTE)

struct scene {
	struct plant_config plant;
	struct trace trace;
	struct load load;
	struct draw draw;
};

/* rates: a shape with its peak at `pods` pods. */
static void scene_open(struct scene *scene, const char *shape, double pods)
{
	struct error error;

	plant_config_default(&scene->plant);
	trace_init(&scene->trace, shape);
	assert_int_equal(trace_generate(&scene->trace, shape, 1,
				 load_pods_rate(&scene->plant, pods), 3, &error),
		STATUS_OK);
	scene->trace.minutes = MINUTES;
	assert_int_equal(load_init(&scene->load, &scene->trace, 1, &error), STATUS_OK);
	assert_int_equal(draw_make(&scene->draw, &scene->load, &scene->plant, 4, &error),
		STATUS_OK);
}

static void scene_close(struct scene *scene)
{
	draw_fini(&scene->draw);
	load_fini(&scene->load);
	trace_fini(&scene->trace);
}

/* Wishes that were written down before, and what was seen at each. */
struct script {
	int wishes[SLOTS];
	struct policy_view seen[SLOTS];
};

static int follow(void *state, const struct policy_view *view)
{
	struct script *script = state;

	script->seen[view->slot] = *view;
	return script->wishes[view->slot];
}

static struct script *wild_script(uint64_t seed)
{
	struct script *script = mem_zalloc(1, sizeof(*script));
	struct random random;
	int wish = 10;

	assert_non_null(script);
	random_init(&random, seed);
	for (size_t i = 0; i < SLOTS; i++) {
		if (random_below(&random, 4) == 0)
			wish = (int)random_below(&random, 55) - 2;
		script->wishes[i] = wish;
	}
	return script;
}

static struct simulate_options options_of(const struct scene *scene)
{
	return (struct simulate_options){.plant = &scene->plant, .seed = 9};
}

/* With one start-up time nothing is left to chance, and the plant of named pods must agree. */
static void counted_pods_are_named_pods(void **state)
{
	struct script *script = wild_script(1);
	struct policy policy = {.state = script, .decide = follow};
	struct simulate_options options;
	struct run_outcome outcome;
	struct scene scene;
	struct plant plant;
	double bad = 0, minute_bad = 0, minute_arrivals = 0, violated = 0, pods = 0;

	scene_open(&scene, "ramp", 30);
	scene.plant.start_slots_min = scene.plant.start_slots_max = 5;
	options = options_of(&scene);
	simulate(&options, &scene.load, &scene.draw, &policy, &outcome);
	plant_init(&plant, &scene.plant, scene.draw.oracle[0], 1);
	for (size_t i = 0; i < SLOTS - SIMULATE_TAIL_SLOTS; i++) {
		struct plant_slot slot;

		plant_want(&plant, script->wishes[i]);
		plant_step(&plant, scene.draw.arrivals[i] / PLANT_SLOT_S, &slot);
		if (i + POLICY_DELAY_SLOTS < SLOTS)
			assert_int_equal(slot.ready, script->seen[i + POLICY_DELAY_SLOTS].ready);
		assert_int_equal(slot.wanted, script->seen[i + 1].wanted);
		pods += slot.wanted;
		bad += slot.bad;
		minute_bad += slot.bad;
		minute_arrivals += slot.arrivals;
		if (i % POLICY_SLOTS_PER_MINUTE == POLICY_SLOTS_PER_MINUTE - 1) {
			violated += minute_bad > .05 * minute_arrivals;
			minute_bad = minute_arrivals = 0;
		}
	}
	assert_true(fabs(outcome.bad - bad) <= 1e-6 * bad && bad > 0);
	assert_true(fabs(outcome.violated - violated) < .5 && violated > 10);
	assert_true(fabs(outcome.pod_slots - pods) < .5);
	mem_free(script);
	scene_close(&scene);
}

static void requests_are_served_dropped_or_waiting(void **state)
{
	struct random random;

	random_init(&random, 2);
	for (int i = 0; i < 100000; i++) {
		double capacity = (double)random_below(&random, 50) * 50;
		double backlog = random_unit(&random) * 10 * capacity;
		double arrivals = random_unit(&random) * 40000;
		struct plant_law law = plant_serve(50, .4, capacity, backlog, arrivals);

		assert_true(fabs(backlog + arrivals - law.served - law.dropped - law.backlog) <=
			1e-9 * (backlog + arrivals + 1));
		assert_true(law.served <= 15 * capacity && law.backlog <= 10 * capacity);
		assert_true(law.dropped >= 0 && law.utilization >= 0 && law.utilization <= 1);
		assert_true(law.bad >= law.dropped - 1e-9 &&
			law.bad <= fmax(arrivals, law.dropped) + 1e-9);
	}
}

static void a_pod_is_ready_after_its_delay_and_costs_from_its_creation(void **state)
{
	struct script *script = mem_zalloc(1, sizeof(*script));
	struct policy policy = {.state = script, .decide = follow};
	struct simulate_options options;
	struct run_outcome outcome;
	struct scene scene;

	assert_non_null(script);
	scene_open(&scene, "steady", 16);
	scene.draw.oracle[0] = 10; /* the pods at first */
	options = options_of(&scene);
	for (size_t i = 0; i < SLOTS; i++)
		script->wishes[i] = i < 100 ? 10 : 30;
	simulate(&options, &scene.load, &scene.draw, &policy, &outcome);
	/* Asked for at 100: none before slot 102, all at 108, seen two slots later. */
	assert_int_equal(script->seen[101 + POLICY_DELAY_SLOTS].ready, 10);
	assert_int_equal(script->seen[108 + POLICY_DELAY_SLOTS].ready, 30);
	for (size_t i = 102; i <= 108; i++)
		assert_true(script->seen[i + 2].ready >= script->seen[i + 1].ready);
	assert_true(script->seen[104 + 2].ready > 10 && script->seen[104 + 2].ready < 30);
	assert_int_equal(script->seen[101].wanted, 30);
	assert_true(fabs(outcome.pod_slots -
			    (10. * 100 + 30. * ((double)SLOTS - SIMULATE_TAIL_SLOTS - 100))) < .5);
	assert_true(fabs(outcome.events - 1) < .5);
	mem_free(script);
	scene_close(&scene);
}

static void pods_that_are_not_ready_go_first(void **state)
{
	struct script *script = mem_zalloc(1, sizeof(*script));
	struct policy policy = {.state = script, .decide = follow};
	struct simulate_options options;
	struct run_outcome outcome;
	struct scene scene;

	assert_non_null(script);
	scene_open(&scene, "steady", 16);
	scene.draw.oracle[0] = 10; /* the pods at first */
	options = options_of(&scene);
	for (size_t i = 0; i < SLOTS; i++)
		script->wishes[i] = i < 100 ? 10 : i == 100 ? 30 : i < 200 ? 12 : 4;
	simulate(&options, &scene.load, &scene.draw, &policy, &outcome);
	for (size_t i = 100; i < 200; i++)
		assert_true(script->seen[i].ready >= 10 && script->seen[i].ready <= 12);
	assert_int_equal(script->seen[150].ready, 12);
	assert_int_equal(script->seen[202].ready, 4);
	/* 10 to 30, back to 12 at once, to 4 much later: three events, one a reversal. */
	assert_true(fabs(outcome.events - 3) < .5 && fabs(outcome.reversals - 1) < .5);
	mem_free(script);
	scene_close(&scene);
}

static void readings_are_two_slots_old(void **state)
{
	struct script *script = wild_script(3);
	struct policy policy = {.state = script, .decide = follow};
	struct simulate_options options;
	struct run_outcome outcome;
	struct scene scene;

	scene_open(&scene, "ramp", 30);
	options = options_of(&scene);
	simulate(&options, &scene.load, &scene.draw, &policy, &outcome);
	assert_true(isnan(script->seen[0].rate) && isnan(script->seen[1].cpu));
	for (size_t i = 2; i < SLOTS; i++) {
		double rate = scene.draw.arrivals[i - 2] / 15 * (double)scene.draw.observed[i - 2];

		assert_true(fabs(script->seen[i].rate - rate) <= 1e-9 * rate);
	}
	mem_free(script);
	scene_close(&scene);
}

static void outcome_of(struct scene *scene, const char *name, uint64_t seed,
	struct run_outcome *outcome)
{
	struct policy_scene knows = {.load = &scene->load,
		.draw = &scene->draw,
		.plant = &scene->plant};
	struct simulate_options options = options_of(scene);
	struct policy policy;
	struct error error;

	options.seed = seed;
	assert_int_equal(policy_open(&policy, name, &knows, &error), STATUS_OK);
	simulate(&options, &scene->load, &scene->draw, &policy, outcome);
	policy_close(&policy);
}

static void one_seed_is_one_run(void **state)
{
	struct run_outcome one, two, other;
	struct scene scene;

	scene_open(&scene, "ramp", 25);
	outcome_of(&scene, "hpa:70", 1, &one);
	outcome_of(&scene, "hpa:70", 1, &two);
	outcome_of(&scene, "hpa:70", 2, &other);
	assert_memory_equal(&one, &two, sizeof(one));
	assert_true(memcmp(&one, &other, sizeof(one)) != 0);
	scene_close(&scene);
}

static void the_oracle_costs_one(void **state)
{
	struct run_outcome outcome;
	struct scene scene;

	scene_open(&scene, "ramp", 25);
	outcome_of(&scene, "oracle", 1, &outcome);
	assert_true(fabs(run_outcome_cost(&outcome) - 1) < 1e-12);
	outcome_of(&scene, "static:50", 1, &outcome);
	assert_true(run_outcome_violated(&outcome) <= 0 && run_outcome_cost(&outcome) > 1.5);
	outcome_of(&scene, "static:3", 1, &outcome);
	assert_true(run_outcome_violated(&outcome) > 50 && run_outcome_bad(&outcome) > 20);
	scene_close(&scene);
}

/* The definition, slot by slot. */
static void the_oracle_has_the_most_of_the_next_two_minutes(void **state)
{
	struct scene scene;

	scene_open(&scene, "ramp", 25);
	for (size_t i = 0; i < SLOTS; i++) {
		int most = 1;

		for (size_t k = i; k <= i + 8 && k < SLOTS; k++) {
			int need = (int)ceil(scene.draw.arrivals[k] / 15 /
				(load_highest(&scene.plant) * scene.plant.service_rate));

			most = need > most ? need : most;
		}
		assert_int_equal(scene.draw.oracle[i], most);
	}
	scene_close(&scene);
}

static void demand_is_linear_between_the_middles_of_minutes(void **state)
{
	double rates[100];
	struct trace trace;
	struct plant_config plant;
	struct error error;
	struct load load;

	plant_config_default(&plant);
	trace_init(&trace, "x");
	for (int i = 0; i < 100; i++)
		rates[i] = i < 50 ? 100 : 180;
	rates[20] = rates[21] = (double)NAN;
	trace.rates = rates;
	trace.minutes = 100;
	assert_int_equal(load_init(&load, &trace, 2, &error), STATUS_OK);
	assert_int_equal(load.slots, 400);
	/* Slots 198 to 201 lie 1/8, 3/8, 5/8 and 7/8 of the way from 200 to 360. */
	assert_true(fabs(load.demand[197] - 200) < 1e-9 && fabs(load.demand[198] - 220) < 1e-9);
	assert_true(fabs(load.demand[201] - 340) < 1e-9 && fabs(load.demand[202] - 360) < 1e-9);
	/* What is not known is bridged and not judged. */
	assert_true(fabs(load.demand[82] - 200) < 1e-9);
	assert_true(load.known[19] && !load.known[20] && !load.known[21] && load.known[22]);
	load_fini(&load);
}

static void unknown_minutes_are_not_judged(void **state)
{
	struct run_outcome whole, part;
	struct scene scene;

	scene_open(&scene, "steady", 25);
	outcome_of(&scene, "static:3", 1, &whole);
	for (size_t i = 0; i < 100; i++)
		scene.load.known[i + 50] = 0;
	outcome_of(&scene, "static:3", 1, &part);
	assert_true(fabs(whole.minutes - part.minutes - 100) < .5);
	assert_true(fabs(whole.slots - part.slots - 400) < .5);
	assert_true(fabs(whole.pod_slots - part.pod_slots - 1200) < .5);
	scene_close(&scene);
}

static void missing_metrics_are_seen_as_missing(void **state)
{
	struct script *script = wild_script(5);
	struct policy policy = {.state = script, .decide = follow};
	struct simulate_options options;
	struct run_outcome outcome;
	struct scene scene;

	/* From 9 h on for ten minutes. */
	scene_open(&scene, "metrics_missing", 25);
	options = options_of(&scene);
	simulate(&options, &scene.load, &scene.draw, &policy, &outcome);
	for (size_t i = 2; i < SLOTS; i++) {
		bool missing = i - 2 >= 9 * 240 && i - 2 < 9 * 240 + 40;

		assert_true(isnan(script->seen[i].rate) == missing);
		assert_true(isnan(script->seen[i].cpu) == missing);
	}
	mem_free(script);
	scene_close(&scene);
}

static void lost_pods_are_made_anew(void **state)
{
	struct script *script = mem_zalloc(1, sizeof(*script));
	struct policy policy = {.state = script, .decide = follow};
	struct simulate_options options;
	struct run_outcome outcome;
	struct scene scene;
	const size_t lost = 9 * 240;

	assert_non_null(script);
	scene_open(&scene, "pods_lost", 20);
	options = options_of(&scene);
	for (size_t i = 0; i < SLOTS; i++)
		script->wishes[i] = 12;
	simulate(&options, &scene.load, &scene.draw, &policy, &outcome);
	assert_int_equal(script->seen[lost + 1].ready, 12);
	assert_int_equal(script->seen[lost + 2].ready, 8);
	assert_int_equal(script->seen[lost + 2 + 8].ready, 12);
	assert_int_equal(script->seen[lost + 2].wanted, 12);
	mem_free(script);
	scene_close(&scene);
}

static void a_lost_quarter_of_capacity_is_felt(void **state)
{
	struct run_outcome lossy, sound;
	struct scene scene, without;

	scene_open(&scene, "capacity_loss", 25);
	scene_open(&without, "diurnal", 25);
	outcome_of(&scene, "static:16", 1, &lossy);
	outcome_of(&without, "static:16", 1, &sound);
	assert_true(run_outcome_bad(&lossy) > run_outcome_bad(&sound));
	assert_true(lossy.oracle_pod_slots > sound.oracle_pod_slots * 1.05);
	scene_close(&without);
	scene_close(&scene);
}

static void unknown_policies_are_refused_with_the_nearest(void **state)
{
	static const char *const wrong[] = {"", "hpa:", "hpa:x", "hpa:0", "hpa:60:2h",
		"hpa:60:5m:1", "static:0", "static:x", "oracle:1", "nothing"};
	struct scene scene;
	struct policy policy;
	struct error error;

	scene_open(&scene, "steady", 10);
	struct policy_scene knows = {.load = &scene.load, .plant = &scene.plant};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(policy_open(&policy, wrong[i], &knows, &error), STATUS_BAD_INPUT);
	assert_int_equal(policy_open(&policy, "statik", &knows, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "did you mean static"));
	scene_close(&scene);
}

static void every_failed_allocation_is_an_answer(void **state)
{
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		struct policy policy = {0};
		struct plant_config plant;
		struct trace trace;
		struct error error;
		struct load load;
		struct draw draw;
		enum status status;

		plant_config_default(&plant);
		trace_init(&trace, "x");
		mem_fail_after(nth, false);
		status = trace_generate(&trace, "pods_lost", 1, 100, 1, &error);
		if (status == STATUS_OK)
			status = load_init(&load, &trace, 1, &error);
		if (status == STATUS_OK) {
			struct policy_scene knows = {.load = &load, .plant = &plant};

			status = draw_make(&draw, &load, &plant, 1, &error);
			if (status == STATUS_OK) {
				status = policy_open(&policy, "hpa", &knows, &error);
				policy_close(&policy);
				draw_fini(&draw);
			}
			load_fini(&load);
		}
		reached = mem_fail_after(0, false);
		trace_fini(&trace);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counted_pods_are_named_pods),
		cmocka_unit_test(requests_are_served_dropped_or_waiting),
		cmocka_unit_test(a_pod_is_ready_after_its_delay_and_costs_from_its_creation),
		cmocka_unit_test(pods_that_are_not_ready_go_first),
		cmocka_unit_test(readings_are_two_slots_old),
		cmocka_unit_test(one_seed_is_one_run),
		cmocka_unit_test(the_oracle_costs_one),
		cmocka_unit_test(the_oracle_has_the_most_of_the_next_two_minutes),
		cmocka_unit_test(demand_is_linear_between_the_middles_of_minutes),
		cmocka_unit_test(unknown_minutes_are_not_judged),
		cmocka_unit_test(missing_metrics_are_seen_as_missing),
		cmocka_unit_test(lost_pods_are_made_anew),
		cmocka_unit_test(a_lost_quarter_of_capacity_is_felt),
		cmocka_unit_test(unknown_policies_are_refused_with_the_nearest),
		cmocka_unit_test(every_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("simulate", tests, NULL, NULL);
}
