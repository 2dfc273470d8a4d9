/*
 * Access control. What the files say is read into a set that never changes; a request holds a
 * reference to the set of its time. When a file's stamp changes a new set is built and takes the
 * old one's place, or, when it cannot be built, the old one stays and the reason is logged.
 *
 * A reload never opens what was closed: turning access control or TLS off needs a restart, so that
 * a half-written file is not an open door.
 */
#include "receiver/access.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "receiver/credentials.h"
#include "receiver/password.h"
#include "receiver/tls.h"
#include "receiver/web_config.h"

#define REFRESH_EVERY_NS INT64_C(1000000000)
#define RETRY_EVERY_NS INT64_C(10000000000)
#define PEM_MAX (1024 * 1024)
#define TOKENS_MAX 1024

struct token_spec {
	char *name, *file; /* file NULL: the role of a basic_auth user */
	enum access_role role;
};

struct token {
	unsigned char hash[KEYED_HASH_SIZE];
	bool valid;
};

struct access_set {
	_Atomic unsigned references;
	struct web_config web;
	struct access_tls tls;
	struct token *tokens; /* [spec_count] */
};

struct access {
	char *web_config_file; /* NULL: none */
	struct token_spec *specs;
	size_t spec_count, token_count; /* all; those with a file */
	struct passwords *passwords;
	_Atomic bool enabled;
	bool tls;
	_Atomic int64_t looked_ns; /* when the stamps were last looked at */

	pthread_mutex_t reload_lock; /* held while files are read; guards what follows */
	uint64_t stamp;
	int64_t failed_ns; /* when a reload failed last; 0: the last one did not */

	pthread_mutex_t lock; /* guards the pointer and the generation */
	struct access_set *current;
	uint64_t generation;
};

static const char *const role_names[ACCESS_ROLE_COUNT] = {
#define X(role, name) [role] = name,
	ACCESS_ROLE_TABLE(X)
#undef X
};

const char *access_role_name(enum access_role role)
{
	CHECK((unsigned)role < ACCESS_ROLE_COUNT);
	return role_names[role];
}

bool access_role_parse(const char *name, enum access_role *role)
{
	for (unsigned i = 0; i < ACCESS_ROLE_COUNT; i++) {
		if (strcmp(name, role_names[i]) != 0)
			continue;
		*role = (enum access_role)i;
		return true;
	}
	return false;
}

bool access_role_allows(enum access_role have, enum access_role need)
{
	return need == ACCESS_NONE || have == need || have == ACCESS_ADMIN ||
		(need == ACCESS_READ && have != ACCESS_NONE);
}

/* ---- sets ---- */

void access_tls_fini(struct access_tls *tls)
{
	mem_free(tls->certificate);
	if (tls->key)
		explicit_bzero(tls->key, strlen(tls->key));
	mem_free(tls->key);
	mem_free(tls->client_ca);
	*tls = (struct access_tls){0};
}

static void set_release(struct access_set *set)
{
	if (!set || atomic_fetch_sub(&set->references, 1) != 1)
		return;
	web_config_fini(&set->web);
	access_tls_fini(&set->tls);
	mem_free(set->tokens);
	mem_free(set);
}

static struct access_set *set_take(struct access *access)
{
	struct access_set *set;

	pthread_mutex_lock(&access->lock);
	set = access->current;
	atomic_fetch_add(&set->references, 1);
	pthread_mutex_unlock(&access->lock);
	return set;
}

static char *read_pem(const char *path, const char *begins, struct diagnostics *diagnostics)
{
	struct error error;
	struct buf text;

	buf_init(&text, PEM_MAX);
	if (file_read(path, &text, &error)) {
		diagnostics_add(diagnostics, false, path, 0, 0, "%s", error.text);
		buf_fini(&text);
		return NULL;
	}
	if (!text.data || !strstr(text.data, begins)) {
		diagnostics_add(diagnostics, false, path, 0, 0, "no PEM block %s in it", begins);
		buf_fini(&text);
		return NULL;
	}
	return buf_take(&text, NULL);
}

static bool read_tls_files(struct access_set *set, struct diagnostics *diagnostics)
{
	const struct web_config *web = &set->web;
	struct access_tls *tls = &set->tls;
	struct error error;

	tls->client_auth = web->client_auth;
	memcpy(tls->min_version, web->min_version, sizeof(tls->min_version));
	memcpy(tls->max_version, web->max_version, sizeof(tls->max_version));
	memcpy(tls->curves, web->curves, sizeof(tls->curves));
	tls->certificate = read_pem(web->cert_file, "-----BEGIN CERTIFICATE", diagnostics);
	tls->key = read_pem(web->key_file, "PRIVATE KEY-----", diagnostics);
	if (web->client_ca_file)
		tls->client_ca =
			read_pem(web->client_ca_file, "-----BEGIN CERTIFICATE", diagnostics);
	if (!tls->certificate || !tls->key || (web->client_ca_file && !tls->client_ca))
		return false;
	if (tls_check(tls, &error)) {
		diagnostics_add(diagnostics, false, web->cert_file, 0, 0, "%s", error.text);
		return false;
	}
	return true;
}

