/* run-under: tsan */
/*
 * Access control without a network: the web configuration file, passwords, tokens, roles, and what
 * becomes of them when the files change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "receiver/access.h"
#include "receiver/credentials.h"
#include "receiver/password.h"
#include "receiver/web_config.h"
#include "tests/support/certificates.h"
#include "tests/support/folder.h"

static char folder[FOLDER_PATH_MAX];

static int make_folder(void **state)
{
	folder_make(folder);
	return 0;
}

static int drop_folder(void **state)
{
	folder_remove(folder);
	return 0;
}

static const char *at(const char *name)
{
	static char paths[8][FOLDER_PATH_MAX + 64];
	static int next;
	char *path = paths[next++ % 8];

	folder_path(path, sizeof(paths[0]), folder, name);
	return path;
}

/* bcrypt of password with the least cost. */
static const char *hash_of(const char *password)
{
	static struct crypt_data work;

	return crypt_r(password, "$2y$04$abcdefghijklmnopqrstuu", &work);
}

static void write_users(const char *alice, const char *bob)
{
	char text[512], first[128];

	snprintf(first, sizeof(first), "%s", hash_of(alice));
	snprintf(text, sizeof(text), "basic_auth_users:\n  alice: %s\n  bob: %s\n", first,
		hash_of(bob));
	folder_write(folder, "web.yml", text);
}

static struct access *open_quietly(const char *file, const struct access_token *tokens,
	size_t count, char **complaints)
{
	struct diagnostics diagnostics;
	struct access *access;
	struct buf text;

	diagnostics_init(&diagnostics);
	access = access_open(file, tokens, count, &diagnostics);
	if (complaints) {
		buf_init(&text, 65536);
		diagnostics_write(&diagnostics, &text);
		*complaints = buf_take(&text, NULL);
	} else if (!access) {
		buf_init(&text, 65536);
		diagnostics_write(&diagnostics, &text);
		print_error("%s", text.data);
		buf_fini(&text);
	}
	diagnostics_fini(&diagnostics);
	return access;
}

static enum status ask(struct access *access, const char *authorization, enum access_role *role)
{
	char identity[64];

	return access_check(access, authorization, false, role, identity, sizeof(identity));
}

static void basic(char *header, size_t size, const char *pair)
{
	char encoded[512];

	EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)pair, (int)strlen(pair));
	snprintf(header, size, "Basic %s", encoded);
}

static enum status ask_basic(struct access *access, const char *pair)
{
	char header[600];
	enum access_role role;

	basic(header, sizeof(header), pair);
	return ask(access, header, &role);
}

static void roles_allow_what_they_name(void **state)
{
	enum access_role role;

	for (unsigned have = 0; have < ACCESS_ROLE_COUNT; have++) {
		assert_true(access_role_allows(have, ACCESS_NONE));
		assert_true(access_role_allows(have, have));
		assert_true(access_role_allows(ACCESS_ADMIN, have));
		assert_int_equal(access_role_allows(have, ACCESS_READ), have != ACCESS_NONE);
		assert_int_equal(access_role_allows(have, ACCESS_ADMIN), have == ACCESS_ADMIN);
		assert_true(access_role_parse(access_role_name(have), &role));
		assert_int_equal(role, have);
	}
	assert_false(access_role_allows(ACCESS_INGEST, ACCESS_WEBHOOK));
	assert_false(access_role_allows(ACCESS_WEBHOOK, ACCESS_INGEST));
	assert_false(access_role_allows(ACCESS_APPROVE, ACCESS_INGEST));
	assert_false(access_role_allows(ACCESS_READ, ACCESS_APPROVE));
	assert_false(access_role_parse("root", &role));
}

static void without_configuration_everybody_is_admin(void **state)
{
	struct access *access = open_quietly(NULL, NULL, 0, NULL);
	enum access_role role;

	assert_false(access_enabled(access));
	assert_int_equal(ask(access, NULL, &role), STATUS_OK);
	assert_int_equal(role, ACCESS_ADMIN);
	access_close(access);
	access_close(NULL);
}

