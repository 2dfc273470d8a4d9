/*
 * The rule (as Mimir's and Cortex' distributors have it): the first replica of a cluster that is seen
 * is elected. Whenever it sends, the time is noted. Another replica is elected when it sends and the
 * time noted is failover_ms ago or more. Nothing happens by itself: without samples nobody is elected.
 *
 * Times are those of the arrival, not of the samples: a replica that resends its backlog is alive.
 *
 *   cluster -> elected number, time noted       atomics, read and written by every request
 *   number  -> cluster, name of the replica     under the lock
 *
 * A request asks once for each replica it holds samples of, nearly always one. Replicas are found by
 * walking the hashes of their names, four bytes each.
 */
#include "remote_write/election.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

struct cluster {
	uint32_t name_size; /* 0: the place is free */
	char name[ELECTION_TEXT_MAX + 1];
	_Atomic uint32_t elected; /* number */
	_Atomic int64_t seen_ms;  /* when the elected one sent last */
};

struct replica {
	uint32_t name_size; /* 0: the place is free */
	char name[ELECTION_TEXT_MAX + 1];
	_Atomic uint32_t cluster;
	int64_t seen_ms; /* when it was last asked for, by the lock's holder */
};

struct election {
	int64_t failover_ms;
	pthread_mutex_t lock;
	uint32_t cluster_max, replica_max;
	struct cluster *clusters; /* [cluster_max] */
	struct replica *replicas; /* [replica_max] */
	uint32_t *hashes;         /* [replica_max], of cluster and replica; 0: the place is free */
	struct metric_cell *failovers, *cluster_count;
};

struct election *election_open(uint32_t cluster_max, int64_t failover_ms, struct error *error)
{
	struct election *election = mem_zalloc(1, sizeof(*election));

	if (election == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for %u clusters", cluster_max);
		return NULL;
	}
	CHECK(pthread_mutex_init(&election->lock, NULL) == 0);
	election->failover_ms = failover_ms;
	election->cluster_max = cluster_max;
	election->replica_max = cluster_max * ELECTION_REPLICAS;
	election->clusters = mem_zalloc(cluster_max, sizeof(*election->clusters));
	election->replicas = mem_zalloc(election->replica_max, sizeof(*election->replicas));
	election->hashes = mem_zalloc(election->replica_max, sizeof(*election->hashes));
	if (election->clusters == NULL || election->replicas == NULL || election->hashes == NULL) {
		election_close(election);
		error_set(error, STATUS_NO_MEMORY, "no memory for %u clusters", cluster_max);
		return NULL;
	}
	election->failovers = metrics_cell(METRIC_RW_FAILOVERS);
	election->cluster_count = metrics_cell(METRIC_RW_CLUSTERS);
	return election;
}

void election_close(struct election *election)
{
	if (election == NULL)
		return;
	(void)pthread_mutex_destroy(&election->lock);
	mem_free(election->clusters);
	mem_free(election->replicas);
	mem_free(election->hashes);
	mem_free(election);
}

static bool is_name(const char *name, uint32_t size, struct election_name wanted)
{
	return size == wanted.size && memcmp(name, wanted.text, size) == 0;
}

/* FNV-1a, with a byte that no UTF-8 has between the two. What is found by it is compared. */
static uint32_t hash_pair(struct election_name cluster, struct election_name replica)
{
	uint32_t hash = 2166136261u;

	for (uint32_t i = 0; i < cluster.size; i++)
		hash = (hash ^ (unsigned char)cluster.text[i]) * 16777619u;
	hash = (hash ^ 0xff) * 16777619u;
	for (uint32_t i = 0; i < replica.size; i++)
		hash = (hash ^ (unsigned char)replica.text[i]) * 16777619u;
	return hash == 0 ? 1 : hash;
}

static void forget_replica(struct election *election, uint32_t number)
{
	election->replicas[number].name_size = 0;
	election->hashes[number] = 0;
}

static void forget_replicas(struct election *election, uint32_t cluster, int64_t now_ms)
{
	for (uint32_t i = 0; i < election->replica_max; i++) {
		const struct replica *replica = &election->replicas[i];
		if (replica->name_size > 0 && now_ms - replica->seen_ms > ELECTION_FORGET_MS &&
			(cluster == ELECTION_NOBODY || atomic_load(&replica->cluster) == cluster))
			forget_replica(election, i);
	}
}

/* Nobody of it has been heard of for long. */
static bool cluster_gone(const struct election *election, uint32_t index, int64_t now_ms)
{
	for (uint32_t i = 0; i < election->replica_max; i++) {
		const struct replica *replica = &election->replicas[i];
		if (replica->name_size > 0 && atomic_load(&replica->cluster) == index &&
			now_ms - replica->seen_ms <= ELECTION_FORGET_MS)
			return false;
	}
	return true;
}

static uint32_t free_cluster(struct election *election, int64_t now_ms)
{
	for (uint32_t i = 0; i < election->cluster_max; i++)
		if (election->clusters[i].name_size == 0)
			return i;
	for (uint32_t i = 0; i < election->cluster_max; i++) {
		if (!cluster_gone(election, i, now_ms))
			continue;
		forget_replicas(election, i, now_ms);
		election->clusters[i].name_size = 0;
		metric_cell_add(election->cluster_count, -1);
		return i;
	}
	return ELECTION_NOBODY;
}