static void refuse_token(struct diagnostics *diagnostics, const struct token_spec *spec,
	const char *file, const char *reason)
{
	diagnostics_add(diagnostics, false, file, 0, 0, "token \"%s\": %s", spec->name, reason);
}

static void read_token(struct access *access, const struct token_spec *spec, struct token *token,
	struct diagnostics *diagnostics)
{
	struct error error;
	const char *texts[1];
	char *secret;

	if (file_read_secret(spec->file, &secret, &error)) {
		refuse_token(diagnostics, spec, spec->file, error.text);
		return;
	}
	texts[0] = secret;
	if (strlen(secret) < 8)
		refuse_token(diagnostics, spec, spec->file, "a token has at least 8 characters");
	else if (strpbrk(secret, " \t\r\n"))
		refuse_token(diagnostics, spec, spec->file, "a token has no white space in it");
	else
		token->valid = true;
	keyed_hash(access->passwords, texts, 1, token->hash);
	explicit_bzero(secret, strlen(secret));
	mem_free(secret);
}

/* One token of two names would have two roles. */
static void check_repeated(struct access *access, struct access_set *set, size_t index,
	struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < index; i++) {
		if (!set->tokens[i].valid || !set->tokens[index].valid ||
			!keyed_hash_equal(set->tokens[i].hash, set->tokens[index].hash))
			continue;
		refuse_token(diagnostics, &access->specs[index], access->specs[index].file,
			"the same secret as another token's");
		set->tokens[index].valid = false;
	}
}

static bool read_tokens(struct access *access, struct access_set *set,
	struct diagnostics *diagnostics)
{
	set->tokens = mem_zalloc(access->spec_count, sizeof(*set->tokens));
	if (!set->tokens) {
		diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
		return false;
	}
	for (size_t i = 0; i < access->spec_count; i++) {
		if (!access->specs[i].file)
			continue;
		read_token(access, &access->specs[i], &set->tokens[i], diagnostics);
		check_repeated(access, set, i, diagnostics);
	}
	return true;
}

/* strict: a token that cannot be read is an error; else it is void. NULL: see diagnostics. */
static struct access_set *set_read(struct access *access, bool strict,
	struct diagnostics *diagnostics)
{
	struct access_set *set = mem_zalloc(1, sizeof(*set));
	size_t errors;

	if (!set) {
		diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
		return NULL;
	}
	atomic_init(&set->references, 1);
	if (access->web_config_file &&
		!web_config_init(&set->web, access->web_config_file, diagnostics))
		goto fail;
	if (set->web.tls && !read_tls_files(set, diagnostics))
		goto fail;
	errors = diagnostics->errors;
	if (!read_tokens(access, set, diagnostics) || (strict && diagnostics->errors != errors))
		goto fail;
	return set;
fail:
	set_release(set);
	return NULL;
}

static bool set_closed(const struct access *access, const struct access_set *set)
{
	return set->web.user_count || access->token_count ||
		set->tls.client_auth == CLIENT_AUTH_REQUIRE;
}

/* ---- re-reading ---- */

static uint64_t stamp_add(uint64_t stamp, const char *path)
{
	return path ? (stamp ^ file_stamp(path)) * UINT64_C(1099511628211) : stamp;
}

static uint64_t stamp_all(struct access *access, const struct access_set *set)
{
	uint64_t stamp = UINT64_C(14695981039346656037);

	stamp = stamp_add(stamp, access->web_config_file);
	stamp = stamp_add(stamp, set->web.cert_file);
	stamp = stamp_add(stamp, set->web.key_file);
	stamp = stamp_add(stamp, set->web.client_ca_file);
	for (size_t i = 0; i < access->spec_count; i++)
		stamp = stamp_add(stamp, access->specs[i].file);
	return stamp;
}

static void log_diagnostics(const struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *one = &diagnostics->list[i];

		if (!one->warning)
			LOG_ERROR("access control, re-reading its files",
				LOG_TEXT("file", one->file), LOG_INT("line", one->line),
				LOG_TEXT("err", one->text));
	}
}

static void set_replace(struct access *access, struct access_set *set)
{
	struct access_set *old;

	pthread_mutex_lock(&access->lock);
	old = access->current;
	access->current = set;
	access->generation++;
	pthread_mutex_unlock(&access->lock);
	set_release(old);
	if (set_closed(access, set))
		atomic_store(&access->enabled, true);
}