static void right_password_opens_and_a_wrong_one_does_not(void **state)
{
	struct access *access;
	enum access_role role;
	char identity[64], header[600];

	write_users("sesame", "other");
	access = open_quietly(at("web.yml"), NULL, 0, NULL);
	assert_true(access_enabled(access));
	basic(header, sizeof(header), "alice:sesame");
	assert_int_equal(access_check(access, header, false, &role, identity, sizeof(identity)),
		STATUS_OK);
	assert_int_equal(role, ACCESS_READ);
	assert_string_equal(identity, "alice");
	assert_int_equal(ask_basic(access, "alice:other"), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask_basic(access, "alice:"), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask_basic(access, "bob:sesame"), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask_basic(access, "nobody:sesame"), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask_basic(access, ":"), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask_basic(access, "alice"), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, NULL, &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(role, ACCESS_NONE);
	assert_int_equal(ask(access, "Basic", &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, "Basic !!!!", &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, "Digest abc", &role), STATUS_UNAUTHENTICATED);
	access_close(access);
}

static void users_get_their_role(void **state)
{
	const struct access_token roles[] = {{"alice", NULL, ACCESS_INGEST}};
	struct access *access;
	enum access_role role;
	char header[600];

	write_users("sesame", "other");
	access = open_quietly(at("web.yml"), roles, 1, NULL);
	basic(header, sizeof(header), "alice:sesame");
	assert_int_equal(ask(access, header, &role), STATUS_OK);
	assert_int_equal(role, ACCESS_INGEST);
	basic(header, sizeof(header), "bob:other");
	assert_int_equal(ask(access, header, &role), STATUS_OK);
	assert_int_equal(role, ACCESS_READ);
	access_close(access);
}

static void tokens_carry_their_roles(void **state)
{
	const struct access_token tokens[] = {{"prometheus", at("a"), ACCESS_INGEST},
		{"alertmanager", at("b"), ACCESS_WEBHOOK}};
	struct access *access;
	enum access_role role;
	char identity[8];

	folder_write(folder, "a", "token-of-prometheus\n");
	folder_write(folder, "b", "token-of-alertmanager");
	access = open_quietly(NULL, tokens, 2, NULL);
	assert_true(access_enabled(access));
	assert_int_equal(access_check(access, "bearer  token-of-prometheus", false, &role, identity,
				 sizeof(identity)),
		STATUS_OK);
	assert_int_equal(role, ACCESS_INGEST);
	assert_string_equal(identity, "prometh"); /* cut, never past its room */
	assert_int_equal(ask(access, "Bearer token-of-alertmanager", &role), STATUS_OK);
	assert_int_equal(role, ACCESS_WEBHOOK);
	assert_int_equal(ask(access, "Bearer token-of-prometheus\n", &role),
		STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, "Bearer token-of-prometheu", &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, "Bearer ", &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, "Bearertoken-of-prometheus", &role), STATUS_UNAUTHENTICATED);
	access_close(access);
}

static void refuse_tokens(const struct access_token *tokens, size_t count, const char *why)
{
	char *complaints;

	assert_null(open_quietly(NULL, tokens, count, &complaints));
	if (!strstr(complaints, why))
		print_error("%s", complaints);
	assert_non_null(strstr(complaints, why));
	mem_free(complaints);
}

static void bad_tokens_are_refused_at_the_start(void **state)
{
	const struct access_token missing = {"x", at("missing"), ACCESS_READ};
	const struct access_token two[] = {{"x", at("a"), ACCESS_READ},
		{"y", at("b"), ACCESS_ADMIN}};

	refuse_tokens(&missing, 1, "missing");
	folder_write(folder, "a", "short\n");
	refuse_tokens(two, 1, "at least 8 characters");
	folder_write(folder, "a", "two words here\n");
	refuse_tokens(two, 1, "white space");
	folder_write(folder, "a", "same-secret\n");
	folder_write(folder, "b", "same-secret");
	refuse_tokens(two, 2, "token \"y\": the same secret");
}

