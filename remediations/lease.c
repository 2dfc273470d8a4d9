/*
 * The lease's record as JSON: what we do not know of it is kept when it is written back.
 */
#include "remediations/lease.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

#define MS_NS INT64_C(1000000)
#define BODY_MAX (1u << 20)

enum status lease_init(struct lease *lease, const struct lease_config *config, struct error *error)
{
	*lease = (struct lease){.config = *config};
	if (config->duration_ms <= config->renew_ms ||
		config->renew_ms * 5 <= config->retry_ms * 6 || config->retry_ms < 100 ||
		config->duration_ms < 1000)
		return error_set(error, STATUS_BAD_INPUT,
			"the lease's duration must be longer than its renew deadline, and that "
			"longer than 1.2 times the retry period");
	if (!kube_name_valid(config->name) || !kube_name_valid(config->namespace_name))
		return error_set(error, STATUS_BAD_INPUT,
			"\"%.100s/%.100s\" is no namespace and name that a lease can have",
			config->namespace_name, config->name);
	return STATUS_OK;
}

void lease_fini(struct lease *lease)
{
	json_decref(lease->object);
	json_decref(lease->seen);
	*lease = (struct lease){.leads = false};
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

const char *lease_holder(const struct lease *lease)
{
	return text_of(lease->record, "holderIdentity");
}

const char *lease_holder_url(const struct lease *lease)
{
	return text_of(json_object_get(json_object_get(lease->seen, "metadata"), "annotations"),
		LEASE_ANNOTATION_URL);
}

int64_t lease_transitions(const struct lease *lease)
{
	return json_integer_value(json_object_get(lease->record, "leaseTransitions"));
}

int64_t lease_until_ns(const struct lease_config *config, int64_t renewed_ns, int64_t now_ns)
{
	if (now_ns >= renewed_ns + config->renew_ms * MS_NS)
		return 0;
	return renewed_ns + (config->duration_ms - config->duration_ms / 20) * MS_NS;
}

/* --- requests --- */

static int add_bytes(const char *bytes, size_t size, void *argument)
{
	buf_add(argument, bytes, size);
	return 0;
}

static enum status call(const struct lease *lease, struct kube_session *session,
	enum kube_method method, const json_t *body, int64_t deadline_ns, json_t **object,
	struct error *error)
{
	struct kube_request request = {.method = method,
		.content_type = "application/json",
		.deadline_ns = deadline_ns};
	struct kube_answer answer = {.object = NULL};
	enum status status;
	struct buf path, text;

	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&text, BODY_MAX);
	buf_add_text(&path, "/apis/coordination.k8s.io/v1/namespaces");
	kube_path_add(&path, lease->config.namespace_name);
	buf_add_text(&path, "/leases");
	if (method != KUBE_POST)
		kube_path_add(&path, lease->config.name);
	if (body != NULL && json_dump_callback(body, add_bytes, &text, JSON_COMPACT) != 0)
		text.failed = true;
	if (!buf_ok(&path) || !buf_ok(&text)) {
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the lease");
	} else {
		request.path = path.data;
		request.body = body != NULL ? text.data : NULL;
		status = kube_session_call(session, &request, &answer, error);
	}
	if (status == STATUS_OK)
		*object = json_incref(answer.object);
	kube_answer_fini(&answer);
	buf_fini(&path);
	buf_fini(&text);
	return status;
}

/* RFC 3339 with microseconds, as MicroTime is written. */
static void write_time(const struct clock *clock, char *text, size_t size)
{
	int64_t now_ms = clock_now_ms(clock);
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm parts;
	char date[32];

	gmtime_r(&seconds, &parts);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text, size, "%s.%06dZ", date, (int)(now_ms % 1000) * 1000);
}

/* --- what was read --- */

/* Notes when the record changed, by our own clock. */
static void take_object(struct lease *lease, json_t *object)
{
	json_t *record = json_object_get(object, "spec");

	json_decref(lease->object);
	lease->object = object;
	if (lease->seen != NULL && json_equal(record, lease->record))
		return;
	json_decref(lease->seen);
	lease->seen = json_incref(object);
	lease->record = record;
	lease->seen_ns = clock_mono_ns(lease->config.clock);
}

static int64_t record_duration_ns(const struct lease *lease)
{
	int64_t seconds =
		json_integer_value(json_object_get(lease->record, "leaseDurationSeconds"));

	/* A holder that says nothing, or nonsense, holds it as long as we would. */
	if (seconds < 1 || seconds > 3600)
		return lease->config.duration_ms * MS_NS;
	return seconds * 1000 * MS_NS;
}

static bool is_ours(const struct lease *lease)
{
	return strcmp(lease_holder(lease), lease->config.identity) == 0;
}

static bool is_held_by_other(const struct lease *lease)
{
	return *lease_holder(lease) != '\0' && !is_ours(lease) &&
		clock_mono_ns(lease->config.clock) < lease->seen_ns + record_duration_ns(lease);
}

/* --- what is written --- */

static bool set_text(json_t *object, const char *name, const char *text)
{
	return json_object_set_new(object, name, json_string(text)) == 0;
}

