/*
 * The newest findings in a ring; those of the workload and of its node are handed to incidents_join(). A group is named
 * after the member that was told first, so that one that began earlier and is told later joins the
 * incident that is there. A finding that joins two groups belongs to the older one.
 */
#include "daemon/finding_groups.h"

#include <string.h>

#include "analyzers/detect/incident.h"
#include "base/workload.h"

/* Detectors of one workload, a finding each and each told anew some times, and of others on the node. */
#define MEMBERS_MAX 64

static bool read_workload(const struct labels *labels, uint64_t *hash)
{
	const char *cluster = labels_get(labels, "cluster");
	const char *namespace_name = labels_get(labels, "namespace");
	const char *kind = labels_get(labels, "workload_kind");
	const char *name = labels_get(labels, "workload");
	struct workload_key key = {.kind = TARGET_NONE};

	if (namespace_name == NULL || kind == NULL || name == NULL ||
		strlen(namespace_name) >= sizeof(key.namespace_name) ||
		strlen(name) >= sizeof(key.name) ||
		(cluster != NULL && strlen(cluster) >= sizeof(key.cluster)))
		return false;
	key.kind = target_kind_parse(kind);
	memcpy(key.namespace_name, namespace_name, strlen(namespace_name));
	memcpy(key.name, name, strlen(name));
	if (cluster != NULL)
		memcpy(key.cluster, cluster, strlen(cluster));
	*hash = workload_key_hash(&key);
	return key.kind != TARGET_NONE;
}

static uint64_t read_node(const struct event *finding)
{
	const char *cluster = labels_get(&finding->labels, "cluster");
	struct workload_key key = {.kind = TARGET_NODE};

	if (finding->node == NULL || strlen(finding->node) >= sizeof(key.name) ||
		(cluster != NULL && strlen(cluster) >= sizeof(key.cluster)))
		return 0;
	memcpy(key.name, finding->node, strlen(finding->node));
	if (cluster != NULL)
		memcpy(key.cluster, cluster, strlen(cluster));
	return workload_key_hash(&key) | 1;
}

/* The remembered findings of the workload and of the node, the newest first: [MEMBERS_MAX] places in the ring. */
static size_t members_of(const struct finding_groups *groups, const struct grouped_finding *finding,
	size_t members[MEMBERS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < groups->count && count < MEMBERS_MAX; i++) {
		size_t at = (groups->next + FINDING_GROUPS_MAX - 1 - i) % FINDING_GROUPS_MAX;

		if (groups->ring[at].workload == finding->workload ||
			(finding->node != 0 && groups->ring[at].node == finding->node))
			members[count++] = at;
	}
	return count;
}

static uint64_t join(const struct finding_groups *groups, const size_t *members, size_t count,
	const struct grouped_finding *finding)
{
	struct incident_finding findings[MEMBERS_MAX + 1];
	struct incident incidents[MEMBERS_MAX + 1];
	size_t incident_of[MEMBERS_MAX + 1];

	for (size_t i = 0; i <= count; i++) {
		const struct grouped_finding *one = i < count ? &groups->ring[members[i]] : finding;

		/* What lasts for hours does not draw in all that begins meanwhile. */
		findings[i] = (struct incident_finding){.id = i,
			.workload = one->workload,
			.node = one->node,
			.since_ms = one->since_ms,
			.until_ms = one->since_ms,
			.surprise = one->surprise};
	}
	(void)incidents_join(findings, count + 1, FINDING_GROUP_WINDOW_MS, incidents, incident_of);
	for (size_t i = count; i-- > 0;)
		if (incident_of[i] == incident_of[count])
			return groups->ring[members[i]].group;
	return 0;
}

static void put(struct finding_groups *groups, const struct grouped_finding *finding)
{
	groups->ring[groups->next] = *finding;
	groups->next = (groups->next + 1) % FINDING_GROUPS_MAX;
	if (groups->count < FINDING_GROUPS_MAX)
		groups->count++;
}

uint64_t finding_groups_of(struct finding_groups *groups, const struct event *finding)
{
	struct grouped_finding made = {.fingerprint = finding->fingerprint,
		.since_ms = finding->starts_ms,
		.surprise = finding->score};
	size_t members[MEMBERS_MAX], count;

	if (!read_workload(&finding->labels, &made.workload))
		return 0;
	made.node = read_node(finding);
	count = members_of(groups, &made, members);
	for (size_t i = 0; i < count; i++) {
		const struct grouped_finding *one = &groups->ring[members[i]];

		if (one->fingerprint == made.fingerprint && one->since_ms == made.since_ms)
			return one->group;
	}
	if (!finding->firing)
		return 0;
	made.group = join(groups, members, count, &made);
	/* Odd multiples keep two findings of one beginning apart; 0 means none. */
	if (made.group == 0)
		made.group = (made.fingerprint ^
				     (uint64_t)made.since_ms * UINT64_C(0x9e3779b97f4a7c15)) |
			1;
	put(groups, &made);
	return made.group;
}

void finding_groups_remember(struct finding_groups *groups, const struct event *finding)
{
	struct grouped_finding known = {.fingerprint = finding->fingerprint,
		.group = finding->group,
		.since_ms = finding->starts_ms,
		.surprise = finding->score,
		.node = read_node(finding)};

	if (known.group != 0 && read_workload(&finding->labels, &known.workload))
		put(groups, &known);
}
