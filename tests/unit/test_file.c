/*
 * Whole files: what is read is what is there, a write is the old file or the new one, and what has
 * to be synced is synced before and after the rename. fsync() is this program's own, so that
 * the order can be seen and its failure made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <dirent.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static char folder[400];
static char path[PATH_MAX];

/* What fsync() saw: 'f' a file while path was still old, 'F' a file when path was new, 'd' a folder
 * while path was old, 'D' a folder when it was new. */
static char synced[16];
static int sync_errno;

static char first_byte_of(const char *name)
{
	char text[8];
	int descriptor = open(name, O_RDONLY);
	ssize_t got = descriptor < 0 ? 0 : read(descriptor, text, sizeof(text));

	if (descriptor >= 0)
		close(descriptor);
	return got > 0 ? text[0] : '\0';
}

int fsync(int descriptor)
{
	struct stat about;
	bool is_new = first_byte_of(path) == 'n', is_folder;
	size_t length = strlen(synced);

	fstat(descriptor, &about);
	is_folder = S_ISDIR(about.st_mode);
	if (length + 1 < sizeof(synced))
		synced[length] = is_folder ? (is_new ? 'D' : 'd') : (is_new ? 'F' : 'f');
	if (sync_errno != 0) {
		errno = sync_errno;
		return -1;
	}
	return (int)syscall(SYS_fsync, descriptor);
}

static int make_place(void **state)
{
	const char *root = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/test_file.XXXXXX", root != NULL ? root : "/tmp");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/file", folder);
	memset(synced, 0, sizeof(synced));
	sync_errno = 0;
	return 0;
}

static int remove_place(void **state)
{
	char name[500];
	DIR *listing = opendir(folder);
	struct dirent *entry;

	while (listing != NULL && (entry = readdir(listing)) != NULL) {
		snprintf(name, sizeof(name), "%s/%.80s", folder, entry->d_name);
		unlink(name);
	}
	if (listing != NULL)
		closedir(listing);
	rmdir(folder);
	return 0;
}

static size_t count_entries(void)
{
	DIR *listing = opendir(folder);
	size_t count = 0;

	assert_non_null(listing);
	while (readdir(listing) != NULL)
		count++;
	closedir(listing);
	return count - 2;
}

static void put(const char *text, size_t size)
{
	int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(descriptor >= 0);
	assert_int_equal(write(descriptor, text, size), size);
	close(descriptor);
}

static void assert_content(const char *expected)
{
	struct buf buf;

	buf_init(&buf, 1000);
	assert_int_equal(file_read(path, &buf, NULL), STATUS_OK);
	assert_string_equal(buf.data, expected);
	buf_fini(&buf);
}

static void reading_appends_the_whole_file(void **state)
{
	struct buf buf;

	put("abc\0def", 7);
	buf_init(&buf, 100);
	buf_add_text(&buf, "> ");
	assert_int_equal(file_read(path, &buf, NULL), STATUS_OK);
	assert_int_equal(buf.size, 9);
	assert_memory_equal(buf.data, "> abc\0def", 10);
	buf_fini(&buf);
}

static void an_empty_file_is_empty_text(void **state)
{
	struct buf buf;

	put("", 0);
	buf_init(&buf, 100);
	assert_int_equal(file_read(path, &buf, NULL), STATUS_OK);
	assert_int_equal(buf.size, 0);
	assert_string_equal(buf.data, "");
	buf_fini(&buf);
}

static void a_file_that_just_fits_is_read_and_one_more_byte_is_too_large(void **state)
{
	static char text[200000];

	memset(text, 'x', sizeof(text));
	for (size_t size = 0; size < 200000; size = size * 2 + 1) {
		struct error error;
		struct buf buf;

		put(text, size);
		buf_init(&buf, size);
		assert_int_equal(file_read(path, &buf, &error), STATUS_OK);
		assert_int_equal(buf.size, size);
		buf_fini(&buf);
		if (size == 0)
			continue;
		buf_init(&buf, size + 3);
		buf_add_text(&buf, "kept");
		assert_int_equal(file_read(path, &buf, &error), STATUS_TOO_LARGE);
		assert_non_null(strstr(error.text, path));
		assert_string_equal(buf.data, "kept");
		assert_true(buf_ok(&buf));
		buf_fini(&buf);
	}
}

static void what_cannot_be_read_is_named(void **state)
{
	struct error error;
	struct buf buf;

	buf_init(&buf, 100);
	buf_add_text(&buf, "kept");
	assert_int_equal(file_read(path, &buf, &error), STATUS_NOT_FOUND);
	assert_int_equal(error.code, STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, path));
	assert_non_null(strstr(error.text, "No such file"));
	assert_int_equal(file_read(folder, &buf, &error), STATUS_IO);
	assert_non_null(strstr(error.text, folder));
	assert_int_equal(file_read(folder, &buf, NULL), STATUS_IO);
	assert_string_equal(buf.data, "kept");
	buf_fini(&buf);
}

