/*
 * The review of a configuration. What a file says wrong is told by who reads it, with file, line and
 * column; here the place that named the file is added, so that a missing one can be found.
 */
#include "daemon/review.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "daemon/write_out.h"
#include "receiver/listen.h"
#include "receiver/server.h"
#include "remediations/kube_client.h"
#include "remediations/kube_config.h"
#include "remediations/leader.h"
#include "remediations/web_text.h"
#include "remote_write/selectors.h"

bool review_feature(const struct config *config, const char *feature)
{
	size_t count;
	const char *const *features = config_list(config, SETTING_FEATURES, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(features[i], feature) == 0)
			return true;
	return false;
}

const char *review_cluster(const struct config *config)
{
	const char *url = config_text(config, SETTING_KUBE_URL);

	if (url[0] != '\0')
		return url;
	if (config_text(config, SETTING_KUBE_CONFIG)[0] != '\0')
		return config_text(config, SETTING_KUBE_CONFIG);
	return getenv("KUBERNETES_SERVICE_HOST") != NULL ? "in-cluster" : NULL;
}

/* To what was said of the file `path` as a whole since `from`, who named it. */
static void add_place(struct diagnostics *diagnostics, size_t from, const char *path,
	const char *setting, const char *place)
{
	for (size_t i = from; path[0] != '\0' && i < diagnostics->count; i++) {
		struct diagnostic *diagnostic = &diagnostics->list[i];
		struct buf text;

		if (diagnostic->line > 0 || strcmp(diagnostic->file, path) != 0)
			continue;
		buf_init(&text, 65536);
		/* A flag or variable says which setting it is, a line of a file does not. */
		if (strchr(place, ':') == NULL)
			buf_printf(&text, "%s (%s)", diagnostic->text, place);
		else
			buf_printf(&text, "%s (%s, %s)", diagnostic->text, setting, place);
		if (buf_ok(&text)) {
			mem_free(diagnostic->text);
			diagnostic->text = buf_take(&text, NULL);
		}
		buf_fini(&text);
	}
}

static void add_list_place(struct diagnostics *diagnostics, size_t from,
	const struct config *config, enum setting_id id, const char *setting)
{
	size_t count;
	const char *const *paths = config_list(config, id, &count);

	for (size_t i = 0; i < count; i++)
		add_place(diagnostics, from, paths[i], setting, config_place(config, id));
}

/* To what was said of a setting by a part that does not know where it was set. */
static void add_setting_place(struct diagnostics *diagnostics, size_t from,
	const struct config *config, enum setting_id id, const char *setting)
{
	for (size_t i = from; i < diagnostics->count; i++) {
		struct diagnostic *diagnostic = &diagnostics->list[i];
		char *place;

		if (diagnostic->file[0] != '\0' ||
			strncmp(diagnostic->text, setting, strlen(setting)) != 0 ||
			diagnostic->text[strlen(setting)] != ':')
			continue;
		place = mem_strdup(config_place(config, id));
		if (place == NULL)
			continue;
		mem_free(diagnostic->file);
		diagnostic->file = place;
	}
}

static void require_file(const struct config *config, enum setting_id id, const char *setting,
	struct diagnostics *diagnostics)
{
	const char *path = config_text(config, id);

	if (path[0] != '\0' && access(path, R_OK) != 0)
		diagnostics_add(diagnostics, false, config_place(config, id), 0, 0,
			"%s: cannot open %s: %s", setting, path, strerror(errno));
}

/* The files that a kubeconfig names; without one of them no call would ever succeed. */
static void require_kube_files(const struct kube_config *kube, struct diagnostics *diagnostics)
{
	const struct {
		const char *key, *path;
	} files[] = {{"certificate-authority", kube->ca_file}, {"tokenFile", kube->token_file},
		{"client-certificate", kube->cert_file}, {"client-key", kube->key_file}};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].path != NULL && access(files[i].path, R_OK) != 0)
			diagnostics_add(diagnostics, false, kube->file, 0, 0,
				"context \"%.100s\": %s: cannot open %s: %s", kube->context,
				files[i].key, files[i].path, strerror(errno));
}