static void changed_files_are_taken_over(void **state)
{
	const struct access_token tokens[] = {{"reader", at("token"), ACCESS_READ}};
	struct access *access;
	enum access_role role;
	uint64_t generation;

	write_users("first", "other");
	folder_write(folder, "token", "first-token");
	access = open_quietly(at("web.yml"), tokens, 1, NULL);
	generation = access_generation(access);
	assert_int_equal(ask_basic(access, "alice:first"), STATUS_OK);
	write_users("second", "other");
	folder_write(folder, "token", "second-token");
	access_refresh(access);
	assert_true(access_generation(access) == generation + 1);
	assert_int_equal(ask_basic(access, "alice:first"), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask_basic(access, "alice:second"), STATUS_OK);
	assert_int_equal(ask(access, "Bearer first-token", &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, "Bearer second-token", &role), STATUS_OK);
	access_refresh(access);
	assert_true(access_generation(access) == generation + 1); /* nothing changed */
	access_close(access);
}

static void files_are_looked_at_by_the_requests_themselves(void **state)
{
	struct access *access;

	write_users("first", "other");
	access = open_quietly(at("web.yml"), NULL, 0, NULL);
	assert_int_equal(ask_basic(access, "alice:second"), STATUS_UNAUTHENTICATED);
	write_users("second", "other");
	clock_sleep_ms(1100);
	/* That it was wrong is not remembered: it was wrong for another hash. */
	assert_int_equal(ask_basic(access, "alice:second"), STATUS_OK);
	assert_int_equal(access_generation(access), 1);
	access_close(access);
}

static void broken_file_leaves_the_old_users(void **state)
{
	struct access *access;

	write_users("first", "other");
	access = open_quietly(at("web.yml"), NULL, 0, NULL);
	folder_write(folder, "web.yml", "basic_auth_users:\n  alice: nonsense\n");
	access_refresh(access);
	assert_int_equal(ask_basic(access, "alice:first"), STATUS_OK);
	/* Half-written: an empty file is no open door. */
	folder_write(folder, "web.yml", "");
	access_refresh(access);
	assert_int_equal(ask_basic(access, "alice:first"), STATUS_OK);
	assert_int_equal(ask_basic(access, "alice:wrong"), STATUS_UNAUTHENTICATED);
	assert_true(access_enabled(access));
	unlink(at("web.yml"));
	access_refresh(access);
	assert_int_equal(ask_basic(access, "alice:first"), STATUS_OK);
	write_users("second", "other");
	access_refresh(access);
	assert_int_equal(ask_basic(access, "alice:second"), STATUS_OK);
	access_close(access);
}

static void token_whose_file_is_gone_is_void(void **state)
{
	const struct access_token tokens[] = {{"one", at("one"), ACCESS_READ},
		{"two", at("two"), ACCESS_READ}};
	struct access *access;
	enum access_role role;

	folder_write(folder, "one", "token-one");
	folder_write(folder, "two", "token-two");
	access = open_quietly(NULL, tokens, 2, NULL);
	unlink(at("one"));
	folder_write(folder, "two", "\n");
	access_refresh(access);
	assert_int_equal(ask(access, "Bearer token-one", &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, "Bearer token-two", &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, "Bearer ", &role), STATUS_UNAUTHENTICATED);
	assert_int_equal(ask(access, NULL, &role), STATUS_UNAUTHENTICATED);
	assert_true(access_enabled(access));
	folder_write(folder, "two", "short");
	access_refresh(access);
	assert_int_equal(ask(access, "Bearer short", &role), STATUS_UNAUTHENTICATED);
	folder_write(folder, "one", "token-new");
	access_refresh(access);
	assert_int_equal(ask(access, "Bearer token-new", &role), STATUS_OK);
	access_close(access);
}

