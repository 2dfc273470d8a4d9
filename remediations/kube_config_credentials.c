/*
 * Files are opened by path each time, as they are links that are swapped. A token that cannot be read
 * leaves the old one in force: it may still be good.
 *
 * A plugin is run by one thread at a time while the others wait for what it gives; a failure is
 * remembered for PLUGIN_GAP_NS, so that a plugin that is slow to fail is not run once for each call.
 */
#include "remediations/kube_config_credentials.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define MS_NS INT64_C(1000000)
#define PLUGIN_GAP_NS (5000 * MS_NS)

struct kube_credentials {
	struct kube_credentials_source source;

	pthread_mutex_t lock;
	pthread_cond_t renewed;
	/* under lock */
	uint64_t version;
	char *token; /* from the file, or fixed */
	int64_t token_read_ns;
	struct kube_exec_answer answer; /* of the plugin */
	bool there;                     /* answer holds one */
	bool running;                   /* the plugin */
	bool has_run;
	int64_t ran_ns;
	struct error failure; /* of the last run; STATUS_OK: none */
};

static bool by_plugin(const struct kube_credentials *credentials)
{
	return credentials->source.plugin != NULL;
}

/* ---- token file ---- */

/* On failure the old token stays. */
static enum status read_token(struct kube_credentials *credentials, struct error *error)
{
	const char *path = credentials->source.token_file;
	char *token, *old;
	enum status status = file_read_secret(path, &token, error);

	if (status != STATUS_OK)
		return status;
	/* A line break would end the header and begin one of somebody else's choice. */
	if (strpbrk(token, "\r\n") != NULL || *token == '\0') {
		mem_free(token);
		return error_set(error, STATUS_BAD_INPUT, "%s holds no token", path);
	}
	pthread_mutex_lock(&credentials->lock);
	old = credentials->token;
	if (old == NULL || strcmp(old, token) != 0)
		credentials->version++;
	credentials->token = token;
	credentials->token_read_ns = clock_mono_ns(clock_system());
	pthread_mutex_unlock(&credentials->lock);
	mem_free(old);
	return STATUS_OK;
}

/* Whether it is time to read the token again. The time is noted by whoever finds it so, so that one
 * thread reads while the others go on with what there is. */
static bool token_due(struct kube_credentials *credentials, uint64_t refused)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	bool due;

	if (credentials->source.token_file == NULL)
		return false;
	pthread_mutex_lock(&credentials->lock);
	due = (refused != 0 && refused == credentials->version) ||
		now_ns - credentials->token_read_ns >= credentials->source.token_age_ms * MS_NS;
	if (due)
		credentials->token_read_ns = now_ns;
	pthread_mutex_unlock(&credentials->lock);
	return due;
}

/* ---- plugin ---- */

/* Under lock. Whether what there is will do; if not, and it is of no use to try, *status says so. */
static bool good_enough(const struct kube_credentials *credentials, uint64_t refused,
	enum status *status, struct error *error)
{
	int64_t expires_ms = credentials->answer.expires_ms;
	bool lately = credentials->has_run &&
		clock_mono_ns(clock_system()) - credentials->ran_ns < PLUGIN_GAP_NS;
	bool alive = credentials->there &&
		(expires_ms == 0 || clock_now_ms(clock_system()) < expires_ms);

	*status = STATUS_OK;
	if (alive &&
		(refused == 0 || refused != credentials->version ||
			(lately && credentials->failure.code == STATUS_OK)))
		return true;
	if (lately && credentials->failure.code != STATUS_OK) {
		*status = error_set(error, credentials->failure.code, "%s",
			credentials->failure.text);
		return true;
	}
	return false;
}

