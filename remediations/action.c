/*
 * The words of the action side: names of actions and modes, what the classes of actions say of them,
 * commands in words, and the guard's limits before anybody configured any.
 */
#include <string.h>

#include "base/check.h"
#include "remediations/actions/action_class.h"
#include "remediations/remediator.h"
#include "remediations/words.h"

static const struct action_class *const classes[ACTION_KIND_COUNT] = {
#define X(kind, name) [kind] = &action_##name,
	ACTION_TABLE(X)
#undef X
};

static const char *const mode_names[MODE_COUNT] = {
#define X(mode, name) [mode] = name,
	MODE_TABLE(X)
#undef X
};

const struct action_class *action_class(enum action_kind kind)
{
	CHECK((unsigned)kind < ACTION_KIND_COUNT);
	return classes[kind];
}

const char *action_kind_name(enum action_kind kind)
{
	return action_class(kind)->name;
}

bool action_kind_parse(const char *name, enum action_kind *kind)
{
	for (unsigned i = 0; i < ACTION_KIND_COUNT; i++) {
		if (!strcmp(name, classes[i]->name)) {
			*kind = (enum action_kind)i;
			return true;
		}
	}
	return false;
}

bool action_kind_disruptive(enum action_kind kind)
{
	return action_class(kind)->disruptive;
}

bool action_kind_destructive(enum action_kind kind)
{
	return action_class(kind)->destructive;
}

bool action_kind_has_inverse(enum action_kind kind)
{
	return action_class(kind)->inverse;
}

unsigned action_kind_looks(enum action_kind kind)
{
	return action_class(kind)->looks;
}

bool action_kind_looks_for_itself(enum action_kind kind)
{
	return action_class(kind)->kube != NULL && action_class(kind)->kube->look != NULL;
}

bool action_kind_reads_back(enum action_kind kind)
{
	return action_class(kind)->reads_back;
}

bool action_resumes(enum action_kind kind, const struct action_options *options)
{
	return action_class(kind)->resumes || options->by_resize;
}

bool action_kind_cordons(enum action_kind kind)
{
	return action_class(kind)->cordons;
}

bool action_kind_alone(enum action_kind kind)
{
	return action_class(kind)->alone;
}

bool action_kind_once(enum action_kind kind)
{
	return action_class(kind)->once;
}

bool action_kind_accompanies(enum action_kind kind)
{
	return action_class(kind)->accompanies;
}

bool action_kind_told_apart(enum action_kind kind)
{
	return action_class(kind)->kube == NULL && !action_class(kind)->is_told;
}

bool action_options_any(const struct action_options *options)
{
	return options->evict || options->local_data || options->unowned || options->foreign ||
		options->in_place || options->by_resize || options->resize_failed ||
		options->time_ms || options->content || options->floor_hold_ms ||
		options->floor_until_ms || options->floor_end;
}

void command_describe(const struct command *command, char *text, size_t size)
{
	struct words words;

	words_init(&words, text, size);
	action_class(command->kind)->describe(&words, command);
}

bool observation_value(const struct observation *observation, enum change_field field,
	int64_t *value)
{
	switch (field) {
	case CHANGE_REPLICAS:
		*value = observation->replicas;
		return true;
	case CHANGE_MEMORY_LIMIT:
		*value = observation->memory_limit_bytes;
		return true;
	case CHANGE_CPU_LIMIT:
		*value = observation->cpu_limit_milli;
		return true;
	case CHANGE_PAUSED:
		*value = observation->rollout_paused;
		return true;
	case CHANGE_UNSCHEDULABLE:
		*value = observation->unschedulable;
		return true;
	case CHANGE_REPLICAS_MIN:
		*value = observation->autoscaler.replicas_min;
		return observation->autoscaler.looked;
	case CHANGE_REPLICAS_MAX:
		*value = observation->autoscaler.replicas_max;
		return observation->autoscaler.looked;
	case CHANGE_REVISION:
	case CHANGE_SILENCED:
		*value = observation->revision;
		return observation->revision > 0;
	case CHANGE_MEMORY_REQUEST:
		*value = observation->memory_request_bytes;
		return true;
	case CHANGE_CPU_REQUEST:
		*value = observation->cpu_request_milli;
		return true;
	case CHANGE_FIELD_COUNT:
		break;
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
			if (action_class((enum action_kind)kind)->is_told ||
				(strcmp(words[i], action_kind_name((enum action_kind)kind)) != 0 &&
					(strcmp(words[i], "destructive") != 0 ||
						!action_kind_destructive((enum action_kind)kind))))
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
		.pods_percent = 100,
		.workloads_percent = 100,
		.nodes_percent = 100,
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
		.worse_by = 0.2,
		.demote_after = 3,
		.promote_outcomes = 20,
		.promote_precision = 0.8,
		.hands_off_ms = 4 * 3600000,
	};
}
