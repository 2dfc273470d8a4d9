/*
 * From the first byte of a webhook to the first byte of the change on the API connection: the service as
 * a program of its own in mode auto without holds, against an API server of this process that answers
 * at once; and how long 1,000 alerts a second wait for their acknowledgement. Beside each stands a bare
 * fdatasync() of 4 KiB on the same file system in the same run, and a plain webhook runner that starts
 * kubectl (or, where there is none, /bin/true, which does nothing at all).
 *
 * The bare sync is that of a block written over what stands in a file of fixed length, as the journal's log
 * is written; one of a block that makes its file longer is printed beside it. Between each hundred of the
 * changes some are measured, as a busy machine is another one a few seconds later.
 *
 * The API server of this process serves watches, as each API server does, but for one bookmark nothing
 * happens in them.
 *
 * At the bar of some 20 ms a thousand a second keep twenty waiting, so that there are many more
 * connections than that: with fewer the senders would wait for each other.
 *
 * Of the syncs is told, too, how long a thousand arrivals a second would have waited for them: a sync that takes
 * 100 ms is one of a thousand in the list of syncs, and a hundred of ten thousand acknowledgements are late.
 *
 * On a machine that does other things as well most of the time goes by until the kernel runs a thread that
 * could run; what the service's threads waited for that is printed beside what they ran, as the kernel counts it,
 * with all that they did meanwhile: there is a scan of the workloads each second, too.
 *
 * Bars: change p99 < 2 ms + 2 * sync p99; acknowledgement p99 < 5 ms + sync p99.
 * The folder is $TMPDIR or /tmp; a real disk is wanted. The program is nimbusguard of the same mode.
 *
 *     bench_actions [changes|acks|runner]
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "remote_write/encode.h"
#include "tests/support/bench_api.h"
#include "tests/support/port.h"
#include "tests/support/thread_turns.h"

#define CHANGES 1000
#define CHANGES_A_SECOND 40
#define CHANGES_A_PART 100     /* with bare syncs between */
#define SYNCS_BESIDE_ACKS 1000 /* before and after */
#define SYNC_FILE_BYTES (4 << 20)
#define KUBECTL_CHANGES 40
#define ACKS_A_SECOND 1000
#define ACK_SECONDS 10
#define ACK_CONNECTIONS 64
#define PAGE_MAX ((size_t)16 << 20)

extern char **environ;

static char folder[256];
static struct port service_port;
static unsigned api_port;
static pid_t service;

static int64_t now_ns(void)
{
	return clock_mono_ns(clock_system());
}

/* ---- figures ---- */

struct samples {
	int64_t ns[20000];
	atomic_size_t count;
};

static struct samples syncs, appends, changes, acks, arrivals;