/* Under lock, which is given up while the plugin runs. */
static void run_plugin(struct kube_credentials *credentials)
{
	const struct kube_credentials_source *source = &credentials->source;
	struct kube_exec_answer answer, old = {0};
	struct error error = {0};
	enum status status;

	credentials->running = true;
	pthread_mutex_unlock(&credentials->lock);
	status = kube_exec_run(source->plugin, KUBE_EXEC_TIMEOUT_MS, source->stop,
		source->stop_argument, &answer, &error);
	pthread_mutex_lock(&credentials->lock);
	credentials->running = false;
	credentials->has_run = true;
	credentials->ran_ns = clock_mono_ns(clock_system());
	credentials->failure = error;
	if (status == STATUS_OK) {
		credentials->failure.code = STATUS_OK;
		old = credentials->answer;
		credentials->answer = answer;
		credentials->there = true;
		credentials->version++;
	}
	pthread_cond_broadcast(&credentials->renewed);
	kube_exec_answer_fini(&old);
}

/* Under lock. */
static enum status renew(struct kube_credentials *credentials, uint64_t refused,
	struct error *error)
{
	enum status status;

	for (;;) {
		if (good_enough(credentials, refused, &status, error))
			return status;
		if (credentials->running)
			pthread_cond_wait(&credentials->renewed, &credentials->lock);
		else
			run_plugin(credentials);
	}
}

/* ---- for all ---- */

enum status kube_credentials_open(struct kube_credentials **opened,
	const struct kube_credentials_source *source, struct error *error)
{
	struct kube_credentials *credentials = mem_zalloc(1, sizeof(*credentials));
	enum status status = STATUS_OK;

	*opened = NULL;
	if (credentials == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for credentials");
	credentials->source = *source;
	CHECK(pthread_mutex_init(&credentials->lock, NULL) == 0);
	CHECK(pthread_cond_init(&credentials->renewed, NULL) == 0);
	if (source->token_file != NULL) {
		status = read_token(credentials, error);
	} else if (source->token != NULL) {
		credentials->token = mem_strdup(source->token);
		if (credentials->token == NULL)
			status = error_set(error, STATUS_NO_MEMORY, "no memory for the token");
	}
	if (status != STATUS_OK) {
		kube_credentials_close(credentials);
		return status;
	}
	*opened = credentials;
	return STATUS_OK;
}

void kube_credentials_close(struct kube_credentials *credentials)
{
	if (credentials == NULL)
		return;
	pthread_cond_destroy(&credentials->renewed);
	pthread_mutex_destroy(&credentials->lock);
	kube_exec_answer_fini(&credentials->answer);
	mem_free(credentials->token);
	mem_free(credentials);
}

static bool copy_text(const char *text, char **copy)
{
	*copy = text != NULL ? mem_strdup(text) : NULL;
	return text == NULL || *copy != NULL;
}

/* Under lock. */
static bool fill(const struct kube_credentials *credentials, struct kube_credential *credential)
{
	static const char begin[] = "Authorization: Bearer ";
	const char *token = by_plugin(credentials) ? credentials->answer.token : credentials->token;

	credential->version = credentials->version;
	if (token != NULL) {
		size_t size = sizeof(begin) + strlen(token);

		credential->header = mem_alloc(size);
		if (credential->header == NULL)
			return false;
		snprintf(credential->header, size, "%s%s", begin, token);
	}
	return copy_text(credentials->answer.cert_pem, &credential->cert_pem) &&
		copy_text(credentials->answer.key_pem, &credential->key_pem);
}

enum status kube_credentials_get(struct kube_credentials *credentials, uint64_t refused,
	struct kube_credential *credential, struct error *error)
{
	enum status status = STATUS_OK;
	struct error reading;

	*credential = (struct kube_credential){0};
	if (token_due(credentials, refused) && read_token(credentials, &reading) != STATUS_OK)
		LOG_WARN("the Kubernetes token was not read again", LOG_ERROR_FIELD(&reading));
	pthread_mutex_lock(&credentials->lock);
	if (by_plugin(credentials))
		status = renew(credentials, refused, error);
	if (status == STATUS_OK && !fill(credentials, credential))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the token");
	pthread_mutex_unlock(&credentials->lock);
	if (status != STATUS_OK)
		kube_credential_fini(credential);
	return status;
}

void kube_credential_fini(struct kube_credential *credential)
{
	mem_free(credential->header);
	mem_free(credential->cert_pem);
	mem_free(credential->key_pem);
	*credential = (struct kube_credential){0};
}