static void review_kubeconfig(const struct config *config, struct diagnostics *diagnostics)
{
	const char *path = config_text(config, SETTING_KUBE_CONFIG);
	struct kube_config *kube;
	size_t from = diagnostics->count;

	if (path[0] == '\0')
		return;
	kube = kube_config_read(path, config_text(config, SETTING_KUBE_CONTEXT), diagnostics);
	if (kube != NULL)
		require_kube_files(kube, diagnostics);
	kube_config_close(kube);
	add_place(diagnostics, from, path, "kubernetes.kubeconfig",
		config_place(config, SETTING_KUBE_CONFIG));
}

/* Parts of a budget that are larger than the whole would never be filled. */
static void advise_memory(const struct config *config, struct diagnostics *diagnostics)
{
	static const struct {
		enum setting_id list, memory;
		const char *name;
	} parts[] = {{SETTING_INGEST_HISTOGRAMS, SETTING_INGEST_HISTOGRAMS_MEMORY_MAX,
			     "ingest.histograms_memory_max"},
		{SETTING_INGEST_EXEMPLARS, SETTING_INGEST_EXEMPLARS_MEMORY_MAX,
			"ingest.exemplars_memory_max"}};
	int64_t whole = config_int(config, SETTING_STORAGE_MEMORY_MAX);
	size_t count;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int64_t part = config_int(config, parts[i].memory);

		(void)config_list(config, parts[i].list, &count);
		if (count > 0 && part > whole)
			diagnostics_add(diagnostics, true, config_place(config, parts[i].memory), 0,
				0,
				"%s (%" PRId64 " bytes) is larger than storage.memory_max (%" PRId64
				" bytes), of which it is a part; lower it, or raise the other",
				parts[i].name, part, whole);
	}
}

/* A part that runs and can do nothing is taken for one that works. */
static void advise(const struct config *config, struct diagnostics *diagnostics)
{
	bool dry_run = config_bool(config, SETTING_DRY_RUN);
	enum mode mode = MODE_OBSERVE;

	(void)mode_parse(config_text(config, SETTING_MODE), &mode);
	if (review_feature(config, "analyze") && !review_feature(config, "ingest"))
		diagnostics_add(diagnostics, true, config_place(config, SETTING_FEATURES), 0, 0,
			"analyze without ingest: no samples come in, so nothing will ever be "
			"found; add ingest to enable_feature");
	advise_memory(config, diagnostics);
	if (dry_run)
		return;
	if (!review_feature(config, "remediate"))
		diagnostics_add(diagnostics, true, config_place(config, SETTING_DRY_RUN), 0, 0,
			"dry run is off, but remediate is not in enable_feature: nothing is "
			"decided and nothing changed; add it, or leave dry run on");
	else if (mode == MODE_OBSERVE)
		diagnostics_add(diagnostics, true, config_place(config, SETTING_DRY_RUN), 0, 0,
			"dry run is off, but mode observe changes nothing either; give "
			"--mode=approve or --mode=auto to act, or leave dry run on");
	else if (mode != MODE_SUGGEST && review_cluster(config) == NULL)
		diagnostics_add(diagnostics, true, config_place(config, SETTING_MODE), 0, 0,
			"mode %s with dry run off, but no Kubernetes API server is known: nothing "
			"can be changed; give --kubernetes.url, or run it inside the cluster",
			mode_name(mode));
}

/* Bundled rules that are not there. */
static void require_bundle(const struct config *config, enum setting_id id, const char *setting,
	const char *path, const struct bundle *bundle, struct diagnostics *diagnostics)
{
	size_t count;

	(void)config_list(config, id, &count);
	if (count == 0 && access(path, R_OK) != 0)
		diagnostics_add(diagnostics, false, path, 0, 0,
			"the rules that come with the program are not there (looked in %s): "
			"install them with it, or name your own with --%s",
			bundle->looked_in, setting);
}

