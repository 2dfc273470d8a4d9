/*
 * The words of the action side: names of actions and modes, and the guard's limits before anybody
 * configured any.
 */
#include <string.h>

#include "base/check.h"
#include "remediations/actuator.h"
#include "remediations/remediator.h"

static const char *const action_names[ACTION_KIND_COUNT] = {
#define X(kind, name, disruptive, inverse) [kind] = name,
	ACTION_TABLE(X)
#undef X
};

static const char *const mode_names[MODE_COUNT] = {
#define X(mode, name) [mode] = name,
	MODE_TABLE(X)
#undef X
};

const char *action_kind_name(enum action_kind kind)
{
	CHECK((unsigned)kind < ACTION_KIND_COUNT);
	return action_names[kind];
}

bool action_kind_parse(const char *name, enum action_kind *kind)
{
	for (unsigned i = 0; i < ACTION_KIND_COUNT; i++) {
		if (!strcmp(name, action_names[i])) {
			*kind = (enum action_kind)i;
			return true;
		}
	}
	return false;
}

const char *mode_name(enum mode mode)
{
	CHECK((unsigned)mode < MODE_COUNT);
	return mode_names[mode];
}

bool mode_parse(const char *name, enum mode *mode)
{
	for (unsigned i = 0; i < MODE_COUNT; i++) {
		if (!strcmp(name, mode_names[i])) {
			*mode = (enum mode)i;
			return true;
		}
	}
	return false;
}

enum status two_persons_parse(const char *const *words, size_t count, uint32_t *kinds,
	struct error *error)
{
	for (size_t i = 0; i < count; i++) {
		bool known = false;

		for (unsigned kind = 0; kind < ACTION_KIND_COUNT; kind++) {
			if (kind == ACTION_TICKET ||
				(strcmp(words[i], action_kind_name((enum action_kind)kind)) != 0 &&
					(strcmp(words[i], "destructive") != 0 ||
						!action_kind_disruptive((enum action_kind)kind))))
				continue;
			*kinds |= UINT32_C(1) << kind;
			known = true;
		}
		if (!known)
			return error_set(error, STATUS_BAD_INPUT,
				"\"%.40s\" is neither \"destructive\" nor an action that changes "
				"something",
				words[i]);
	}
	return STATUS_OK;
}

void guard_limits_default(struct guard_limits *limits)
{
	*limits = (struct guard_limits){
		.cooldown_ms = 5 * 60000,
		.startup_grace_ms = 2 * 60000,
		.window_ms = 60 * 60000,
		.per_target = 3,
		.per_namespace = 10,
		.per_kind = 20,
		.per_cluster = 30,
		.concurrent = 5,
		.ineffective_max = 2,
		.storm_alerts = 100,
		.storm_window_ms = 60000,
		.cumulative_change_max = 4,
		.replicas_max = 50,
		.confidence_min = 0.8,
	};
}
