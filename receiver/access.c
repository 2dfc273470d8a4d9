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
#include "receiver/access_set.h"
#include "receiver/credentials.h"

#define REFRESH_EVERY_NS INT64_C(1000000000)
#define RETRY_EVERY_NS INT64_C(10000000000)
#define TOKENS_MAX 1024

struct access {
	struct access_source source;
	_Atomic bool enabled;
	bool tls;
	_Atomic int64_t looked_ns; /* when the stamps were last looked at */

	_Atomic bool reading; /* one thread at a time reads files; it owns the next two */
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

static struct access_set *set_take(struct access *access)
{
	struct access_set *set;

	pthread_mutex_lock(&access->lock);
	set = access->current;
	atomic_fetch_add(&set->references, 1);
	pthread_mutex_unlock(&access->lock);
	return set;
}

/* ---- re-reading ---- */

static uint64_t stamp_add(uint64_t stamp, const char *path)
{
	return path ? (stamp ^ file_stamp(path)) * UINT64_C(1099511628211) : stamp;
}

static uint64_t stamp_all(struct access *access, const struct access_set *set)
{
	uint64_t stamp = UINT64_C(14695981039346656037);

	stamp = stamp_add(stamp, access->source.web_config_file);
	stamp = stamp_add(stamp, set->web.cert_file);
	stamp = stamp_add(stamp, set->web.key_file);
	stamp = stamp_add(stamp, set->web.client_ca_file);
	for (size_t i = 0; i < access->source.spec_count; i++)
		stamp = stamp_add(stamp, access->source.specs[i].file);
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
	access_set_release(old);
	if (access_set_closed(&access->source, set))
		atomic_store(&access->enabled, true);
}

/* By the thread that set `reading`. */
static bool reload(struct access *access)
{
	struct diagnostics diagnostics;
	struct access_set *set;

	diagnostics_init(&diagnostics);
	set = access_set_read(&access->source, false, &diagnostics);
	log_diagnostics(&diagnostics);
	diagnostics_fini(&diagnostics);
	if (!set) {
		LOG_ERROR("access control: the old settings stay in force");
		return false;
	}
	if ((atomic_load(&access->enabled) && !access_set_closed(&access->source, set)) ||
		access->tls != set->web.tls) {
		LOG_ERROR("access control: turning it or TLS on or off needs a restart, the old "
			  "settings stay in force");
		access_set_release(set);
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
	if (atomic_exchange(&access->reading, true))
		return;
	set = set_take(access);
	stamp = stamp_all(access, set);
	access_set_release(set);
	/* A file that only the refused settings name has no stamp yet, hence the retry. */
	if (stamp != access->stamp ||
		(access->failed_ns && now_ns - access->failed_ns >= RETRY_EVERY_NS)) {
		/* The stamp from before the reading: what changes meanwhile is read again. */
		access->stamp = stamp;
		access->failed_ns = reload(access) ? 0 : now_ns;
	}
	atomic_store(&access->reading, false);
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
	access->source.specs = mem_zalloc(count, sizeof(*access->source.specs));
	if (!access->source.specs)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct token_spec *spec = &access->source.specs[access->source.spec_count++];

		spec->role = tokens[i].role;
		spec->name = mem_strdup(tokens[i].name);
		if (tokens[i].file)
			spec->file = mem_strdup(tokens[i].file);
		if (!spec->name || (tokens[i].file && !spec->file))
			return false;
		access->source.token_count += tokens[i].file != NULL;
	}
	return true;
}

static void warn_unknown_users(struct access *access, const struct access_set *set,
	struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < access->source.spec_count; i++) {
		size_t user = 0;

		if (access->source.specs[i].file)
			continue;
		while (user < set->web.user_count &&
			strcmp(set->web.users[user].name, access->source.specs[i].name) != 0)
			user++;
		if (user == set->web.user_count)
			diagnostics_add(diagnostics, true,
				access->source.web_config_file ? access->source.web_config_file
							       : "",
				0, 0, "\"%s\" has a role but is not in basic_auth_users",
				access->source.specs[i].name);
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
	if (token_count > TOKENS_MAX) {
		diagnostics_add(diagnostics, false, "", 0, 0, "more than %d tokens", TOKENS_MAX);
		goto fail;
	}
	access->source.passwords = passwords_open(clock_system());
	if (web_config_file)
		access->source.web_config_file = mem_strdup(web_config_file);
	if (!access->source.passwords || (web_config_file && !access->source.web_config_file) ||
		!copy_specs(access, tokens, token_count)) {
		diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
		goto fail;
	}
	access->current = access_set_read(&access->source, true, diagnostics);
	if (!access->current)
		goto fail;
	access->tls = access->current->web.tls;
	access->stamp = stamp_all(access, access->current);
	access->looked_ns = clock_mono_ns(clock_system());
	atomic_store(&access->enabled, access_set_closed(&access->source, access->current));
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
	access_set_release(access->current);
	for (size_t i = 0; i < access->source.spec_count; i++) {
		mem_free(access->source.specs[i].name);
		mem_free(access->source.specs[i].file);
	}
	passwords_close(access->source.passwords);
	pthread_mutex_destroy(&access->lock);
	mem_free(access->source.specs);
	mem_free(access->source.web_config_file);
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

	keyed_hash(access->source.passwords, &secret, 1, hash);
	/* All of them, so that the time does not tell which one came near. */
	for (size_t i = 0; i < access->source.spec_count; i++) {
		if (!set->tokens[i].valid || !keyed_hash_equal(set->tokens[i].hash, hash))
			continue;
		*role = access->source.specs[i].role;
		set_identity(identity, identity_size, access->source.specs[i].name);
		status = STATUS_OK;
	}
	return status;
}

static enum access_role role_of_user(const struct access *access, const char *user)
{
	for (size_t i = 0; i < access->source.spec_count; i++)
		if (!access->source.specs[i].file && !strcmp(access->source.specs[i].name, user))
			return access->source.specs[i].role;
	return ACCESS_READ;
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
	status = password_check(access->source.passwords, given.user, given.password, hash,
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
	if (!set->web.user_count && !access->source.token_count) {
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
	access_set_release(set);
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
	access_set_release(set);
	return status;
}

void access_each_header(struct access *access,
	void (*visit)(const char *name, const char *value, void *argument), void *argument)
{
	struct access_set *set = set_take(access);

	for (size_t i = 0; i < set->web.header_count; i++)
		visit(set->web.headers[i].name, set->web.headers[i].value, argument);
	access_set_release(set);
}