static void users_can_be_added_later(void **state)
{
	struct access *access;
	enum access_role role;

	folder_write(folder, "web.yml", "http_server_config: {http2: true}\n");
	access = open_quietly(at("web.yml"), NULL, 0, NULL);
	assert_false(access_enabled(access));
	write_users("first", "other");
	access_refresh(access);
	assert_true(access_enabled(access));
	assert_int_equal(ask(access, NULL, &role), STATUS_UNAUTHENTICATED);
	access_close(access);
}

/* ---- the file ---- */

static char *complaints_of(const char *yaml)
{
	char *complaints;
	struct access *access;

	folder_write(folder, "web.yml", yaml);
	access = open_quietly(at("web.yml"), NULL, 0, &complaints);
	access_close(access);
	if (access)
		assert_null(strstr(complaints, "error:"));
	return complaints;
}

static void assert_complaint(const char *yaml, const char *wanted)
{
	char *complaints = complaints_of(yaml);

	if (!strstr(complaints, wanted))
		print_error("%s -> %s", yaml, complaints);
	assert_non_null(strstr(complaints, wanted));
	mem_free(complaints);
}

static void bad_web_configuration_is_named_with_its_place(void **state)
{
	assert_complaint("basic_auth_user:\n  a: b\n", "web.yml:1:1: error");
	assert_complaint("basic_auth_user:\n  a: b\n", "basic_auth_users");
	assert_complaint("basic_auth_users:\n  alice: hunter2\n", "web.yml:2:10: error");
	assert_complaint("basic_auth_users:\n  alice: hunter2\n", "no bcrypt hash");
	assert_complaint("basic_auth_users: [a]\n", "names with their bcrypt hashes");
	assert_complaint("basic_auth_users:\n  'a:b': $2y$04$abcdefghijklmnopqrstuu\n", "no colon");
	assert_complaint("basic_auth_users:\n  a: "
			 "$2y$17$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234\n",
		"at most 16");
	assert_complaint("tls_server_config: {cert_file: c.pem}\n", "key_file");
	assert_complaint("tls_server_config: {cert_file: c.pem, key_file: k.pem, client_auth_type: "
			 "RequireAndVerifyClientCert}\n",
		"needs client_ca_file");
	assert_complaint(
		"tls_server_config: {cert_file: c.pem, key_file: k.pem, client_auth_type: Yes}\n",
		"client_auth_type");
	assert_complaint(
		"tls_server_config: {cert_file: c.pem, key_file: k.pem, client_ca_file: a.pem}\n",
		"no effect without client_auth_type");
	assert_complaint(
		"tls_server_config: {cert_file: c.pem, key_file: k.pem, client_allowed_sans: [a]}\n",
		"client_allowed_sans is not supported");
	assert_complaint(
		"tls_server_config: {cert_file: c.pem, key_file: k.pem, min_version: TLS13, "
		"max_version: TLS12}\n",
		"below min_version");
	assert_complaint(
		"tls_server_config: {cert_file: c.pem, key_file: k.pem, curve_preferences: [P]}\n",
		"CurveP256");
	assert_complaint("tls_server_config: {cert_file: c.pem, key_file: k.pem}\n", "c.pem");
	assert_complaint("http_server_config: {headers: {X-Frame-Option: deny}}\n",
		"X-Frame-Options");
	assert_complaint("- a\n", "error");
}

static void bcrypt_hashes_are_told_from_others(void **state)
{
	assert_int_equal(bcrypt_cost(
				 "$2y$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"),
		10);
	assert_int_equal(bcrypt_cost(
				 "$2a$04$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"),
		4);
	assert_int_equal(bcrypt_cost(
				 "$2x$04$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"),
		0);
	assert_int_equal(bcrypt_cost(
				 "$2y$03$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"),
		0);
	assert_int_equal(bcrypt_cost(
				 "$2y$32$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"),
		0);
	assert_int_equal(bcrypt_cost("$2y$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz0123"),
		0);
	assert_int_equal(bcrypt_cost(
				 "$2y$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz0123!"),
		0);
	assert_int_equal(bcrypt_cost("$6$abc$def"), 0);
	assert_int_equal(bcrypt_cost(""), 0);
}

