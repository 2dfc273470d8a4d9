/*
 * Drawing with the few terminal sequences that every terminal knows: cursor up, erase line, colors.
 * The whole screen is one write(2), so that it does not flicker.
 */
#include "demo/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SCREEN_MAX 65536
#define TABLE_ROWS (CLUSTER_WORKLOADS + 4)

/* What is left of the terminal below the table; a terminal that does not tell has 24 lines. */
static unsigned rows_for(int output)
{
	struct winsize size = {.ws_row = 24};

	if (ioctl(output, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
		size.ws_row = 24;
	if (size.ws_row < TABLE_ROWS + 5)
		return 4;
	return size.ws_row - TABLE_ROWS - 1 < VIEW_LINES ? size.ws_row - TABLE_ROWS - 1u
							 : VIEW_LINES;
}

static const char *const tone_codes[] = {
	[TONE_PLAIN] = "",
	[TONE_DIM] = "\033[2m",
	[TONE_GOOD] = "\033[32m",
	[TONE_WARN] = "\033[33m",
	[TONE_BAD] = "\033[31m",
	[TONE_ACT] = "\033[1;36m",
};

void view_init(struct view *view, int output, bool live, bool color)
{
	memset(view, 0, sizeof(*view));
	view->output = output;
	view->live = live;
	view->color = color;
	view->rows = live ? rows_for(output) : VIEW_LINES;
	pthread_mutex_init(&view->lock, NULL);
	buf_init(&view->screen, SCREEN_MAX);
}

void view_fini(struct view *view)
{
	pthread_mutex_destroy(&view->lock);
	buf_fini(&view->screen);
}

void view_tell(struct view *view, int64_t elapsed_ms, enum view_tone tone, const char *source,
	const char *text)
{
	size_t slot;

	pthread_mutex_lock(&view->lock);
	slot = (size_t)(view->line_count++ % VIEW_LINES);
	view->tones[slot] = tone;
	snprintf(view->lines[slot], VIEW_LINE_SIZE, "%3lld:%02lld  %-9s %s",
		(long long)(elapsed_ms / 60000), (long long)(elapsed_ms / 1000 % 60), source, text);
	pthread_mutex_unlock(&view->lock);
}

void view_update(struct view *view, const struct sim_reading *readings)
{
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		view->last[i] = readings[i];
		view->history[i][view->history_count % VIEW_SPARK] =
			readings[i].values[ROLE_REQUEST_RATE];
	}
	view->history_count++;
}

static void add_spark(struct view *view, int i)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	unsigned count = view->history_count < VIEW_SPARK ? view->history_count : VIEW_SPARK;
	double top = 1, bottom = INFINITY;

	for (unsigned k = 0; k < count; k++) {
		top = fmax(top, view->history[i][k]);
		bottom = fmin(bottom, view->history[i][k]);
	}
	/* A flat line stays low on the scale: only a change of a fifth or more fills it. */
	bottom = fmin(bottom * 0.9, top * 0.7);
	for (unsigned k = count; k < VIEW_SPARK; k++)
		buf_add_char(&view->screen, ' ');
	for (unsigned k = 0; k < count; k++) {
		double value = view->history[i][(view->history_count - count + k) % VIEW_SPARK];
		int level = (int)((value - bottom) / (top - bottom) * 7.99);

		buf_add_text(&view->screen, blocks[level < 0 ? 0 : level > 7 ? 7 : level]);
	}
}

static void add_toned(struct view *view, enum view_tone tone, const char *text)
{
	if (view->color)
		buf_printf(&view->screen, "%s%s\033[0m", tone_codes[tone], text);
	else
		buf_add_text(&view->screen, text);
}

static void end_line(struct view *view)
{
	buf_add_text(&view->screen, view->live ? "\033[K\n" : "\n");
}

static void add_row(struct view *view, int i)
{
	const struct sim_reading *reading = &view->last[i];
	double cpu = reading->values[ROLE_CPU_UTILIZATION] * 100;
	double memory = reading->values[ROLE_MEMORY_UTILIZATION] * 100;
	char text[128];

	snprintf(text, sizeof(text), "  shop/%-9s %2d/%-2d ", reading->workload, reading->ready,
		reading->wanted);
	add_toned(view, reading->ready < reading->wanted ? TONE_WARN : TONE_PLAIN, text);
	snprintf(text, sizeof(text), " %6.0f  ", reading->values[ROLE_REQUEST_RATE]);
	buf_add_text(&view->screen, text);
	add_spark(view, i);
	snprintf(text, sizeof(text), "  %4.0f %%", cpu);
	add_toned(view, cpu > 90 ? TONE_BAD : cpu > 80 ? TONE_WARN : TONE_PLAIN, text);
	if (reading->latency_p99_s < 10)
		snprintf(text, sizeof(text), "  %6.0f ms", reading->latency_p99_s * 1000);
	else
		snprintf(text, sizeof(text), "    > 10 s ");
	add_toned(view, reading->latency_p99_s > 1 ? TONE_BAD : TONE_PLAIN, text);
	snprintf(text, sizeof(text), "  %3.0f %% of %3.0f Mi", memory, reading->memory_limit_mib);
	add_toned(view, memory > 95 ? TONE_BAD : TONE_PLAIN, text);
	snprintf(text, sizeof(text), "  %2.0f", reading->values[ROLE_RESTARTS]);
	add_toned(view, reading->values[ROLE_RESTARTS] > 0 ? TONE_WARN : TONE_PLAIN, text);
	end_line(view);
}

static void add_log(struct view *view, bool all)
{
	uint64_t first;

	pthread_mutex_lock(&view->lock);
	first = view->line_count > view->rows ? view->line_count - view->rows : 0;
	if (!all && view->line_shown > first)
		first = view->line_shown;
	for (uint64_t line = first; line < view->line_count; line++) {
		add_toned(view, view->tones[line % VIEW_LINES], view->lines[line % VIEW_LINES]);
		end_line(view);
	}
	for (uint64_t line = view->line_count; all && line < view->rows; line++)
		end_line(view);
	view->line_shown = view->line_count;
	pthread_mutex_unlock(&view->lock);
}

static void flush(struct view *view)
{
	size_t done = 0;

	while (buf_ok(&view->screen) && done < view->screen.size) {
		ssize_t written =
			write(view->output, view->screen.data + done, view->screen.size - done);

		if (written <= 0)
			break;
		done += (size_t)written;
	}
	buf_reset(&view->screen);
}

static void add_table(struct view *view, const char *header)
{
	add_toned(view, TONE_ACT, header);
	end_line(view);
	end_line(view);
	add_toned(view, TONE_DIM,
		"  workload       pods  req/s    traffic"
		"                            CPU     99 %       memory      restarts");
	end_line(view);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++)
		add_row(view, i);
	end_line(view);
}

void view_draw(struct view *view, const char *header)
{
	if (view->live) {
		/* Long lines are cut by the terminal, so that the height is always the same. */
		if (view->drawn)
			buf_printf(&view->screen, "\033[%dA\r", TABLE_ROWS + (int)view->rows);
		buf_add_text(&view->screen, "\033[?7l");
		add_table(view, header);
		add_log(view, true);
		buf_add_text(&view->screen, "\033[?7h");
		view->drawn = true;
	} else {
		add_log(view, false);
	}
	flush(view);
}

void view_end(struct view *view)
{
	if (!view->live) {
		add_log(view, false);
		buf_add_text(&view->screen, "\n");
		add_table(view, "The cluster at the end");
	}
	flush(view);
}
