/*
 * The inside of struct ingest, shared by ingest.c (the request as a whole), ingest_v1.c and
 * ingest_v2.c (the body by version of the protocol). Nobody else includes it.
 *
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_INGEST_STATE_H
#define NIMBUSGUARD_REMOTE_WRITE_INGEST_STATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/metrics.h"
#include "remote_write/decode_v1.h"
#include "remote_write/dropped.h"
#include "remote_write/election.h"
#include "remote_write/ingest.h"
#include "remote_write/ingest_rules.h"
#include "remote_write/media.h"
#include "remote_write/refusal.h"
#include "remote_write/replica_label.h"
#include "remote_write/selectors.h"
#include "remote_write/series_labels.h"
#include "remote_write/snappy_body.h"
#include "remote_write/symbols.h"
#include "store/exemplar.h"
#include "store/histogram.h"
#include "store/records.h"
#include "store/start.h"

/* Frames looked up in one step: what is fetched for them fits in the first cache. */
#define GROUP_MAX 64
/* Frames of 1.0 read while the body is being uncompressed, at most. */
#define AHEAD_MAX 2048
/* Where one of so many series is dropped, the dropped ones are looked for first. */
#define MANY_DROPPED 8
/* Instead of an id: the series is known as a dropped one. No store has such an id. */
#define SERIES_DROPPED (STORE_NO_SERIES - 1)
/* Samples handed to the store at a time. */
#define BATCH_MAX 1024

struct ingest_cells {
	struct metric_cell *bytes, *decoded_bytes, *exemplars, *histograms, *metadata;
	struct metric_cell *dropped, *replica;
	struct metric_cell *histogram_results[RECORD_RESULT_COUNT];
	struct metric_cell *exemplar_results[RECORD_RESULT_COUNT];
	struct metric_cell *outcomes[STATUS_COUNT], *results[APPEND_RESULT_COUNT];
	struct metric_cell *refusals[REFUSAL_COUNT], *versions[WRITE_VERSION_COUNT];
};

/* Frames at hand: the first GROUP_MAX places, and all of them for those read ahead.
 * `plain`: the frame is labels and one sample, nothing that another step would have to look at. In
 * 1.0 that is a guess until the key is known. */
struct group {
	struct wire frames[AHEAD_MAX];
	struct decoded_sample samples[AHEAD_MAX];
	struct store_key keys[AHEAD_MAX];
	uint32_t series[AHEAD_MAX];
	uint32_t labels_size[AHEAD_MAX]; /* 1.0: of the guess; 0 when it is none */
	bool plain[AHEAD_MAX];
	bool standby[AHEAD_MAX];   /* of a replica that is not the elected one */
	bool metadata[GROUP_MAX];  /* 2.0 */
	int64_t starts[GROUP_MAX]; /* 2.0; 0: unknown */
};

/* New series that wait to be interned together. */
#define NEWCOMER_LABELS_MAX 1024
struct newcomers {
	size_t waiting, label_count;
	struct store_newcomer series[GROUP_MAX];
	uint32_t places[GROUP_MAX]; /* in the group */
	struct label labels[NEWCOMER_LABELS_MAX];
};

/* Who keeps histograms or exemplars, and where. */
struct keeper {
	struct selectors *selectors;
	struct records *records; /* NULL: nobody */
};

struct ingest_rules {
	const struct clock *clock;
	struct selectors keep, drop;
	struct dropped *dropped;   /* NULL: neither keep nor drop */
	struct election *election; /* NULL: no HA pairs */
	char *cluster_label, *replica_label;
	struct replica_names names; /* the same two */
	struct selectors histogram_selectors, exemplar_selectors;
	struct keeper histograms, exemplars;
	struct starts *starts;
};

/* How the labels of the series at hand are read again, into ingest->labels and without the replica's;
 * false when they are not good, which those of a known series are. */
struct label_source {
	bool (*read)(struct ingest *ingest, const void *view);
	const void *view;
};

/* The replica of the series before, within a request. */
struct replica_memo {
	bool known;
	struct election_name cluster, replica;
	uint32_t number;
};