static void certificate_and_key_must_belong_together(void **state)
{
	struct certificate one = certificate_make("one", CERTIFICATE_SERVER, NULL, 3600);
	struct certificate two = certificate_make("two", CERTIFICATE_SERVER, NULL, 3600);
	struct access *access;
	struct access_tls tls;

	certificate_write(&one, at("c.pem"), at("k.pem"));
	certificate_write(&two, NULL, at("other.pem"));
	assert_complaint("tls_server_config: {cert_file: c.pem, key_file: other.pem}\n",
		"the key is not the certificate's");
	assert_complaint("tls_server_config: {cert_file: k.pem, key_file: k.pem}\n",
		"no PEM block");
	/* Paths are relative to the file. */
	folder_write(folder, "web.yml",
		"tls_server_config:\n  cert_file: c.pem\n  key_file: k.pem\n  min_version: TLS13\n"
		"  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  curve_preferences: [X25519, CurveP256]\n");
	access = open_quietly(at("web.yml"), NULL, 0, NULL);
	assert_true(access_has_tls(access));
	assert_false(access_enabled(access)); /* TLS alone asks nobody who he is */
	assert_int_equal(access_tls_copy(access, &tls), STATUS_OK);
	assert_non_null(strstr(tls.certificate, "BEGIN CERTIFICATE"));
	assert_string_equal(tls.min_version, "TLS13");
	assert_string_equal(tls.curves, "GROUP-X25519,GROUP-SECP256R1");
	access_tls_fini(&tls);
	/* A reload does not take TLS away. */
	folder_write(folder, "web.yml", "");
	access_refresh(access);
	assert_true(access_has_tls(access));
	assert_int_equal(access_tls_copy(access, &tls), STATUS_OK);
	assert_non_null(tls.certificate);
	access_tls_fini(&tls);
	access_close(access);
	certificate_free(&one);
	certificate_free(&two);
}

static void required_certificate_is_a_credential(void **state)
{
	struct certificate ca = certificate_make("ca", CERTIFICATE_CA, NULL, 3600);
	struct certificate server = certificate_make("s", CERTIFICATE_SERVER, &ca, 3600);
	struct access *access;
	enum access_role role;
	char identity[64], text[512];
	static const char tls[] =
		"tls_server_config: {cert_file: c.pem, key_file: k.pem, client_ca_file: ca.pem, "
		"client_auth_type: RequireAndVerifyClientCert}\n";

	certificate_write(&ca, at("ca.pem"), NULL);
	certificate_write(&server, at("c.pem"), at("k.pem"));
	folder_write(folder, "web.yml", tls);
	access = open_quietly(at("web.yml"), NULL, 0, NULL);
	assert_true(access_enabled(access));
	assert_int_equal(access_check(access, NULL, false, &role, identity, sizeof(identity)),
		STATUS_UNAUTHENTICATED);
	assert_int_equal(access_check(access, NULL, true, &role, identity, sizeof(identity)),
		STATUS_OK);
	assert_int_equal(role, ACCESS_ADMIN);
	assert_string_equal(identity, "client certificate");
	access_close(access);
	/* Beside users it is needed and not enough. */
	snprintf(text, sizeof(text), "%sbasic_auth_users: {a: %s}\n", tls, hash_of("b"));
	folder_write(folder, "web.yml", text);
	access = open_quietly(at("web.yml"), NULL, 0, NULL);
	assert_int_equal(access_check(access, NULL, true, &role, identity, sizeof(identity)),
		STATUS_UNAUTHENTICATED);
	basic(text, sizeof(text), "a:b");
	assert_int_equal(access_check(access, text, false, &role, identity, sizeof(identity)),
		STATUS_UNAUTHENTICATED);
	assert_int_equal(access_check(access, text, true, &role, identity, sizeof(identity)),
		STATUS_OK);
	access_close(access);
	certificate_free(&server);
	certificate_free(&ca);
}

static void count_header(const char *name, const char *value, void *argument)
{
	assert_string_equal(name, "X-Frame-Options");
	assert_string_equal(value, "deny");
	++*(int *)argument;
}