/* Each list by itself, so that all faults are told, each with its own place. */
static void review_selectors(const struct config *config, struct diagnostics *diagnostics)
{
	static const struct {
		enum setting_id id;
		const char *name;
	} lists[] = {{SETTING_INGEST_KEEP, "ingest.keep"}, {SETTING_INGEST_DROP, "ingest.drop"},
		{SETTING_INGEST_HISTOGRAMS, "ingest.histograms"},
		{SETTING_INGEST_EXEMPLARS, "ingest.exemplars"},
		{SETTING_BACKFILL_MATCH, "backfill.match"}};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct selectors selectors;
		struct error error;
		size_t count;
		const char *const *texts = config_list(config, lists[i].id, &count);

		if (selectors_init(&selectors, lists[i].name, texts, count, &error) == STATUS_OK)
			selectors_fini(&selectors);
		else
			diagnostics_add(diagnostics, false, config_place(config, lists[i].id), 0, 0,
				"%s", error.text);
	}
}

/* What the intake would refuse at a start. */
static void review_replicas(const struct config *config, struct diagnostics *diagnostics)
{
	const char *cluster = config_text(config, SETTING_INGEST_HA_CLUSTER_LABEL);
	const char *replica = config_text(config, SETTING_INGEST_HA_REPLICA_LABEL);

	if (config_bool(config, SETTING_INGEST_HA_ENABLED) &&
		(cluster[0] == '\0' || replica[0] == '\0' || strcmp(cluster, replica) == 0))
		diagnostics_add(diagnostics, false, config_place(config, SETTING_INGEST_HA_ENABLED),
			0, 0,
			"ingest.ha.cluster_label (\"%s\") and ingest.ha.replica_label (\"%s\") must "
			"be two labels",
			cluster, replica);
}

/* Opened without a store and closed again: nothing is asked of Prometheus. */
static void review_backfill(const struct config *config, struct bundle *bundle,
	const struct clock *clock, struct diagnostics *diagnostics)
{
	struct backfill_config backfill;
	struct backfill *opened;
	struct error error;

	if (config_text(config, SETTING_BACKFILL_URL)[0] == '\0')
		return;
	require_file(config, SETTING_BACKFILL_TOKEN_FILE, "backfill.token_file", diagnostics);
	require_file(config, SETTING_BACKFILL_PASSWORD_FILE, "backfill.password_file", diagnostics);
	require_file(config, SETTING_BACKFILL_CA_FILE, "backfill.ca_file", diagnostics);
	service_backfill_config(config, bundle, clock, &backfill);
	opened = backfill_open(&backfill, NULL, &error);
	if (opened == NULL) {
		bool labels = strncmp(error.text, "backfill.external_labels", 24) == 0;

		diagnostics_add(diagnostics, false,
			config_place(config,
				labels ? SETTING_BACKFILL_EXTERNAL_LABELS : SETTING_BACKFILL_URL),
			0, 0, "%s", error.text);
	}
	backfill_close(opened);
}

/* Which setting a refusal is about: messages begin with its name. */
static enum setting_id write_out_setting_of(const struct error *error)
{
	static const struct {
		const char *name;
		enum setting_id id;
	} named[] = {{"remote_write_out.metrics", SETTING_WRITE_OUT_METRICS},
		{"remote_write_out.external_labels", SETTING_WRITE_OUT_EXTERNAL_LABELS}};

	for (size_t i = 0; i < ARRAY_COUNT(named); i++) {
		size_t size = strlen(named[i].name);

		if (strncmp(error->text, named[i].name, size) == 0 && error->text[size] == ':')
			return named[i].id;
	}
	return SETTING_WRITE_OUT_URL;
}

static void review_write_out(const struct config *config, const struct clock *clock,
	struct diagnostics *diagnostics)
{
	static const struct {
		enum setting_id id;
		const char *name;
	} files[] = {{SETTING_WRITE_OUT_TOKEN_FILE, "remote_write_out.token_file"},
		{SETTING_WRITE_OUT_PASSWORD_FILE, "remote_write_out.password_file"},
		{SETTING_WRITE_OUT_CA_FILE, "remote_write_out.ca_file"},
		{SETTING_WRITE_OUT_CERT_FILE, "remote_write_out.cert_file"},
		{SETTING_WRITE_OUT_KEY_FILE, "remote_write_out.key_file"}};
	struct write_out_config out;
	struct error error;

	if (!write_out_wanted(config))
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		require_file(config, files[i].id, files[i].name, diagnostics);
	if (write_out_config_read(config, clock, &out, &error) != STATUS_OK)
		diagnostics_add(diagnostics, false,
			config_place(config, write_out_setting_of(&error)), 0, 0, "%s", error.text);
	write_out_config_fini(&out);
}

