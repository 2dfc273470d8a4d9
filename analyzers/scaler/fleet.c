/*
 * Counted pods: `due` is a ring by slots, as in simulate.c, so that time can stand still or leap without
 * a pod being lost.
 */
#include "analyzers/scaler/fleet.h"

#include <math.h>
#include <string.h>

#include "analyzers/plant_law.h"
#include "analyzers/scaler/capacity.h"
#include "base/check.h"

#define RING_MASK (FLEET_RING - 1)

void fleet_init(struct fleet *fleet, int64_t slot, int replicas)
{
	memset(fleet, 0, sizeof(*fleet));
	fleet->slot = slot;
	fleet->wanted = fleet->ready = replicas < FLEET_PODS_MAX ? replicas : FLEET_PODS_MAX;
}

void fleet_advance(struct fleet *fleet, int64_t slot)
{
	int64_t passed = slot - fleet->slot;

	/* A clock that was set back starts nothing. */
	if (passed > FLEET_RING)
		passed = FLEET_RING;
	for (int64_t i = 1; i <= passed; i++) {
		uint16_t *due = &fleet->due[(uint64_t)(fleet->slot + i) & RING_MASK];

		fleet->ready += *due;
		*due = 0;
	}
	fleet->slot = slot;
	if (passed == FLEET_RING)
		fleet->backlog = 0;
}

void fleet_want(struct fleet *fleet, int wanted, int start_slots)
{
	int more, starting = fleet->wanted - fleet->ready;

	CHECK(start_slots >= 0 && start_slots < FLEET_RING);
	wanted = wanted < FLEET_PODS_MAX ? wanted : FLEET_PODS_MAX;
	wanted = wanted > 0 ? wanted : 0;
	more = wanted - fleet->wanted;
	fleet->wanted = wanted;
	if (more > 0 && start_slots == 0)
		fleet->ready += more;
	else if (more > 0)
		fleet->due[(uint64_t)(fleet->slot + start_slots) & RING_MASK] += (uint16_t)more;
	for (int ahead = FLEET_RING - 1; ahead > 0 && more < 0 && starting > 0; ahead--) {
		uint16_t *due = &fleet->due[(uint64_t)(fleet->slot + ahead) & RING_MASK];
		int gone = *due < -more ? *due : -more;

		*due = (uint16_t)(*due - gone);
		more += gone;
		starting -= gone;
	}
	if (more < 0)
		fleet->ready += more;
}

void fleet_serve_pods(double ready, double *backlog, double pod_rate, double rate,
	struct fleet_slot *slot)
{
	double arrivals = rate * PLANT_SLOT_S;
	struct plant_law law =
		plant_serve(pod_rate, FLEET_LATE / pod_rate, ready * pod_rate, *backlog, arrivals);

	*backlog = law.backlog;
	slot->late = arrivals > 0 ? fmin(1, law.bad / arrivals) : 0;
	slot->cpu = fmin(1, law.utilization + CAPACITY_IDLE);
}

void fleet_serve(struct fleet *fleet, double pod_rate, double rate, struct fleet_slot *slot)
{
	fleet_serve_pods(fleet->ready, &fleet->backlog, pod_rate, rate, slot);
}

int fleet_need(double pod_rate, double rate)
{
	double pods = ceil(rate / (FLEET_LOAD_MAX * pod_rate) - 1e-9);

	if (!(pods > 1))
		return 1;
	return pods < FLEET_PODS_MAX ? (int)pods : FLEET_PODS_MAX;
}