static void configured_headers_are_given(void **state)
{
	struct access *access;
	int count = 0;

	folder_write(folder, "web.yml",
		"http_server_config:\n  http2: true\n  headers:\n"
		"    X-Frame-Options: deny\n");
	access = open_quietly(at("web.yml"), NULL, 0, NULL);
	access_each_header(access, count_header, &count);
	assert_int_equal(count, 1);
	access_close(access);
}

/* ---- passwords ---- */

static void bcrypt_is_paid_once(void **state)
{
	struct clock_manual clock;
	struct passwords *passwords;
	char hash[128];

	clock_manual_init(&clock, 1000);
	passwords = passwords_open(&clock.clock);
	snprintf(hash, sizeof(hash), "%s", hash_of("right"));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(password_check(passwords, "u", "right", hash, 4), STATUS_OK);
		assert_int_equal(password_check(passwords, "u", "wrong", hash, 4),
			STATUS_UNAUTHENTICATED);
		assert_int_equal(password_check(passwords, "v", "right", NULL, 4),
			STATUS_UNAUTHENTICATED);
	}
	assert_int_equal(passwords_computed(passwords), 3);
	/* A wrong one is forgotten after a while, a right one is not. */
	clock_manual_advance(&clock, PASSWORD_WRONG_MS + 1);
	assert_int_equal(password_check(passwords, "u", "wrong", hash, 4), STATUS_UNAUTHENTICATED);
	assert_int_equal(password_check(passwords, "u", "right", hash, 4), STATUS_OK);
	assert_int_equal(passwords_computed(passwords), 4);
	/* For another stored hash nothing is remembered. */
	snprintf(hash, sizeof(hash), "%s", hash_of("new"));
	assert_int_equal(password_check(passwords, "u", "right", hash, 4), STATUS_UNAUTHENTICATED);
	assert_int_equal(passwords_computed(passwords), 5);
	passwords_close(passwords);
}

static void many_wrong_passwords_do_not_push_out_what_is_used(void **state)
{
	struct clock_manual clock;
	struct passwords *passwords;
	char hash[128], guess[32];
	uint64_t computed;

	clock_manual_init(&clock, 1000);
	passwords = passwords_open(&clock.clock);
	snprintf(hash, sizeof(hash), "%s", hash_of("right"));
	for (int i = 0; i < 600; i++) {
		snprintf(guess, sizeof(guess), "guess%d", i);
		assert_int_equal(password_check(passwords, "u", guess, hash, 4),
			STATUS_UNAUTHENTICATED);
		clock_manual_advance(&clock, 1);
		assert_int_equal(password_check(passwords, "u", "right", hash, 4), STATUS_OK);
	}
	computed = passwords_computed(passwords);
	assert_int_equal(computed, 601);
	passwords_close(passwords);
}

struct guesser {
	struct passwords *passwords;
	const char *hash;
	int index;
	_Atomic int busy, wrong;
	pthread_t thread;
};

static void *guess_slowly(void *argument)
{
	struct guesser *guesser = argument;
	char guess[32];

	for (int i = 0; i < 4; i++) {
		enum status status;

		snprintf(guess, sizeof(guess), "guess%d-%d", guesser->index, i);
		status = password_check(guesser->passwords, "u", guess, guesser->hash, 4);
		if (status == STATUS_BUSY)
			guesser->busy++;
		else if (status == STATUS_UNAUTHENTICATED)
			guesser->wrong++;
	}
	return NULL;
}

static void few_passwords_are_hashed_at_once(void **state)
{
	static struct crypt_data work;
	struct passwords *passwords = passwords_open(clock_system());
	struct guesser guessers[8];
	const char *hash = crypt_r("right", "$2y$09$abcdefghijklmnopqrstuu", &work);
	int busy = 0, wrong = 0;

	for (int i = 0; i < 8; i++) {
		guessers[i] = (struct guesser){.passwords = passwords, .hash = hash, .index = i};
		pthread_create(&guessers[i].thread, NULL, guess_slowly, &guessers[i]);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(guessers[i].thread, NULL);
		busy += guessers[i].busy;
		wrong += guessers[i].wrong;
	}
	assert_int_equal(busy + wrong, 32);
	assert_true(busy > 0);
	assert_true(wrong >= PASSWORD_CHECKS_MAX);
	passwords_close(passwords);
}