static bool set_url(json_t *metadata, const char *url)
{
	json_t *annotations = json_object_get(metadata, "annotations");

	if (!json_is_object(annotations)) {
		annotations = json_object();
		if (json_object_set_new(metadata, "annotations", annotations) != 0)
			return false;
	}
	if (url == NULL || *url == '\0') {
		json_object_del(annotations, LEASE_ANNOTATION_URL);
		return true;
	}
	return set_text(annotations, LEASE_ANNOTATION_URL, url);
}

/* The object that makes us the holder; NULL: no memory. */
static json_t *make_object(const struct lease *lease)
{
	const struct lease_config *config = &lease->config;
	bool ours = lease->object != NULL && is_ours(lease);
	json_t *object = lease->object != NULL
		? json_deep_copy(lease->object)
		: json_pack("{s:s,s:s,s:{s:s,s:s}}", "apiVersion", "coordination.k8s.io/v1", "kind",
			  "Lease", "metadata", "name", config->name, "namespace",
			  config->namespace_name);
	json_t *spec = json_object_get(object, "spec");
	char now[64];
	bool good = object != NULL;

	if (good && !json_is_object(spec)) {
		spec = json_object();
		good = json_object_set_new(object, "spec", spec) == 0;
	}
	write_time(config->clock, now, sizeof(now));
	good = good && set_text(spec, "holderIdentity", config->identity) &&
		set_text(spec, "renewTime", now) &&
		json_object_set_new(spec, "leaseDurationSeconds",
			json_integer((config->duration_ms + 999) / 1000)) == 0 &&
		set_url(json_object_get(object, "metadata"), config->url);
	if (good && !ours)
		good = set_text(spec, "acquireTime", now) &&
			json_object_set_new(spec, "leaseTransitions",
				json_integer(lease->object != NULL ? lease_transitions(lease) + 1
								   : 0)) == 0;
	if (good)
		return object;
	json_decref(object);
	return NULL;
}

static void step_down(struct lease *lease)
{
	int64_t now_ns = clock_mono_ns(lease->config.clock);

	if (lease->leads && now_ns >= lease->renewed_ns + lease->config.renew_ms * MS_NS)
		lease->leads = false;
}

/* When a request of this try has to be through. */
static int64_t try_deadline_ns(const struct lease *lease)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	int64_t left_ns = lease->config.renew_ms * MS_NS;

	if (lease->leads)
		left_ns -= clock_mono_ns(lease->config.clock) - lease->renewed_ns;
	return now_ns + (left_ns > 0 ? left_ns : 1);
}

static enum status read_lease(struct lease *lease, struct kube_session *session,
	struct error *error)
{
	json_t *object = NULL;
	enum status status =
		call(lease, session, KUBE_GET, NULL, try_deadline_ns(lease), &object, error);

	if (status == STATUS_OK) {
		take_object(lease, object);
		return STATUS_OK;
	}
	if (status != STATUS_NOT_FOUND)
		return status;
	/* Somebody deleted it: what was seen of it says nothing any more. */
	json_decref(lease->object);
	json_decref(lease->seen);
	lease->object = lease->seen = lease->record = NULL;
	return STATUS_OK;
}

static enum status write_lease(struct lease *lease, struct kube_session *session,
	struct error *error)
{
	json_t *object = make_object(lease), *written = NULL;
	int64_t began_ns = clock_mono_ns(lease->config.clock);
	enum status status;

	if (object == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the lease");
	status = call(lease, session, lease->object != NULL ? KUBE_PUT : KUBE_POST, object,
		try_deadline_ns(lease), &written, error);
	json_decref(object);
	if (status != STATUS_OK)
		return status;
	take_object(lease, written);
	/* The time before the request: whoever sees the record sees it later. */
	lease->renewed_ns = began_ns;
	lease->leads = true;
	return STATUS_OK;
}

enum status lease_try(struct lease *lease, struct kube_session *session, struct error *error)
{
	enum status status = read_lease(lease, session, error);

	if (status == STATUS_OK && !is_ours(lease))
		lease->leads = false;
	if (status == STATUS_OK && is_held_by_other(lease))
		return error_set(error, STATUS_BUSY, "%s holds the lease", lease_holder(lease));
	if (status == STATUS_OK)
		status = write_lease(lease, session, error);
	step_down(lease);
	return status;
}

enum status lease_release(struct lease *lease, struct kube_session *session, struct error *error)
{
	json_t *object, *spec, *written = NULL;
	enum status status;
	char now[64];
	bool good;

	if (!lease->leads || lease->object == NULL)
		return STATUS_OK;
	lease->leads = false;
	object = json_deep_copy(lease->object);
	spec = json_object_get(object, "spec");
	write_time(lease->config.clock, now, sizeof(now));
	good = set_text(spec, "holderIdentity", "") && set_text(spec, "renewTime", now) &&
		json_object_set_new(spec, "leaseDurationSeconds", json_integer(1)) == 0;
	status = good ? call(lease, session, KUBE_PUT, object,
				clock_mono_ns(clock_system()) + 2000 * MS_NS, &written, error)
		      : error_set(error, STATUS_NO_MEMORY, "no memory for the lease");
	json_decref(object);
	json_decref(written);
	return status;
}