static int compare(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void add(struct samples *samples, int64_t ns)
{
	size_t i = atomic_fetch_add(&samples->count, 1);

	CHECK(i < sizeof(samples->ns) / sizeof(samples->ns[0]));
	samples->ns[i] = ns;
}

/* In milliseconds. */
static double quantile(struct samples *samples, unsigned percent)
{
	size_t count = atomic_load(&samples->count), rank = count * percent / 100;

	if (count == 0)
		return 0;
	qsort(samples->ns, count, sizeof(samples->ns[0]), compare);
	return (double)samples->ns[rank] / 1e6;
}

static void print(const char *name, struct samples *samples)
{
	double half = quantile(samples, 50), most = quantile(samples, 99);
	size_t count = atomic_load(&samples->count);

	printf("%-52s %6zu   p50 %8.3f ms   p99 %8.3f ms   max %8.3f ms\n", name, count, half, most,
		(double)samples->ns[count > 0 ? count - 1 : 0] / 1e6);
	fflush(stdout);
}

/* One block and its sync. */
static void sync_block(int descriptor, off_t at, struct samples *samples)
{
	static char block[4096];
	int64_t began = now_ns();

	CHECK(pwrite(descriptor, block, sizeof(block), at) == sizeof(block));
	CHECK(fdatasync(descriptor) == 0);
	add(samples, now_ns() - began);
	clock_sleep_ms(1);
}

static int open_sync_file(const char *name, off_t size)
{
	static char zeros[65536];
	char path[300];
	int descriptor;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(descriptor >= 0);
	for (off_t at = 0; at < size; at += (off_t)sizeof(zeros))
		CHECK(pwrite(descriptor, zeros, sizeof(zeros), at) == sizeof(zeros));
	CHECK(fdatasync(descriptor) == 0);
	return descriptor;
}

/* How long 1,000 arrivals a second would have waited for these syncs, had they been one after the other: each
 * for the end of the sync under way and for the next. A sync of 100 ms is one of many here, and met by a hundred
 * arrivals there. In the order in which they were measured, so before any quantile. */
static void note_arrivals(const struct samples *from, struct samples *met)
{
	size_t count = atomic_load(&from->count);
	int64_t end = 0, arrival = 0;

	atomic_store(&met->count, 0);
	for (size_t i = 0; i + 1 < count; i++) {
		end += from->ns[i];
		while (arrival < end && atomic_load(&met->count) < ARRAY_COUNT(met->ns)) {
			add(met, end - arrival + from->ns[i + 1]);
			arrival += INT64_C(1000000000) / ACKS_A_SECOND;
		}
	}
}

static void bench_sync(int count)
{
	static int whole = -1, growing = -1;
	static off_t at;

	if (whole < 0) {
		whole = open_sync_file("sync-whole", SYNC_FILE_BYTES);
		growing = open_sync_file("sync-growing", 0);
	}
	for (int i = 0; i < count; i++, at += 4096) {
		sync_block(whole, at % SYNC_FILE_BYTES, &syncs);
		sync_block(growing, at, &appends);
	}
}

/* ---- the service ---- */

static void start_service(const char *program, const char *playbook, bool storm)
{
	char url[64], address[64], storage[320], playbooks[320], request[BENCH_REQUEST_MAX];
	const char *argv[] = {program, "serve", "--mode=auto", "--no-dry-run", "--log.level=error",
		"--guard.startup-grace=0s", "--guard.cooldown=0s", "--guard.per-target=100000",
		"--guard.per-namespace=100000", "--guard.per-kind=100000",
		"--guard.per-cluster=100000", "--guard.concurrent=10000",
		"--remediate.opt-in={namespace=\"shop\"}", "--analyze.scan-interval=1s", url,
		address, storage, playbooks, storm ? NULL : "--guard.storm-alerts=1000000", NULL};
	int64_t first_ns;

	snprintf(url, sizeof(url), "--kubernetes.url=http://127.0.0.1:%u", api_port);
	snprintf(address, sizeof(address), "--web.listen-address=127.0.0.1:%u",
		service_port.number);
	snprintf(storage, sizeof(storage), "--storage.path=%s/%s", folder,
		storm ? "storm" : "quiet");
	snprintf(playbooks, sizeof(playbooks), "--remediate.playbooks=%s", playbook);
	CHECK(posix_spawn(&service, program, NULL, NULL, (char *const *)(uintptr_t)argv, environ) ==
		0);
	for (int tries = 0; tries < 200; tries++) {
		int fd;

		clock_sleep_ms(100);
		fd = bench_connect(service_port.number);
		if (fd < 0)
			continue;
		bench_send(fd, "GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n", 36);
		if (bench_receive(fd, request, &first_ns) &&
			strncmp(request, "HTTP/1.1 200", 12) == 0) {
			close(fd);
			return;
		}
		close(fd);
	}
	fprintf(stderr, "bench_actions: the service does not start\n");
	exit(1);
}

static void stop_service(void)
{
	int status;

	kill(service, SIGTERM);
	CHECK(waitpid(service, &status, 0) == service);
}

/* A sample of each workload, so that the service knows them. */
static void send_stream(void)
{
	struct error error;
	struct write_encoder *encoder = write_encoder_open(16 << 20, &error);
	int64_t t_ms = clock_now_ms(clock_system()), first_ns;
	char name[32], head[256], reply[BENCH_REQUEST_MAX];
	const void *body;
	double value = 2;
	size_t size;
	int fd = bench_connect(service_port.number);

	CHECK(encoder != NULL && fd >= 0);
	for (int i = 0; i < BENCH_WORKLOADS; i++) {
		struct label pairs[] = {{"__name__", "nimbusguard:workload_replicas:ready", 8, 35},
			{"namespace", "shop", 9, 4}, {"workload", name, 8, 0},
			{"workload_kind", "Deployment", 13, 10}};
		const struct labels labels = {pairs, 4};

		pairs[2].value_size = (uint32_t)snprintf(name, sizeof(name), "w-%d", i);
		CHECK(write_encoder_add(encoder, &labels, &t_ms, &value, 1) == STATUS_OK);
	}
	CHECK(write_encoder_finish(encoder, &body, &size, &error) == STATUS_OK);
	snprintf(head, sizeof(head),
		"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
		"Content-Encoding: snappy\r\nContent-Length: %zu\r\n\r\n",
		size);
	bench_send(fd, head, strlen(head));
	bench_send(fd, body, size);
	CHECK(bench_receive(fd, reply, &first_ns));
	if (strncmp(reply, "HTTP/1.1 204", 12) != 0)
		fprintf(stderr, "bench_actions: the stream was refused: %.200s\n", reply);
	close(fd);
	write_encoder_close(encoder);
	/* The next scan sees them. */
	clock_sleep_ms(2500);
}

/* POST of one alert; its text is the caller's. */
static size_t write_webhook(char *text, size_t room, const char *alertname, int workload,
	int serial)
{
	char body[1024];

	snprintf(body, sizeof(body),
		"{\"version\":\"4\",\"receiver\":\"bench\",\"status\":\"firing\",\"alerts\":[{"
		"\"status\":\"firing\",\"labels\":{\"alertname\":\"%s\",\"severity\":\"warning\","
		"\"namespace\":\"shop\",\"workload_kind\":\"Deployment\",\"workload\":\"w-%d\","
		"\"serial\":\"%d\"},\"annotations\":{\"summary\":\"a workload is saturated\"},"
		"\"startsAt\":\"2026-01-02T03:04:05Z\",\"endsAt\":\"0001-01-01T00:00:00Z\"}]}",
		alertname, workload, serial);
	return (size_t)snprintf(text, room,
		"POST /api/v1/webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);
}

/* ---- from the webhook to the change ---- */

/* When the change of this workload was seen first; 0: not within seconds. */
static int64_t await_change(int workload)
{
	for (int tries = 0; tries < 20000; tries++) {
		int64_t ns = bench_api_changed_ns(workload);

		if (ns != 0)
			return ns;
		clock_sleep_ns(500000);
	}
	return 0;
}

static void bench_changes(unsigned port, int from, int count, int64_t pause_ns,
	struct samples *samples)
{
	char text[4096], reply[BENCH_REQUEST_MAX];
	int64_t first_ns, next_ns = now_ns();
	int fd = bench_connect(port);

	CHECK(fd >= 0);
	for (int i = from; i < from + count; i++) {
		size_t size = write_webhook(text, sizeof(text), "BenchSaturated", i, i);
		int64_t began = now_ns(), changed;

		bench_send(fd, text, size);
		CHECK(bench_receive(fd, reply, &first_ns));
		changed = await_change(i);
		if (changed == 0) {
			fprintf(stderr, "alert %d was not answered by a change within 10 s\n", i);
			CHECK(changed != 0);
		}
		add(samples, changed - began);
		next_ns += pause_ns;
		if (next_ns > now_ns())
			clock_sleep_ns(next_ns - now_ns());
	}
	close(fd);
}

static void bench_all_changes(void)
{
	for (int from = 0; from < CHANGES; from += CHANGES_A_PART) {
		bench_sync(CHANGES_A_PART);
		bench_changes(service_port.number, from, CHANGES_A_PART,
			INT64_C(1000000000) / CHANGES_A_SECOND, &changes);
	}
	bench_sync(CHANGES_A_PART);
}

/* ---- acknowledgements at a rate ---- */

static _Atomic int next_serial;
static int64_t acks_began_ns;

static void *send_at_rate(void *argument)
{
	int fd = bench_connect(service_port.number), serial;
	char text[4096], *reply = malloc(BENCH_REQUEST_MAX);

	(void)argument;
	CHECK(fd >= 0 && reply != NULL);
	while ((serial = atomic_fetch_add(&next_serial, 1)) < ACKS_A_SECOND * ACK_SECONDS) {
		size_t size = write_webhook(text, sizeof(text), "BenchStorm",
			serial % BENCH_WORKLOADS, serial);
		int64_t due_ns =
			acks_began_ns + (int64_t)serial * (INT64_C(1000000000) / ACKS_A_SECOND);
		int64_t first_ns;

		if (due_ns > now_ns())
			clock_sleep_ns(due_ns - now_ns());
		/* From when it was due: a sender that waits for another answer does not hide that. */
		bench_send(fd, text, size);
		CHECK(bench_receive(fd, reply, &first_ns));
		CHECK(strncmp(reply, "HTTP/1.1 200", 12) == 0);
		add(&acks, first_ns - due_ns);
	}
	free(reply);
	close(fd);
	return NULL;
}

static void bench_acks(void)
{
	pthread_t threads[ACK_CONNECTIONS];

	acks_began_ns = now_ns() + 10000000;
	for (int i = 0; i < ACK_CONNECTIONS; i++)
		CHECK(pthread_create(&threads[i], NULL, send_at_rate, NULL) == 0);
	for (int i = 0; i < ACK_CONNECTIONS; i++)
		pthread_join(threads[i], NULL);
}

/* ---- the plain runner ---- */

static const char *kubectl; /* NULL: /bin/true */

static void *run_webhooks(void *argument)
{
	int fd = *(int *)argument, status;
	char *request = malloc(BENCH_REQUEST_MAX), server[64], path[128], file[300];
	int64_t first_ns;

	free(argument);
	CHECK(request != NULL);
	snprintf(server, sizeof(server), "--server=http://127.0.0.1:%u", api_port);
	snprintf(file, sizeof(file), "%s/scale.json", folder);
	while (bench_receive(fd, request, &first_ns)) {
		const char *at = strstr(request, "\"workload\":\"w-");
		int number = at != NULL ? (int)strtol(at + 14, NULL, 10) : 0;
		const char *with[] = {"kubectl", server, "replace", "--raw", path, "-f", file,
			NULL};
		const char *without[] = {"true", NULL};
		posix_spawn_file_actions_t quiet;
		pid_t pid;

		snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/shop/deployments/w-%d/scale",
			number);
		posix_spawn_file_actions_init(&quiet);
		posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
		CHECK(posix_spawn(&pid, kubectl != NULL ? kubectl : "/bin/true", &quiet, NULL,
			      (char *const *)(uintptr_t)(kubectl != NULL ? with : without),
			      environ) == 0);
		posix_spawn_file_actions_destroy(&quiet);
		bench_answer(fd, 200, "{}");
		CHECK(waitpid(pid, &status, 0) == pid);
		if (kubectl == NULL)
			bench_api_note_change(number, now_ns());
	}
	free(request);
	close(fd);
	return NULL;
}

/* ---- all of it ---- */

/* The service's own page (free). */
static char *read_metrics(void)
{
	static const char request[] =
		"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
	char *page = malloc(PAGE_MAX);
	int fd = bench_connect(service_port.number);
	size_t size = 0;
	ssize_t got;

	CHECK(page != NULL && fd >= 0);
	bench_send(fd, request, strlen(request));
	while ((got = recv(fd, page + size, PAGE_MAX - 1 - size, 0)) > 0)
		size += (size_t)got;
	page[size] = '\0';
	close(fd);
	return page;
}

/* The number behind name{labels...} as its line begins, or -1. */
static double number_at(const char *page, const char *start)
{
	const char *at = strstr(page, start), *end = at != NULL ? strchr(at + 1, '\n') : NULL;

	while (end != NULL && end > at && end[-1] != ' ')
		end--;
	return end != NULL ? strtod(end, NULL) : -1;
}

/* Mean, and the bound of the bucket in which the 99th of a hundred stands. */
static void print_histogram(const char *page, const char *name, const char *label)
{
	char text[160];
	const char *at = page;
	double count, sum;

	snprintf(text, sizeof(text), "\n%s_count%s%s%s", name, label[0] != '\0' ? "{" : "", label,
		label[0] != '\0' ? "}" : " ");
	count = number_at(page, text);
	snprintf(text, sizeof(text), "\n%s_sum%s%s%s", name, label[0] != '\0' ? "{" : "", label,
		label[0] != '\0' ? "}" : " ");
	sum = number_at(page, text);
	if (!(count > 0))
		return;
	snprintf(text, sizeof(text), "\n%s_bucket{%s%sle=\"", name, label,
		label[0] != '\0' ? "," : "");
	while ((at = strstr(at, text)) != NULL) {
		const char *bound = at + strlen(text), *value = strstr(bound, "} ");

		at++;
		if (value == NULL || strtod(value + 2, NULL) < 0.99 * count)
			continue;
		printf("  %-40s %-17s mean %8.3f ms   p99 <= %g ms   of %.0f\n", name, label,
			sum / count * 1e3, strtod(bound, NULL) * 1e3, count);
		return;
	}
}

static void print_stages(void)
{
	static const char *const stages[] = {"receive", "decide", "approve", "act", "verify"};
	char *page = read_metrics(), label[64];

	printf("as the service tells it:\n");
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		snprintf(label, sizeof(label), "stage=\"%s\"", stages[i]);
		print_histogram(page, "nimbusguard_action_stage_seconds", label);
	}
	print_histogram(page, "nimbusguard_journal_commit_seconds", "");
	print_histogram(page, "nimbusguard_alert_persist_seconds", "");
	free(page);
}