static void basic_credentials_are_decoded_strictly(void **state)
{
	struct basic_credentials given;
	char *large;

	assert_true(basic_decode("YTpi", &given));
	assert_string_equal(given.user, "a");
	assert_string_equal(given.password, "b");
	assert_true(basic_decode("YTpiOmM= ", &given));
	assert_string_equal(given.password, "b:c");
	assert_true(basic_decode("Og==", &given));
	assert_string_equal(given.user, "");
	assert_false(basic_decode("", &given));
	assert_false(basic_decode("YTp", &given));
	assert_false(basic_decode("YT=p", &given));
	assert_false(basic_decode("====", &given));
	assert_false(basic_decode("YTpi!AAA", &given));
	assert_false(basic_decode("YWI=", &given));     /* no colon */
	assert_false(basic_decode("YTpiAGM=", &given)); /* a NUL */
	large = calloc(1, 4001);
	memset(large, 'Y', 4000);
	assert_false(basic_decode(large, &given));
	free(large);
}

static void allocation_failure_is_an_answer(void **state)
{
	const struct access_token tokens[] = {{"reader", at("token"), ACCESS_READ}};
	struct certificate server = certificate_make("s", CERTIFICATE_SERVER, NULL, 3600);
	char text[512];
	bool reached = true;

	certificate_write(&server, at("c.pem"), at("k.pem"));
	snprintf(text, sizeof(text),
		"tls_server_config: {cert_file: c.pem, key_file: k.pem}\n"
		"http_server_config: {headers: {X-Frame-Options: deny}}\n"
		"basic_auth_users: {a: %s}\n",
		hash_of("b"));
	folder_write(folder, "web.yml", text);
	folder_write(folder, "token", "some-token");
	for (long nth = 1; reached; nth++) {
		struct diagnostics diagnostics;
		struct access *access;
		enum access_role role;

		diagnostics_init(&diagnostics);
		mem_fail_after(nth, false);
		access = access_open(at("web.yml"), tokens, 1, &diagnostics);
		if (access) {
			assert_int_not_equal(ask(access, "Bearer other-token", &role), STATUS_OK);
			assert_int_not_equal(ask_basic(access, "a:c"), STATUS_OK);
			assert_true(access_enabled(access));
		}
		reached = mem_fail_after(0, false);
		access_close(access);
		diagnostics_fini(&diagnostics);
	}
	certificate_free(&server);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_allow_what_they_name),
		cmocka_unit_test(without_configuration_everybody_is_admin),
		WITH(right_password_opens_and_a_wrong_one_does_not),
		WITH(users_get_their_role),
		WITH(tokens_carry_their_roles),
		WITH(bad_tokens_are_refused_at_the_start),
		WITH(changed_files_are_taken_over),
		WITH(files_are_looked_at_by_the_requests_themselves),
		WITH(broken_file_leaves_the_old_users),
		WITH(token_whose_file_is_gone_is_void),
		WITH(users_can_be_added_later),
		WITH(bad_web_configuration_is_named_with_its_place),
		cmocka_unit_test(bcrypt_hashes_are_told_from_others),
		WITH(certificate_and_key_must_belong_together),
		WITH(required_certificate_is_a_credential),
		WITH(configured_headers_are_given),
		cmocka_unit_test(bcrypt_is_paid_once),
		cmocka_unit_test(many_wrong_passwords_do_not_push_out_what_is_used),
		cmocka_unit_test(few_passwords_are_hashed_at_once),
		cmocka_unit_test(basic_credentials_are_decoded_strictly),
		WITH(allocation_failure_is_an_answer),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
