/*
 * The kill switch: what people say of all actions at once. Their words on one action are in
 * engine_approve.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "remediations/engine_state.h"

bool engine_paused(const struct engine *engine)
{
	return engine->paused;
}

const char *engine_paused_by(const struct engine *engine, int64_t *since_ms)
{
	*since_ms = engine->paused_since_ms;
	return engine->paused_by;
}

/* The journal forgets old notes, so a kill switch that stays on is written down anew every day. */
#define PAUSE_NOTE_MS (24 * 3600 * INT64_C(1000))

static void note_pause(struct engine *engine)
{
	char since[32];
	struct buf body;

	format_rfc3339(engine->paused_since_ms, since, sizeof(since));
	buf_init(&body, 4096);
	buf_printf(&body,
		"{\"paused\":%s,\"since\":\"%s\",\"by\":", engine->paused ? "true" : "false",
		since);
	buf_add_json_string(&body, engine->paused_by, strlen(engine->paused_by));
	buf_add_char(&body, '}');
	engine->pause_ticket = engine_note(engine, RECORD_NOTE, "paused", buf_take(&body, NULL));
	engine->pause_noted = engine->pause_ticket != 0;
	engine->pause_note_ms = engine->now_ms;
}

void engine_keep_pause(struct engine *engine)
{
	int64_t ago = engine->now_ms - engine->pause_note_ms;

	if ((!engine->pause_noted && ago >= engine->config.times.retry) ||
		(engine->paused && ago >= PAUSE_NOTE_MS))
		note_pause(engine);
}

uint64_t engine_pause(struct engine *engine, bool paused, const char *identity, int64_t now_ms)
{
	engine->now_ms = now_ms;
	/* Said again it is still on since it was first said. */
	if (paused != engine->paused || !*engine->paused_by) {
		engine->paused_since_ms = now_ms;
		snprintf(engine->paused_by, sizeof(engine->paused_by), "%s", identity);
	}
	engine->paused = paused;
	note_pause(engine);
	return engine->pause_ticket;
}