static void miss_file(const char *place, const char *what, const char *path, const char *without,
	struct diagnostics *diagnostics)
{
	if (path != NULL && path[0] != '\0' && access(path, R_OK) != 0)
		diagnostics_add(diagnostics, true, place, 0, 0, "%s: cannot open %s: %s; %s", what,
			path, strerror(errno), without);
}

/* They are read when they are needed, and a start goes on without them. */
static void review_secrets(const struct config *config, struct diagnostics *diagnostics)
{
	static const struct {
		enum setting_id id;
		const char *name;
	} files[] = {{SETTING_ALERTMANAGER_TOKEN_FILE, "alertmanager.token_file"},
		{SETTING_ALERTMANAGER_CA_FILE, "alertmanager.ca_file"}};
	static const char unsilent[] = "until it is there no silence can be made";
	static const char untold[] = "until it is there its tickets wait";
	size_t count;
	const struct ticket_service *services = config_tickets(config, &count);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) &&
		config_text(config, SETTING_ALERTMANAGER_URL)[0] != '\0';
		i++)
		miss_file(config_place(config, files[i].id), files[i].name,
			config_text(config, files[i].id), unsilent, diagnostics);
	for (size_t i = 0; i < count; i++) {
		char what[128];

		snprintf(what, sizeof(what), "%.80s: credentials", services[i].name);
		miss_file("tickets", what, services[i].secret_file, untold, diagnostics);
		snprintf(what, sizeof(what), "%.80s: ca_file", services[i].name);
		miss_file("tickets", what, services[i].ca_file, untold, diagnostics);
	}
}

/* The names of the Lease; where none is given its namespace is that of the pod that we run in. */
static void review_lease(const struct config *config, struct diagnostics *diagnostics)
{
	static const struct {
		enum setting_id id;
		const char *name;
	} names[] = {{SETTING_LEADER_NAMESPACE, "leader_election.namespace"},
		{SETTING_LEADER_NAME, "leader_election.name"}};
	const char *cluster = review_cluster(config);

	if (!config_bool(config, SETTING_LEADER_ENABLED))
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = config_text(config, names[i].id);

		if (name[0] != '\0' && !kube_name_valid(name))
			diagnostics_add(diagnostics, false, config_place(config, names[i].id), 0, 0,
				"%s: \"%s\" is no name that Kubernetes allows", names[i].name,
				name);
	}
	if (config_text(config, SETTING_LEADER_NAMESPACE)[0] == '\0' && cluster != NULL &&
		strcmp(cluster, "in-cluster") != 0 && access(LEADER_NAMESPACE_FILE, R_OK) != 0)
		diagnostics_add(diagnostics, true, config_place(config, SETTING_LEADER_ENABLED), 0,
			0,
			"leader_election.namespace is not set: it is taken from the pod that the "
			"service runs in, and outside of one it does not start");
}

/* What opening them would refuse. */
static void review_urls(const struct config *config, struct diagnostics *diagnostics)
{
	const char *url = config_text(config, SETTING_KUBE_URL);
	struct error error;

	if (url[0] != '\0' && kube_url_check(url, &error) != STATUS_OK)
		diagnostics_add(diagnostics, false, config_place(config, SETTING_KUBE_URL), 0, 0,
			"kubernetes.url: %s", error.text);
	url = config_text(config, SETTING_ALERTMANAGER_URL);
	if (url[0] != '\0' && !web_url_good(url))
		diagnostics_add(diagnostics, false, config_place(config, SETTING_ALERTMANAGER_URL),
			0, 0, "alertmanager.url is no https:// one (http:// is for loopback only)");
}