static void a_fifo_neither_hangs_nor_passes_as_empty(void **state)
{
	struct error error;
	struct buf buf;

	assert_int_equal(mkfifo(path, 0600), 0);
	buf_init(&buf, 100);
	assert_int_equal(file_read(path, &buf, &error), STATUS_IO);
	assert_non_null(strstr(error.text, "not a plain file"));
	buf_fini(&buf);
}

static void a_write_makes_the_file_with_its_mode(void **state)
{
	mode_t old = umask(077);
	struct stat about;

	assert_int_equal(file_write_atomic(path, "new", 3, 0644, NULL), STATUS_OK);
	umask(old);
	assert_content("new");
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0644);
	assert_int_equal(count_entries(), 1);
}

static void the_file_is_synced_before_and_the_folder_after_the_rename(void **state)
{
	put("old", 3);
	assert_int_equal(file_write_atomic(path, "new", 3, 0600, NULL), STATUS_OK);
	assert_content("new");
	assert_string_equal(synced, "fD");
}

static void a_failed_sync_leaves_the_old_file_and_nothing_else(void **state)
{
	struct error error;

	put("old", 3);
	sync_errno = EIO;
	assert_int_equal(file_write_atomic(path, "new", 3, 0600, &error), STATUS_IO);
	assert_non_null(strstr(error.text, path));
	assert_content("old");
	assert_int_equal(count_entries(), 1);
}

static void a_full_disk_leaves_the_old_file_and_nothing_else(void **state)
{
	static char large[100000];
	struct rlimit limit, old;

	put("old", 3);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 50000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(file_write_atomic(path, large, sizeof(large), 0600, NULL), STATUS_IO);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_content("old");
	assert_int_equal(count_entries(), 1);
}

static void a_write_into_no_folder_says_so(void **state)
{
	char missing[PATH_MAX];
	struct error error;

	snprintf(missing, sizeof(missing), "%s/none/file", folder);
	assert_int_equal(file_write_atomic(missing, "x", 1, 0600, &error), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, missing));
	memset(missing, 'x', sizeof(missing) - 1);
	missing[sizeof(missing) - 1] = '\0';
	assert_int_equal(file_write_atomic(missing, "x", 1, 0600, &error), STATUS_IO);
	/* A folder cannot be replaced by a file, and the temporary file goes away again. */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_write_atomic(path, "x", 1, 0600, &error), STATUS_IO);
	assert_int_equal(count_entries(), 1);
	rmdir(path);
}

static void a_name_without_a_folder_is_here(void **state)
{
	char before[PATH_MAX];

	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(file_write_atomic("file", "new", 3, 0600, NULL), STATUS_OK);
	assert_int_equal(chdir(before), 0);
	assert_content("new");
	assert_string_equal(synced, "fD");
}

static void folders_are_made_with_their_parents(void **state)
{
	char deep[PATH_MAX], parent[PATH_MAX];
	struct stat about;

	snprintf(parent, sizeof(parent), "%s/a", folder);
	snprintf(deep, sizeof(deep), "%s/a//b/", folder);
	assert_int_equal(file_make_folder(deep, NULL), STATUS_OK);
	assert_int_equal(file_make_folder(deep, NULL), STATUS_OK);
	assert_int_equal(stat(deep, &about), 0);
	assert_true(S_ISDIR(about.st_mode));
	assert_int_equal(about.st_mode & 0777, 0700);
	assert_int_equal(file_make_folder("/", NULL), STATUS_OK);
	rmdir(deep);
	rmdir(parent);
}

static void a_file_in_the_way_of_a_folder_is_named(void **state)
{
	char below[PATH_MAX + 8];
	struct error error;

	put("x", 1);
	snprintf(below, sizeof(below), "%s/below", path);
	assert_int_equal(file_make_folder(path, &error), STATUS_IO);
	assert_non_null(strstr(error.text, path));
	assert_int_equal(file_make_folder(below, &error), STATUS_IO);
	assert_int_equal(file_make_folder("", &error), STATUS_BAD_INPUT);
}

static void the_stamp_changes_with_the_file(void **state)
{
	uint64_t first, second, third;

	assert_int_equal(file_stamp(path), 0);
	put("old", 3);
	first = file_stamp(path);
	assert_int_not_equal(first, 0);
	assert_true(file_stamp(path) == first);
	put("longer", 6);
	second = file_stamp(path);
	assert_true(second != first);
	assert_int_equal(file_write_atomic(path, "nineby", 6, 0600, NULL), STATUS_OK);
	third = file_stamp(path);
	assert_true(third != second && third != 0);
}

static void the_stamp_changes_with_the_size_alone(void **state)
{
	const struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
	uint64_t first;

	put("old", 3);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	first = file_stamp(path);
	put("longer", 6);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_true(file_stamp(path) != first);
}

static void a_secret_is_read_without_its_newline(void **state)
{
	char *text = NULL;

	put("  tok en \r\n\n", 12);
	assert_int_equal(file_read_secret(path, &text, NULL), STATUS_OK);
	assert_string_equal(text, "  tok en");
	mem_free(text);
}