static const char playbook_text[] =
	"playbook: bench\ntrigger:\n  alert: ['alertname=~\"Bench.*\"']\ntarget: {kind: Workload}\n"
	"steps:\n- {action: scale, by: +1, max: 40}\n"
	"verify: {signal: replicas, is: above, value: 2, over: 1m, after: 11m}\n";

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void find_program(char *path, size_t size)
{
	char self[2048];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	CHECK(length > 0);
	self[length] = '\0';
	/* build/<mode>/tests/bench/bench_actions -> build/<mode>/nimbusguard */
	for (int i = 0; i < 3; i++)
		*strrchr(self, '/') = '\0';
	CHECK((size_t)snprintf(path, size, "%s/nimbusguard", self) < size);
}

static void tell_bar(const char *what, double took, double bar)
{
	printf("%-52s %s: %.3f ms, bar %.3f ms\n", what, took < bar ? "kept" : "MISSED", took, bar);
}

static void measure_changes(const char *program, const char *playbook)
{
	struct thread_turns before, after;

	start_service(program, playbook, false);
	send_stream();
	thread_turns_read(&before, service);
	bench_all_changes();
	thread_turns_read(&after, service);
	print("bare fdatasync of 4 KiB, written over", &syncs);
	print("bare fdatasync of 4 KiB, appended", &appends);
	print("webhook to the change, mode auto", &changes);
	print_stages();
	thread_turns_print(&before, &after, CHANGES);
	stop_service();
	tell_bar("\nwebhook to the change, p99 < 2 ms + 2 sync p99", quantile(&changes, 99),
		2 + 2 * quantile(&syncs, 99));
}