enum status review_rules(const struct config *config, struct bundle *bundle,
	const struct clock *clock, struct diagnostics *diagnostics)
{
	size_t errors = diagnostics->errors, from = diagnostics->count;
	struct analyzer_config analyzer;
	struct remediator_config remediator;
	char journal_path[4352];

	advise(config, diagnostics);
	review_selectors(config, diagnostics);
	review_replicas(config, diagnostics);
	review_write_out(config, clock, diagnostics);
	if (review_feature(config, "analyze"))
		require_bundle(config, SETTING_ANALYZE_SIGNALS, "analyze.signals", bundle->signals,
			bundle, diagnostics);
	if (review_feature(config, "remediate")) {
		require_bundle(config, SETTING_REMEDIATE_PLAYBOOKS, "remediate.playbooks",
			bundle->playbooks, bundle, diagnostics);
		require_file(config, SETTING_KUBE_TOKEN_FILE, "kubernetes.token_file", diagnostics);
		require_file(config, SETTING_KUBE_CA_FILE, "kubernetes.ca_file", diagnostics);
		review_urls(config, diagnostics);
		review_secrets(config, diagnostics);
		review_lease(config, diagnostics);
		review_kubeconfig(config, diagnostics);
	}
	if (diagnostics->errors != errors)
		return STATUS_BAD_INPUT;
	service_analyzer_config(config, bundle, clock, &analyzer);
	service_remediator_config(config, bundle, clock, journal_path, sizeof(journal_path),
		&remediator);
	/* The verdicts are in the diagnostics, which are counted below. */
	if (review_feature(config, "analyze"))
		(void)!analyzer_check(&analyzer, diagnostics);
	if (review_feature(config, "remediate"))
		(void)!remediator_check(&remediator, diagnostics);
	add_setting_place(diagnostics, from, config, SETTING_ANALYZE_DETECTOR, "analyze.detector");
	add_setting_place(diagnostics, from, config, SETTING_ANALYZE_FORECASTER,
		"analyze.forecaster");
	add_list_place(diagnostics, from, config, SETTING_ANALYZE_SIGNALS, "analyze.signals");
	add_list_place(diagnostics, from, config, SETTING_REMEDIATE_PLAYBOOKS,
		"remediate.playbooks");
	if (diagnostics->errors == errors)
		review_backfill(config, bundle, clock, diagnostics);
	return diagnostics->errors == errors ? STATUS_OK : STATUS_BAD_INPUT;
}

/* Without access control everybody is the same person, so that the second word never comes. */
static void review_two_persons(const struct config *config, struct diagnostics *diagnostics)
{
	size_t count;

	(void)config_list(config, SETTING_GUARD_TWO_PERSONS, &count);
	if (count > 0)
		diagnostics_add(diagnostics, true, config_place(config, SETTING_GUARD_TWO_PERSONS),
			0, 0,
			"guard.two_persons: without --web.config.file or web.tokens persons can't be "
			"told apart, and nothing that needs two of them is ever done");
}

struct access *review_access(const struct config *config, struct diagnostics *diagnostics)
{
	const char *address = config_text(config, SETTING_WEB_LISTEN_ADDRESS);
	const char *place = config_place(config, SETTING_WEB_LISTEN_ADDRESS);
	const char *file = config_text(config, SETTING_WEB_CONFIG_FILE);
	size_t token_count, from = diagnostics->count;
	const struct access_token *tokens = config_tokens(config, &token_count);
	char host[LISTEN_HOST_MAX];
	struct access *opened;
	struct error error;
	uint16_t port;
	bool good = true;

	if (listen_parse(address, host, &port, &error) != STATUS_OK) {
		diagnostics_add(diagnostics, false, place, 0, 0, "web.listen_address: %s",
			error.text);
		good = false;
	}
	opened = access_open(file[0] != '\0' ? file : NULL, tokens, token_count, diagnostics);
	add_place(diagnostics, from, file, "web.config.file",
		config_place(config, SETTING_WEB_CONFIG_FILE));
	for (size_t i = 0; i < token_count; i++)
		if (tokens[i].file != NULL)
			add_place(diagnostics, from, tokens[i].file, "web.tokens",
				config_token_place(config, i));
	if (good && opened != NULL && !access_enabled(opened) &&
		!server_address_loopback(address) &&
		!config_bool(config, SETTING_WEB_ALLOW_UNAUTHENTICATED)) {
		diagnostics_add(diagnostics, false, place, 0, 0,
			"%s is not loopback and there is no access control: give --web.config.file "
			"or web.tokens, or --web.allow-unauthenticated if the network is trusted",
			address);
		good = false;
	}
	if (good && opened != NULL && !access_enabled(opened))
		review_two_persons(config, diagnostics);
	if (good)
		return opened;
	access_close(opened);
	return NULL;
}