/* Under the reload lock. */
static bool reload(struct access *access)
{
	struct diagnostics diagnostics;
	struct access_set *set;

	diagnostics_init(&diagnostics);
	set = set_read(access, false, &diagnostics);
	log_diagnostics(&diagnostics);
	diagnostics_fini(&diagnostics);
	if (!set) {
		LOG_ERROR("access control: the old settings stay in force");
		return false;
	}
	if ((atomic_load(&access->enabled) && !set_closed(access, set)) ||
		access->tls != set->web.tls) {
		LOG_ERROR("access control: turning it or TLS on or off needs a restart, the old "
			  "settings stay in force");
		set_release(set);
		return false;
	}
	set_replace(access, set);
	LOG_INFO("access control: changed files taken over");
	return true;
}

void access_refresh(struct access *access)
{
	struct access_set *set;
	uint64_t stamp;
	int64_t now_ns = clock_mono_ns(clock_system());

	/* Whoever comes while another reads goes on with the old set. */
	if (pthread_mutex_trylock(&access->reload_lock))
		return;
	set = set_take(access);
	stamp = stamp_all(access, set);
	set_release(set);
	/* A file that only the refused settings name has no stamp yet, hence the retry. */
	if (stamp != access->stamp ||
		(access->failed_ns && now_ns - access->failed_ns >= RETRY_EVERY_NS)) {
		/* The stamp from before the reading: what changes meanwhile is read again. */
		access->stamp = stamp;
		access->failed_ns = reload(access) ? 0 : now_ns;
	}
	pthread_mutex_unlock(&access->reload_lock);
}

static void refresh_if_due(struct access *access)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	int64_t looked_ns = atomic_load(&access->looked_ns);

	if (now_ns - looked_ns >= REFRESH_EVERY_NS &&
		atomic_compare_exchange_strong(&access->looked_ns, &looked_ns, now_ns))
		access_refresh(access);
}

/* ---- opening ---- */

static bool copy_specs(struct access *access, const struct access_token *tokens, size_t count)
{
	access->specs = mem_zalloc(count, sizeof(*access->specs));
	if (!access->specs)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct token_spec *spec = &access->specs[access->spec_count++];

		spec->role = tokens[i].role;
		spec->name = mem_strdup(tokens[i].name);
		if (tokens[i].file)
			spec->file = mem_strdup(tokens[i].file);
		if (!spec->name || (tokens[i].file && !spec->file))
			return false;
		access->token_count += tokens[i].file != NULL;
	}
	return true;
}

static void warn_unknown_users(struct access *access, const struct access_set *set,
	struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < access->spec_count; i++) {
		size_t user = 0;

		if (access->specs[i].file)
			continue;
		while (user < set->web.user_count &&
			strcmp(set->web.users[user].name, access->specs[i].name) != 0)
			user++;
		if (user == set->web.user_count)
			diagnostics_add(diagnostics, true,
				access->web_config_file ? access->web_config_file : "", 0, 0,
				"\"%s\" has a role but is not in basic_auth_users",
				access->specs[i].name);
	}
}

struct access *access_open(const char *web_config_file, const struct access_token *tokens,
	size_t token_count, struct diagnostics *diagnostics)
{
	struct access *access = mem_zalloc(1, sizeof(*access));

	if (!access) {
		diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&access->lock, NULL);
	pthread_mutex_init(&access->reload_lock, NULL);
	if (token_count > TOKENS_MAX) {
		diagnostics_add(diagnostics, false, "", 0, 0, "more than %d tokens", TOKENS_MAX);
		goto fail;
	}
	access->passwords = passwords_open(clock_system());
	if (web_config_file)
		access->web_config_file = mem_strdup(web_config_file);
	if (!access->passwords || (web_config_file && !access->web_config_file) ||
		!copy_specs(access, tokens, token_count)) {
		diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
		goto fail;
	}
	access->current = set_read(access, true, diagnostics);
	if (!access->current)
		goto fail;
	access->tls = access->current->web.tls;
	access->stamp = stamp_all(access, access->current);
	access->looked_ns = clock_mono_ns(clock_system());
	atomic_store(&access->enabled, set_closed(access, access->current));
	warn_unknown_users(access, access->current, diagnostics);
	return access;
fail:
	access_close(access);
	return NULL;
}

void access_close(struct access *access)
{
	if (!access)
		return;
	set_release(access->current);
	for (size_t i = 0; i < access->spec_count; i++) {
		mem_free(access->specs[i].name);
		mem_free(access->specs[i].file);
	}
	passwords_close(access->passwords);
	pthread_mutex_destroy(&access->lock);
	pthread_mutex_destroy(&access->reload_lock);
	mem_free(access->specs);
	mem_free(access->web_config_file);
	mem_free(access);
}

bool access_enabled(const struct access *access)
{
	return atomic_load(&access->enabled);
}