static void what_is_no_secret_is_refused(void **state)
{
	static char large[65537];
	struct error error;
	char *text = large;

	assert_int_equal(file_read_secret(path, &text, &error), STATUS_NOT_FOUND);
	assert_null(text);
	put(" \n", 2);
	assert_int_equal(file_read_secret(path, &text, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, path));
	put("a\0b", 3);
	assert_int_equal(file_read_secret(path, &text, &error), STATUS_BAD_INPUT);
	memset(large, 'x', sizeof(large));
	put(large, sizeof(large));
	assert_int_equal(file_read_secret(path, &text, &error), STATUS_TOO_LARGE);
	put(large, sizeof(large) - 1);
	assert_int_equal(file_read_secret(path, &text, &error), STATUS_OK);
	assert_int_equal(strlen(text), 65536);
	mem_free(text);
}

static void failed_allocation_is_an_answer(void **state)
{
	bool reached = true;

	put("secret", 6);
	for (long nth = 1; reached; nth++) {
		struct error error;
		struct buf buf;
		char *text = NULL;
		enum status secret, whole;

		buf_init(&buf, 100);
		error_reset(&error);
		mem_fail_after(nth, false);
		secret = file_read_secret(path, &text, &error);
		whole = file_read(path, &buf, &error);
		reached = mem_fail_after(0, false);
		assert_int_equal(secret == STATUS_NO_MEMORY || whole == STATUS_NO_MEMORY, reached);
		assert_true((secret == STATUS_OK) == (text != NULL));
		if (reached)
			assert_non_null(strstr(error.text, path));
		mem_free(text);
		buf_fini(&buf);
		assert_true(nth < 20);
	}
}

static void a_draft_takes_the_name_when_it_is_whole(void **state)
{
	struct file_draft *draft, *second;
	struct error error;
	struct stat about;
	char temporary[PATH_MAX + 16];
	struct buf buf;

	assert_int_equal(file_write_atomic(path, "old", 3, 0600, &error), STATUS_OK);
	memset(synced, 0, sizeof(synced));
	draft = file_draft_begin(path, 0640, &error);
	assert_non_null(draft);
	assert_int_equal(file_draft_add(draft, "ne", 2, &error), STATUS_OK);
	assert_int_equal(first_byte_of(path), 'o');
	/* One writer at a time. */
	second = file_draft_begin(path, 0640, &error);
	assert_null(second);
	assert_int_equal(error.code, STATUS_BUSY);
	assert_int_equal(file_draft_add(draft, "w", 1, &error), STATUS_OK);
	assert_int_equal(file_draft_commit(draft, &error), STATUS_OK);
	assert_string_equal(synced, "fD");
	buf_init(&buf, 100);
	assert_int_equal(file_read(path, &buf, &error), STATUS_OK);
	assert_string_equal(buf.data, "new");
	buf_fini(&buf);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0640);
	/* Given up, or failed at the sync: the file stays, the draft goes. */
	snprintf(temporary, sizeof(temporary), "%s.draft", path);
	draft = file_draft_begin(path, 0640, &error);
	assert_int_equal(file_draft_add(draft, "x", 1, &error), STATUS_OK);
	assert_int_equal(stat(temporary, &about), 0);
	file_draft_abort(draft);
	assert_int_not_equal(stat(temporary, &about), 0);
	draft = file_draft_begin(path, 0640, &error);
	sync_errno = EIO;
	assert_int_equal(file_draft_commit(draft, &error), STATUS_IO);
	sync_errno = 0;
	assert_int_not_equal(stat(temporary, &about), 0);
	assert_int_equal(first_byte_of(path), 'n');
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(reading_appends_the_whole_file),
		IN_PLACE(an_empty_file_is_empty_text),
		IN_PLACE(a_file_that_just_fits_is_read_and_one_more_byte_is_too_large),
		IN_PLACE(what_cannot_be_read_is_named),
		IN_PLACE(a_fifo_neither_hangs_nor_passes_as_empty),
		IN_PLACE(a_write_makes_the_file_with_its_mode),
		IN_PLACE(the_file_is_synced_before_and_the_folder_after_the_rename),
		IN_PLACE(a_failed_sync_leaves_the_old_file_and_nothing_else),
		IN_PLACE(a_full_disk_leaves_the_old_file_and_nothing_else),
		IN_PLACE(a_write_into_no_folder_says_so),
		IN_PLACE(a_name_without_a_folder_is_here),
		IN_PLACE(folders_are_made_with_their_parents),
		IN_PLACE(a_file_in_the_way_of_a_folder_is_named),
		IN_PLACE(the_stamp_changes_with_the_file),
		IN_PLACE(the_stamp_changes_with_the_size_alone),
		IN_PLACE(a_secret_is_read_without_its_newline),
		IN_PLACE(what_is_no_secret_is_refused),
		IN_PLACE(failed_allocation_is_an_answer),
		IN_PLACE(a_draft_takes_the_name_when_it_is_whole),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
