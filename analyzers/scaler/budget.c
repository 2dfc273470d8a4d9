/*
 * Greedy by a heap: the claim whose next step brings most a pod is served, and put back with the step
 * after it. A step is one pod, or, below what the load needs, as many as are worth most together.
 */
#include "analyzers/scaler/budget.h"

#include <math.h>
#include <stdbool.h>

#include "analyzers/scaler/fleet.h"
#include "base/check.h"
#include "base/mem.h"

struct step {
	double worth; /* risk taken away a pod */
	int pods;
	size_t claim;
};

struct heap {
	struct step *steps;
	size_t count;
};

double budget_risk(double load, int pods)
{
	double rho = pods > 0 ? load / pods : INFINITY;

	if (!(load > 0))
		return 0;
	if (pods <= 0)
		return 1 + load;
	return rho < 1 ? exp(-FLEET_LATE * (1 - rho)) : rho;
}

static bool before(const struct step *a, const struct step *b)
{
	return a->worth > b->worth || (a->worth == b->worth && a->claim < b->claim);
}

static void push(struct heap *heap, struct step step)
{
	size_t at = heap->count++;

	for (; at > 0 && before(&step, &heap->steps[(at - 1) / 2]); at = (at - 1) / 2)
		heap->steps[at] = heap->steps[(at - 1) / 2];
	heap->steps[at] = step;
}

static struct step pop(struct heap *heap)
{
	struct step first = heap->steps[0], last = heap->steps[--heap->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < heap->count && before(&heap->steps[child + 1], &heap->steps[child]))
			child++;
		if (child >= heap->count || !before(&heap->steps[child], &last))
			break;
		heap->steps[at] = heap->steps[child];
		at = child;
	}
	if (heap->count > 0)
		heap->steps[at] = last;
	return first;
}

/* Beyond what the load needs each pod is worth less than the one before: there one is looked at. */
static int look_ahead(const struct budget_claim *claim, double room)
{
	double enough = fmin(claim->load / FLEET_LOAD_MAX, FLEET_PODS_MAX) + 1;
	int most = claim->wanted - claim->granted;

	if (most > room)
		most = (int)room;
	if (claim->granted >= enough)
		return most < 1 ? most : 1;
	return most < enough - claim->granted ? most : (int)ceil(enough - claim->granted);
}

/* The claim's next step within `room` pods, the one that is worth most a pod; false: it wants none. */
static bool next_step(const struct budget_claim *claim, size_t index, double room,
	struct step *step)
{
	double now = budget_risk(claim->load, claim->granted);
	int most = look_ahead(claim, room);

	*step = (struct step){.claim = index, .worth = -INFINITY};
	for (int pods = 1; pods <= most; pods++) {
		double worth = (now - budget_risk(claim->load, claim->granted + pods)) / pods;

		if (worth <= step->worth)
			continue;
		step->worth = worth;
		step->pods = pods;
	}
	return step->pods > 0;
}

static double room_of(const struct budget_claim *claim, const double *left, double total)
{
	return fmin(left[claim->scope], total);
}

/* What is left of each limit when all have their least. */
static double begin(struct budget_claim *claims, size_t count, double *left, double total)
{
	total = total < 0 ? INFINITY : total;
	for (size_t i = 0; i < count; i++) {
		claims[i].granted = claims[i].least;
		left[claims[i].scope] -= claims[i].least;
		total -= claims[i].least;
	}
	return total;
}

/* A step may be larger than what others have left in the meantime: it is then made anew. */
static void serve(struct heap *heap, struct budget_claim *claims, double *left, double total)
{
	while (heap->count > 0) {
		struct step step = pop(heap);
		struct budget_claim *claim = &claims[step.claim];
		double room = room_of(claim, left, total);
		struct step next;

		if (step.pods <= room) {
			claim->granted += step.pods;
			left[claim->scope] -= step.pods;
			total -= step.pods;
			room = room_of(claim, left, total);
		}
		if (next_step(claim, step.claim, room, &next))
			push(heap, next);
	}
}

enum status budget_divide(struct budget_claim *claims, size_t count, const double *scopes,
	size_t scope_count, double total, int *cut, struct error *error)
{
	struct heap heap = {mem_zalloc(count, sizeof(*heap.steps)), 0};
	double *left = mem_zalloc(scope_count, sizeof(*left));
	enum status status = STATUS_OK;
	struct step step;

	*cut = 0;
	for (size_t i = 0; left != NULL && i < scope_count; i++)
		left[i] = scopes[i] < 0 ? INFINITY : scopes[i];
	for (size_t i = 0; i < count; i++) {
		CHECK(claims[i].scope < scope_count && claims[i].least <= claims[i].wanted);
		claims[i].granted = claims[i].least;
	}
	if (heap.steps == NULL || left == NULL) {
		status = error_set(error, STATUS_NO_MEMORY, "out of memory");
	} else {
		total = begin(claims, count, left, total);
		for (size_t i = 0; i < count; i++)
			if (next_step(&claims[i], i, room_of(&claims[i], left, total), &step))
				push(&heap, step);
		serve(&heap, claims, left, total);
	}
	for (size_t i = 0; i < count; i++)
		*cut += claims[i].wanted - claims[i].granted;
	mem_free(heap.steps);
	mem_free(left);
	return status;
}