/* What became of a series. */
enum verdict {
	VERDICT_KEPT,    /* the id is that of the store */
	VERDICT_NOTHING, /* valid, but nothing of it is kept that would need an id */
	VERDICT_DROPPED,
	VERDICT_STANDBY,
	VERDICT_REFUSED, /* counted and told */
};

struct ingest {
	struct store *store;
	struct ingest_limits limits;
	struct snappy_body decoded;
	struct series_labels labels;
	struct buf canonical;   /* 1.0: labels that did not stand together, one after the other */
	struct symbols symbols; /* 2.0 */
	uint32_t *references;   /* 2.0: [reference_max], the labels of the series at hand */
	uint32_t reference_max; /* one more than labels_max labels have, to see half a label */
	struct ingest_rules *rules;                /* NULL: everything is kept */
	struct dropped *dropped;                   /* of the rules */
	struct election *election;                 /* of the rules */
	struct starts *starts;                     /* of the rules */
	struct store_key cluster_key, replica_key; /* 2.0: of the names of the two labels */
	struct selector_scratch scratch;
	bool some_dropped;           /* in the request before */
	bool many_dropped;           /* the same, MANY_DROPPED of all or more */
	struct histogram *histogram; /* these three when histograms or exemplars are kept */
	uint8_t *record;             /* [HISTOGRAM_BYTES_MAX] */
	struct exemplar exemplar;
	struct replica_memo memo;
	int64_t now_ms;               /* monotonic, of the request; set when there is an election */
	struct ingest_counts *counts; /* of the request at hand */
	struct error first;           /* what was wrong first in it */
	size_t batch_count;
	/* 1.0: frames in `group` that ingest_read_ahead() noted, and where they end in the body. */
	size_t ahead_count, ahead_size;
	struct store_trail trail;
	struct ingest_cells cells;
	struct group group;
	struct newcomers newcomers;
	struct store_sample batch[BATCH_MAX];
};

/* Uncompresses the rest of a body that was begun, and notes its first frames while they are in the
 * cache; nothing is done with them before the whole body is known to be a good block. */
enum status ingest_read_ahead(struct ingest *ingest, struct error *error) MUST_CHECK;
/* All of the decoded body. What is wrong with it goes to ingest->first. */
void ingest_body_v1(struct ingest *ingest);
void ingest_body_v2(struct ingest *ingest);

/* Where the text of the next fault goes: only the first is told. */
static inline struct error *first_error(struct ingest *ingest)
{
	return ingest->first.code == STATUS_OK ? &ingest->first : NULL;
}

static inline void count_refusal(struct ingest *ingest, enum refusal refusal)
{
	metric_cell_add(ingest->cells.refusals[refusal], 1);
}

/* The batch to the store. */
void ingest_flush(struct ingest *ingest);

static inline void add_sample(struct ingest *ingest, uint32_t series, int64_t t_ms, double value)
{
	if (ingest->batch_count == BATCH_MAX)
		ingest_flush(ingest);
	ingest->batch[ingest->batch_count++] = (struct store_sample){
		.series = series,
		.t_ms = t_ms,
		.value = value,
	};
}

/* Bytes that are no protobuf, at this place of the body. Returns STATUS_BAD_INPUT. */
enum status ingest_refuse_bytes(struct ingest *ingest, const uint8_t *at, const char *fault);
/* How many of the next `count` series may be taken under limits.series_max. */
size_t ingest_allowed(const struct ingest *ingest, size_t count);
/* Says that series_max was passed. */
void ingest_refuse_rest(struct ingest *ingest);
/* Counts a series as refused. */
static inline void count_invalid(struct ingest *ingest, enum refusal refusal)
{
	count_refusal(ingest, refusal);
	ingest->counts->invalid_series++;
}

/* Of a series that has these. */
struct series_parts {
	bool samples, histograms;
};

/* A series of valid labels (ingest->labels) that the store does not know by its key: the replica's
 * label is taken out, the rules are asked, and it gets its id when there is something to keep of it.
 * key: NULL when its encoding gives none that could be trusted; then it is that of the labels.
 * STATUS_NO_MEMORY ends the request. */
