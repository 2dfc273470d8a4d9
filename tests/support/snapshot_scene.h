/*
 * A store with what stands beside it, filled with series of all kinds, for tests of snapshots.
 *
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_SNAPSHOT_SCENE_H
#define NIMBUSGUARD_TESTS_SUPPORT_SNAPSHOT_SCENE_H

#include <stdint.h>

#include "base/clock.h"
#include "store/snapshot.h"
#include "tests/support/folder.h"

#define SCENE_START_MS INT64_C(1700000000000)
#define SCENE_POINTS_MAX 4000

enum { SCENE_PODS = 300, SCENE_ROUNDS = 90 };

extern struct clock_manual scene_clock;
extern char scene_folder[FOLDER_PATH_MAX], scene_path[FOLDER_PATH_MAX + 64];
extern const struct store_limits scene_limits;

/* A store and what stands beside it. */
struct scene {
	struct snapshot_parts parts;
	struct snapshot_stats stats;
	struct error error;
};

/* For each test: the clock at SCENE_START_MS and a folder of its own. */
int snapshot_scene_setup(void **state);
int snapshot_scene_teardown(void **state);

void scene_open(struct scene *scene, const struct store_limits *limits);
void scene_close(struct scene *scene);
/* The raw key of pod n in this encoding; scene_fill() uses "raw", and "alias" for each third. */
struct store_key scene_key(struct store *store, uint32_t n, const char *encoding);
uint32_t scene_intern(struct store *store, uint32_t n, const char *encoding);
/* Whole numbers, gauges, floats, odd values. */
double scene_value(uint32_t n, uint32_t round);
/* 1 when the sample was taken. */
uint64_t scene_append(struct store *store, uint32_t series, int64_t t_ms, double value);
/* The sample of pod n, at most one: some have holes, some are off time. */
void scene_append_round(struct store *store, uint32_t n, uint32_t round);
void scene_fill_rounds(struct store *store, uint32_t first, uint32_t end);
/* All pods, all rounds, some with records and starts. */
void scene_fill(struct scene *scene);
uint32_t scene_found(struct store *store, uint32_t n);
void scene_same_windows(struct store *a, uint32_t in_a, struct store *b, uint32_t in_b);
/* The test fails unless both hold the same series, samples, records and starts. */
void scene_same(struct scene *a, struct scene *b);
void scene_write(struct scene *scene);
/* Opens the scene and loads into it. */
enum status scene_load(struct scene *scene, const struct store_limits *limits, const char *from);
void scene_load_good(struct scene *scene, const struct store_limits *limits);

#endif
