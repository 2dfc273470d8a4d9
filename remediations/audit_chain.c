/*
 * Hashing is on the way of every acknowledgement: the algorithm is fetched once, for looking it up
 * costs as much as hashing a short record.
 */
#include "remediations/audit_chain.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/check.h"

enum status chain_hasher_init(struct chain_hasher *hasher, struct error *error)
{
	hasher->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	hasher->state = EVP_MD_CTX_new();
	if (hasher->algorithm != NULL && hasher->state != NULL)
		return STATUS_OK;
	chain_hasher_fini(hasher);
	return error_set(error, STATUS_NO_MEMORY, "SHA-256 is not to be had");
}

void chain_hasher_fini(struct chain_hasher *hasher)
{
	EVP_MD_CTX_free(hasher->state);
	EVP_MD_free(hasher->algorithm);
	*hasher = (struct chain_hasher){NULL, NULL};
}

static bool begin(struct chain_hasher *hasher)
{
	return EVP_DigestInit_ex(hasher->state, hasher->algorithm, NULL) == 1;
}

static bool end(struct chain_hasher *hasher, unsigned char hash[JOURNAL_HASH_SIZE])
{
	return EVP_DigestFinal_ex(hasher->state, hash, NULL) == 1;
}

static bool add(struct chain_hasher *hasher, const void *bytes, size_t size)
{
	return EVP_DigestUpdate(hasher->state, bytes, size) == 1;
}

static bool add_number(struct chain_hasher *hasher, uint64_t number)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(number >> (56 - 8 * i));
	return add(hasher, bytes, sizeof(bytes));
}

/* With its size before it, so that no two records look alike to the hash. */
static bool add_text(struct chain_hasher *hasher, const struct chain_text *text)
{
	return add_number(hasher, text->size) && add(hasher, text->text, text->size);
}

static bool add_fields(struct chain_hasher *hasher, const struct chain_row *row)
{
	return add_number(hasher, (uint64_t)row->number) &&
		add_number(hasher, (uint64_t)row->time_ms) &&
		add_number(hasher, (uint64_t)row->kind) &&
		add_number(hasher, (uint64_t)row->ended) && add_text(hasher, &row->key) &&
		add_text(hasher, &row->incident) && add_text(hasher, &row->body);
}

enum status chain_digest(struct chain_hasher *hasher, const struct chain_row *row,
	unsigned char digest[JOURNAL_HASH_SIZE])
{
	bool good = begin(hasher) && add_fields(hasher, row) && end(hasher, digest);

	return good ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status chain_link(struct chain_hasher *hasher, const unsigned char before[JOURNAL_HASH_SIZE],
	const unsigned char digest[JOURNAL_HASH_SIZE], unsigned char hash[JOURNAL_HASH_SIZE])
{
	bool good = begin(hasher) && add(hasher, before, JOURNAL_HASH_SIZE) &&
		add(hasher, digest, JOURNAL_HASH_SIZE) && end(hasher, hash);

	return good ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status chain_link_old(struct chain_hasher *hasher,
	const unsigned char before[JOURNAL_HASH_SIZE], const struct chain_row *row,
	unsigned char hash[JOURNAL_HASH_SIZE])
{
	bool good = begin(hasher) && add(hasher, before, JOURNAL_HASH_SIZE) &&
		add_fields(hasher, row) && end(hasher, hash);

	return good ? STATUS_OK : STATUS_NO_MEMORY;
}

static bool read_text(sqlite3_stmt *statement, int column, struct chain_text *text)
{
	if (sqlite3_column_type(statement, column) != SQLITE_TEXT)
		return false;
	text->text = (const char *)sqlite3_column_text(statement, column);
	text->size = (size_t)sqlite3_column_bytes(statement, column);
	return text->text != NULL;
}

const char *chain_row_read(sqlite3_stmt *statement, struct chain_row *row)
{
	static const char *const names[] = {"number", "time", "kind", "ended"};

	*row = (struct chain_row){.number = sqlite3_column_int64(statement, 0)};
	for (int i = 0; i < 4; i++)
		if (sqlite3_column_type(statement, i) != SQLITE_INTEGER)
			return names[i];
	row->time_ms = sqlite3_column_int64(statement, 1);
	row->kind = sqlite3_column_int64(statement, 2);
	row->ended = sqlite3_column_int64(statement, 3);
	if (!read_text(statement, 4, &row->key))
		return "key";
	if (!read_text(statement, 5, &row->incident))
		return "incident";
	if (!read_text(statement, 6, &row->body))
		return "body";
	row->hash = sqlite3_column_blob(statement, 7);
	if (sqlite3_column_type(statement, 7) != SQLITE_BLOB || row->hash == NULL ||
		sqlite3_column_bytes(statement, 7) != JOURNAL_HASH_SIZE)
		return "hash";
	return NULL;
}

void chain_hex(const unsigned char hash[JOURNAL_HASH_SIZE], char text[JOURNAL_HASH_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < JOURNAL_HASH_SIZE; i++) {
		text[2 * i] = digits[hash[i] >> 4];
		text[2 * i + 1] = digits[hash[i] & 15];
	}
	text[JOURNAL_HASH_TEXT_SIZE - 1] = '\0';
}

bool chain_unhex(const char *text, size_t size, unsigned char hash[JOURNAL_HASH_SIZE])
{
	if (size != JOURNAL_HASH_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < size; i++) {
		int digit = text[i] >= '0' && text[i] <= '9' ? text[i] - '0'
			: text[i] >= 'a' && text[i] <= 'f'   ? text[i] - 'a' + 10
							     : -1;

		if (digit < 0)
			return false;
		hash[i / 2] = (unsigned char)(i % 2 ? hash[i / 2] | digit : digit << 4);
	}
	return true;
}