static void measure_acks(const char *program, const char *playbook)
{
	struct thread_turns before, after;

	start_service(program, playbook, true);
	send_stream();
	atomic_store(&syncs.count, 0);
	atomic_store(&appends.count, 0);
	bench_sync(SYNCS_BESIDE_ACKS);
	thread_turns_read(&before, service);
	bench_acks();
	thread_turns_read(&after, service);
	print_stages();
	thread_turns_print(&before, &after, ACKS_A_SECOND * ACK_SECONDS);
	bench_sync(SYNCS_BESIDE_ACKS);
	note_arrivals(&syncs, &arrivals);
	print("\nbare fdatasync of 4 KiB, written over", &syncs);
	print("the same, as 1,000 arrivals a second meet it", &arrivals);
	print("bare fdatasync of 4 KiB, appended", &appends);
	print("acknowledgement at 1,000 alerts a second", &acks);
	tell_bar("acknowledgement, p99 < 5 ms + sync p99", quantile(&acks, 99),
		5 + quantile(&syncs, 99));
	stop_service();
}

static void measure_runner(void)
{
	unsigned runner_port = bench_listen(run_webhooks);

	atomic_store(&changes.count, 0);
	bench_api_forget();
	bench_changes(runner_port, 0, KUBECTL_CHANGES, 1, &changes);
	print(kubectl != NULL ? "\nplain runner: webhook to kubectl replace --raw"
			      : "\nplain runner: /bin/true only, no kubectl here",
		&changes);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	char program[2300], playbook[300], scale[300];
	const char *parent = getenv("TMPDIR");

	signal(SIGPIPE, SIG_IGN);
	snprintf(folder, sizeof(folder), "%.200s/bench-actions-XXXXXX",
		parent != NULL ? parent : "/tmp");
	CHECK(mkdtemp(folder) != NULL);
	snprintf(playbook, sizeof(playbook), "%s/bench.yaml", folder);
	snprintf(scale, sizeof(scale), "%s/scale.json", folder);
	write_file(playbook, playbook_text);
	write_file(scale, "{\"kind\":\"Scale\",\"spec\":{\"replicas\":3}}");
	find_program(program, sizeof(program));
	kubectl = access("/usr/bin/kubectl", X_OK) == 0       ? "/usr/bin/kubectl"
		: access("/usr/local/bin/kubectl", X_OK) == 0 ? "/usr/local/bin/kubectl"
							      : NULL;
	api_port = bench_api_start();
	port_reserve(&service_port);

	if (only == NULL || strcmp(only, "changes") == 0)
		measure_changes(program, playbook);
	if (only == NULL || strcmp(only, "acks") == 0)
		measure_acks(program, playbook);
	if (only == NULL || strcmp(only, "runner") == 0)
		measure_runner();
	printf("the folder was %s\n", folder);
	return 0;
}