static uint32_t find_cluster(const struct election *election, struct election_name name)
{
	for (uint32_t i = 0; i < election->cluster_max; i++)
		if (is_name(election->clusters[i].name, election->clusters[i].name_size, name))
			return i;
	return ELECTION_NOBODY;
}

static uint32_t find_replica(const struct election *election, uint32_t hash,
	struct election_name cluster_name, struct election_name name)
{
	for (uint32_t i = 0; i < election->replica_max; i++) {
		const struct replica *replica = &election->replicas[i];
		const struct cluster *cluster;
		if (election->hashes[i] != hash)
			continue;
		cluster = &election->clusters[atomic_load(&replica->cluster)];
		if (is_name(replica->name, replica->name_size, name) &&
			is_name(cluster->name, cluster->name_size, cluster_name))
			return i;
	}
	return ELECTION_NOBODY;
}

static uint32_t free_replica(struct election *election, int64_t now_ms)
{
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < election->replica_max; i++)
			if (election->replicas[i].name_size == 0)
				return i;
		forget_replicas(election, ELECTION_NOBODY, now_ms);
	}
	return ELECTION_NOBODY;
}

static void copy_name(char *copy, uint32_t *copy_size, struct election_name name)
{
	memcpy(copy, name.text, name.size);
	copy[name.size] = '\0';
	*copy_size = name.size;
}

/* Under the lock. */
static enum status find_or_make(struct election *election, struct election_name cluster_name,
	struct election_name replica_name, int64_t now_ms, uint32_t *number, struct error *error)
{
	uint32_t hash = hash_pair(cluster_name, replica_name), cluster;
	bool is_new;

	*number = find_replica(election, hash, cluster_name, replica_name);
	if (*number != ELECTION_NOBODY)
		return STATUS_OK;
	cluster = find_cluster(election, cluster_name);
	is_new = cluster == ELECTION_NOBODY;
	if (is_new)
		cluster = free_cluster(election, now_ms);
	if (cluster == ELECTION_NOBODY)
		return error_set(error, STATUS_LIMIT,
			"more than %u clusters of replicas, the limit is ingest.ha.clusters_max",
			election->cluster_max);
	*number = free_replica(election, now_ms);
	if (*number == ELECTION_NOBODY)
		return error_set(error, STATUS_LIMIT, "more than %u replicas of clusters",
			election->replica_max);
	copy_name(election->replicas[*number].name, &election->replicas[*number].name_size,
		replica_name);
	election->hashes[*number] = hash;
	atomic_store(&election->replicas[*number].cluster, cluster);
	if (is_new) {
		struct cluster *made = &election->clusters[cluster];
		copy_name(made->name, &made->name_size, cluster_name);
		atomic_store(&made->elected, *number);
		atomic_store(&made->seen_ms, now_ms);
		metric_cell_add(election->cluster_count, 1);
	}
	return STATUS_OK;
}

enum status election_find(struct election *election, struct election_name cluster,
	struct election_name replica, int64_t now_ms, uint32_t *number, struct error *error)
{
	enum status status;

	*number = ELECTION_NOBODY;
	if (cluster.size == 0 || replica.size == 0 || cluster.size > ELECTION_TEXT_MAX ||
		replica.size > ELECTION_TEXT_MAX)
		return error_set(error, STATUS_LIMIT,
			"the name of a cluster or of a replica has more than %d bytes",
			ELECTION_TEXT_MAX);
	(void)pthread_mutex_lock(&election->lock);
	status = find_or_make(election, cluster, replica, now_ms, number, error);
	if (status == STATUS_OK)
		election->replicas[*number].seen_ms = now_ms;
	(void)pthread_mutex_unlock(&election->lock);
	return status;
}

/* The elected one has been silent: whoever is first here takes its place. The names are copied, so
 * that nothing is written under the lock. */
static bool elect(struct election *election, struct cluster *cluster, uint32_t number,
	int64_t now_ms)
{
	char cluster_name[ELECTION_TEXT_MAX + 1], replica_name[ELECTION_TEXT_MAX + 1];
	bool changed, elected;

	(void)pthread_mutex_lock(&election->lock);
	changed = atomic_load(&cluster->elected) != number &&
		now_ms - atomic_load(&cluster->seen_ms) >= election->failover_ms;
	if (changed) {
		atomic_store(&cluster->seen_ms, now_ms);
		atomic_store(&cluster->elected, number);
		memcpy(cluster_name, cluster->name, sizeof(cluster_name));
		memcpy(replica_name, election->replicas[number].name, sizeof(replica_name));
	}
	elected = atomic_load(&cluster->elected) == number;
	(void)pthread_mutex_unlock(&election->lock);
	if (changed) {
		metric_cell_add(election->failovers, 1);
		LOG_INFO("another replica is elected, the one before was silent",
			LOG_TEXT("cluster", cluster_name), LOG_TEXT("replica", replica_name));
	}
	return elected;
}

bool election_take(struct election *election, uint32_t number, int64_t now_ms)
{
	struct cluster *cluster =
		&election->clusters[atomic_load_explicit(&election->replicas[number].cluster,
			memory_order_relaxed)];
	int64_t seen_ms = atomic_load_explicit(&cluster->seen_ms, memory_order_relaxed);

	if (atomic_load_explicit(&cluster->elected, memory_order_relaxed) == number) {
		if (seen_ms < now_ms)
			atomic_store_explicit(&cluster->seen_ms, now_ms, memory_order_relaxed);
		return true;
	}
	if (now_ms - seen_ms < election->failover_ms)
		return false;
	return elect(election, cluster, number, now_ms);
}