enum status ingest_admit(struct ingest *ingest, const struct store_key *key,
	struct series_parts parts, uint32_t *series, enum verdict *verdict) MUST_CHECK;
/* Reads the labels of a plain frame into ingest->labels; false when they are not good. */
typedef bool ingest_read_fn(struct ingest *ingest, size_t at);

/* Gives ids to unknown series of plain frames [first, end) that are to be had without further questions:
 * valid labels that the rules want; up to the first frame that has to be taken the slow way, which may
 * end the request. Returns its place. Without HA pairs. */
size_t ingest_intern_plain(struct ingest *ingest, size_t first, size_t end, ingest_read_fn *read);
/* Takes the replica's label out of ingest->labels when both labels are there. */
void ingest_remove_replica(struct ingest *ingest);

/* Whether one of the selectors matches ingest->labels. STATUS_NO_MEMORY. */
enum status ingest_asks(struct ingest *ingest, struct selectors *selectors, bool *asks) MUST_CHECK;
/* Whether the series keeps them, by what was decided or is decided now. STATUS_NO_MEMORY. */
enum status ingest_keeps(struct ingest *ingest, const struct keeper *keeper, uint32_t series,
	const struct label_source *source, bool *keeps) MUST_CHECK;
/* One histogram of a series that keeps them; created_ms: for one without a start of its own. */
void ingest_histogram(struct ingest *ingest, uint32_t series, struct wire message,
	int64_t created_ms, const struct label_source *source);
/* ingest->exemplar, of a series that keeps them; too_many: it has more labels than there. */
void ingest_exemplar(struct ingest *ingest, uint32_t series, int64_t t_ms, bool too_many,
	const struct label_source *source);
void ingest_refuse_exemplar_time(struct ingest *ingest, const struct label_source *source);
enum status ingest_open_records(struct ingest *ingest, struct error *error) MUST_CHECK;
void ingest_close_records(struct ingest *ingest);

/* Whether samples of this replica are taken now. STATUS_LIMIT: there is no room for it. */
enum status ingest_ask_election(struct ingest *ingest, struct election_name cluster,
	struct election_name replica, bool *take, struct error *error) MUST_CHECK;
/* Whether the series of ingest->labels is one to keep. STATUS_NO_MEMORY. */
enum status ingest_wanted(struct ingest *ingest, bool *wanted) MUST_CHECK;
/* The key of ingest->labels as an honest sender of 1.0 would write them. STATUS_NO_MEMORY. */
enum status ingest_key_of_labels(struct ingest *ingest, struct store_key *key) MUST_CHECK;

/* Samples that are set aside. */
static inline void count_aside(struct ingest *ingest, enum verdict verdict, uint64_t samples)
{
	if (verdict == VERDICT_DROPPED)
		ingest->counts->dropped += samples;
	else if (verdict == VERDICT_STANDBY)
		ingest->counts->replica += samples;
}

/* Who the frames [first, first + count) belong to, by their keys; at most GROUP_MAX. An id, SERIES_DROPPED
 * or STORE_NO_SERIES each. */
void ingest_find(struct ingest *ingest, size_t first, size_t count);

/* A frame of the group that needs no look inside: of one on standby, of a known series, of a dropped
 * one. false: it has to be taken the slow way. */
static inline bool ingest_settle(struct ingest *ingest, size_t index)
{
	const struct group *group = &ingest->group;
	struct ingest_counts *counts = ingest->counts;
	uint32_t series = group->series[index];

	if (!group->plain[index])
		return false;
	if (group->standby[index]) {
		counts->replica++;
	} else if (series < SERIES_DROPPED) {
		add_sample(ingest, series, group->samples[index].t_ms, group->samples[index].value);
	} else if (series == SERIES_DROPPED ||
		(ingest->dropped != NULL && dropped_has(ingest->dropped, group->keys[index]))) {
		counts->dropped++;
	} else {
		return false;
	}
	counts->series++;
	return true;
}

#endif
