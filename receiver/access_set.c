/*
 * Reads a set: the web configuration, the files that it names, and the token files.
 */
#include "receiver/access_set.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "receiver/tls.h"

#define PEM_MAX (1024 * 1024)

void access_tls_fini(struct access_tls *tls)
{
	mem_free(tls->certificate);
	if (tls->key)
		explicit_bzero(tls->key, strlen(tls->key));
	mem_free(tls->key);
	mem_free(tls->client_ca);
	*tls = (struct access_tls){0};
}

void access_set_release(struct access_set *set)
{
	if (!set || atomic_fetch_sub(&set->references, 1) != 1)
		return;
	web_config_fini(&set->web);
	access_tls_fini(&set->tls);
	mem_free(set->tokens);
	mem_free(set);
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

static void read_token(const struct access_source *source, const struct token_spec *spec,
	struct token *token, struct diagnostics *diagnostics)
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
	keyed_hash(source->passwords, texts, 1, token->hash);
	explicit_bzero(secret, strlen(secret));
	mem_free(secret);
}

/* One token of two names would have two roles. */
static void check_repeated(const struct access_source *source, struct access_set *set, size_t index,
	struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < index; i++) {
		if (!set->tokens[i].valid || !set->tokens[index].valid ||
			!keyed_hash_equal(set->tokens[i].hash, set->tokens[index].hash))
			continue;
		refuse_token(diagnostics, &source->specs[index], source->specs[index].file,
			"the same secret as another token's");
		set->tokens[index].valid = false;
	}
}

static bool read_tokens(const struct access_source *source, struct access_set *set,
	struct diagnostics *diagnostics)
{
	set->tokens = mem_zalloc(source->spec_count, sizeof(*set->tokens));
	if (!set->tokens) {
		diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
		return false;
	}
	for (size_t i = 0; i < source->spec_count; i++) {
		if (!source->specs[i].file)
			continue;
		read_token(source, &source->specs[i], &set->tokens[i], diagnostics);
		check_repeated(source, set, i, diagnostics);
	}
	return true;
}

struct access_set *access_set_read(const struct access_source *source, bool strict,
	struct diagnostics *diagnostics)
{
	struct access_set *set = mem_zalloc(1, sizeof(*set));
	size_t errors;

	if (!set) {
		diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
		return NULL;
	}
	atomic_init(&set->references, 1);
	if (source->web_config_file &&
		!web_config_init(&set->web, source->web_config_file, diagnostics))
		goto fail;
	if (set->web.tls && !read_tls_files(set, diagnostics))
		goto fail;
	errors = diagnostics->errors;
	if (!read_tokens(source, set, diagnostics) || (strict && diagnostics->errors != errors))
		goto fail;
	return set;
fail:
	access_set_release(set);
	return NULL;
}

bool access_set_closed(const struct access_source *source, const struct access_set *set)
{
	return set->web.user_count || source->token_count ||
		set->tls.client_auth == CLIENT_AUTH_REQUIRE;
}