uint64_t access_generation(struct access *access)
{
	uint64_t generation;

	refresh_if_due(access);
	pthread_mutex_lock(&access->lock);
	generation = access->generation;
	pthread_mutex_unlock(&access->lock);
	return generation;
}

/* ---- asking ---- */

static void set_identity(char *identity, size_t identity_size, const char *name)
{
	snprintf(identity, identity_size, "%s", name);
}

static enum status check_bearer(struct access *access, const struct access_set *set,
	const char *secret, enum access_role *role, char *identity, size_t identity_size)
{
	unsigned char hash[KEYED_HASH_SIZE];
	enum status status = STATUS_UNAUTHENTICATED;

	keyed_hash(access->passwords, &secret, 1, hash);
	/* All of them, so that the time does not tell which one came near. */
	for (size_t i = 0; i < access->spec_count; i++) {
		if (!set->tokens[i].valid || !keyed_hash_equal(set->tokens[i].hash, hash))
			continue;
		*role = access->specs[i].role;
		set_identity(identity, identity_size, access->specs[i].name);
		status = STATUS_OK;
	}
	return status;
}

static enum access_role role_of_user(const struct access *access, const char *user)
{
	for (size_t i = 0; i < access->spec_count; i++)
		if (!access->specs[i].file && !strcmp(access->specs[i].name, user))
			return access->specs[i].role;
	return ACCESS_ADMIN;
}

static enum status check_basic(struct access *access, const struct access_set *set,
	const char *encoded, enum access_role *role, char *identity, size_t identity_size)
{
	struct basic_credentials given;
	const char *hash = NULL;
	enum status status;

	if (!set->web.user_count || !basic_decode(encoded, &given))
		return STATUS_UNAUTHENTICATED;
	for (size_t i = 0; i < set->web.user_count; i++)
		if (!strcmp(set->web.users[i].name, given.user))
			hash = set->web.users[i].value;
	status = password_check(access->passwords, given.user, given.password, hash,
		set->web.cost_max);
	if (!status) {
		*role = role_of_user(access, given.user);
		set_identity(identity, identity_size, given.user);
	}
	explicit_bzero(&given, sizeof(given));
	return status;
}

static enum status check_set(struct access *access, const struct access_set *set,
	const char *authorization, bool client_cert_ok, enum access_role *role, char *identity,
	size_t identity_size)
{
	const char *rest;

	if (set->tls.client_auth == CLIENT_AUTH_REQUIRE && !client_cert_ok)
		return STATUS_UNAUTHENTICATED;
	if (!set->web.user_count && !access->token_count) {
		if (set->tls.client_auth == CLIENT_AUTH_REQUIRE)
			set_identity(identity, identity_size, "client certificate");
		*role = ACCESS_ADMIN;
		return STATUS_OK;
	}
	rest = authorization ? scheme_skip(authorization, "Bearer") : NULL;
	if (rest)
		return check_bearer(access, set, rest, role, identity, identity_size);
	rest = authorization ? scheme_skip(authorization, "Basic") : NULL;
	if (rest)
		return check_basic(access, set, rest, role, identity, identity_size);
	return STATUS_UNAUTHENTICATED;
}

enum status access_check(struct access *access, const char *authorization, bool client_cert_ok,
	enum access_role *role, char *identity, size_t identity_size)
{
	struct access_set *set;
	enum status status;

	refresh_if_due(access);
	*role = ACCESS_NONE;
	set_identity(identity, identity_size, "");
	set = set_take(access);
	status = check_set(access, set, authorization, client_cert_ok, role, identity,
		identity_size);
	set_release(set);
	return status == STATUS_NO_MEMORY ? STATUS_BUSY : status;
}

/* ---- for the server ---- */

bool access_has_tls(const struct access *access)
{
	return access->tls;
}

enum status access_tls_copy(struct access *access, struct access_tls *copy)
{
	struct access_set *set = set_take(access);
	enum status status = STATUS_OK;

	*copy = set->tls;
	copy->certificate = set->tls.certificate ? mem_strdup(set->tls.certificate) : NULL;
	copy->key = set->tls.key ? mem_strdup(set->tls.key) : NULL;
	copy->client_ca = set->tls.client_ca ? mem_strdup(set->tls.client_ca) : NULL;
	if (!copy->certificate != !set->tls.certificate || !copy->key != !set->tls.key ||
		!copy->client_ca != !set->tls.client_ca) {
		access_tls_fini(copy);
		status = STATUS_NO_MEMORY;
	}
	set_release(set);
	return status;
}

void access_each_header(struct access *access,
	void (*visit)(const char *name, const char *value, void *argument), void *argument)
{
	struct access_set *set = set_take(access);

	for (size_t i = 0; i < set->web.header_count; i++)
		visit(set->web.headers[i].name, set->web.headers[i].value, argument);
	set_release(set);
}
