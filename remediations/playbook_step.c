/*
 * Steps: which action, whether it fits the playbook's target, which keys; the rest is read by the
 * action's class. Amounts are read here for all of them.
 */
#include "remediations/playbook_step.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/actions/action_class.h"

#define REPLICAS_MAX 1000000
#define BYTES_MAX (INT64_C(1) << 50)
#define CPU_MILLI_MAX 100000000
#define KEYS_MAX 16

static const char *const action_words[] = {
#define X(kind, name) #name,
	ACTION_TABLE(X)
#undef X
		NULL,
};

/* Out of memory is told like any other reason why a file was not taken. */
char *playbook_copy_text(const struct yaml_reader *at, const struct yaml_node *node,
	const char *text)
{
	char *copy = mem_strdup(text);

	if (!copy)
		yaml_report(at, node, "no memory is left to read this");
	return copy;
}

void playbook_read_text(const struct yaml_reader *at, const struct yaml_node *map, const char *key,
	bool required, size_t size_max, char **text)
{
	const char *value;

	if (!yaml_read_text(at, map, key, required, &value))
		return;
	if (strlen(value) > size_max) {
		yaml_report(at, yaml_get(map, key), "%s is %zu bytes long, at most %zu are allowed",
			key, strlen(value), size_max);
		return;
	}
	if (!*text)
		*text = playbook_copy_text(at, yaml_get(map, key), value);
}

/* ---- amounts ---- */

static bool parse_magnitude(const char *text, enum change_unit unit, double *value)
{
	size_t size = strlen(text);
	char digits[32];
	uint64_t bytes;

	if (unit == UNIT_BYTES) {
		if (*text < '0' || *text > '9' || parse_size(text, &bytes) || bytes > BYTES_MAX)
			return false;
		*value = (double)bytes;
		return true;
	}
	if (unit == UNIT_MILLICORES && size && text[size - 1] == 'm')
		size--;
	if (!size || size >= sizeof(digits) || strspn(text, "0123456789.") < size)
		return false;
	memcpy(digits, text, size);
	digits[size] = '\0';
	if (parse_double(digits, value))
		return false;
	if (unit == UNIT_MILLICORES && !text[size])
		*value *= 1000;
	return *value <= (unit == UNIT_COUNT ? REPLICAS_MAX : CPU_MILLI_MAX) &&
		floor(*value) == *value;
}

/* Without a sign the amount is absolute; a percentage needs its sign, for "50%" means two things. */
static bool parse_amount(const char *text, enum change_unit unit, struct amount *amount)
{
	bool sign = *text == '+' || *text == '-';
	const char *magnitude = text + sign;
	size_t size = strlen(magnitude);
	char digits[32];

	if (unit == UNIT_COUNT && strcmp(text, PROPOSED_WORD) == 0) {
		amount->kind = AMOUNT_PROPOSED;
		return true;
	}
	if (size && size <= sizeof(digits) && magnitude[size - 1] == '%') {
		if (!sign)
			return false;
		memcpy(digits, magnitude, size - 1);
		digits[size - 1] = '\0';
		if (strspn(digits, "0123456789.") < size - 1 || size == 1 ||
			parse_double(digits, &amount->value))
			return false;
		amount->kind = AMOUNT_PERCENT;
		if (!(amount->value > 0) || amount->value > (*text == '-' ? 90 : 1000))
			return false;
	} else {
		if (!parse_magnitude(magnitude, unit, &amount->value))
			return false;
		amount->kind = sign ? AMOUNT_DELTA : AMOUNT_ABSOLUTE;
		if (sign && !(amount->value > 0))
			return false;
	}
	if (*text == '-')
		amount->value = -amount->value;
	return true;
}

static const char *amount_forms(enum change_unit unit, bool absolute)
{
	if (unit == UNIT_BYTES)
		return "512MiB, +256MiB, +25% or -25%";
	if (unit == UNIT_MILLICORES)
		return "500m, 2, +250m, +25% or -25%";
	return absolute ? "5, +2, -1, +50%, -25% or proposed" : "+2, -1, +50% or -25%";
}

bool step_read_amount(const struct step_reading *reading, const char *key, enum change_unit unit,
	bool absolute, struct amount *amount)
{
	const char *text;

	if (!yaml_read_text(reading->at, reading->map, key, false, &text))
		return false;
	if (parse_amount(text, unit, amount) &&
		(absolute || (amount->kind != AMOUNT_ABSOLUTE && amount->kind != AMOUNT_PROPOSED)))
		return true;
	*amount = (struct amount){0};
	yaml_report(reading->at, yaml_get(reading->map, key),
		"%s: \"%.40s\" is no amount; wanted is a form like %s (percentages from -90%% to +1000%%)",
		key, text, amount_forms(unit, absolute));
	return false;
}

void step_read_quantity(const struct step_reading *reading, const char *key, enum change_unit unit,
	int64_t *value)
{
	struct amount amount = {0};

	if (!step_read_amount(reading, key, unit, true, &amount))
		return;
	if (amount.kind != AMOUNT_ABSOLUTE || amount.value < 1)
		yaml_report(reading->at, yaml_get(reading->map, key),
			"%s: an absolute value is wanted", key);
	else
		*value = (int64_t)amount.value;
}

bool step_read_replicas(const struct step_reading *reading, const char *key, int64_t least,
	int64_t *value)
{
	return yaml_read_int(reading->at, reading->map, key, false, least, REPLICAS_MAX, value);
}

void step_warn_replicas(const struct step_reading *reading, const char *key, int64_t value)
{
	int32_t most = reading->limits->replicas_max;

	if (value > most)
		yaml_warn(reading->at, yaml_get(reading->map, key),
			"%s %" PRId64 " is above guard.replicas_max, which is %" PRId32
			": the guard stops at that; raise guard.replicas_max, or lower %s",
			key, value, most, key);
}

void step_need_condition(const struct step_reading *reading)
{
	if (!reading->playbook->condition_count)
		yaml_report(reading->at, reading->map,
			"what makes a workload smaller needs at least one condition on a signal");
}

void step_check_bounds(const struct step_reading *reading, const char *key,
	const struct step_change *change)
{
	const struct yaml_node *node = yaml_get(reading->map, key);

	if (change->amount.kind == AMOUNT_NONE)
		return;
	if (change->lowest && change->highest && change->lowest > change->highest)
		yaml_report(reading->at, node, "%s: the floor is above the ceiling", key);
	if (change->amount.kind == AMOUNT_ABSOLUTE)
		return;
	if (change->amount.value > 0 && !change->highest)
		yaml_report(reading->at, node, "%s: a raise needs its ceiling", key);
	if (change->amount.value < 0 && !change->lowest)
		yaml_report(reading->at, node, "%s: a cut needs its floor", key);
	if (change->amount.value < 0)
		step_need_condition(reading);
}

struct step_change *step_add_change(struct playbook_step *step, enum change_field field)
{
	struct step_change *change;

	CHECK(step->change_count < CHANGES_MAX);
	change = &step->changes[step->change_count++];
	*change = (struct step_change){.field = field};
	return change;
}

/* ---- texts ---- */

void step_read_template(const struct step_reading *reading, const char *key, bool required,
	size_t size_max, char **text)
{
	char message[128];

	playbook_read_text(reading->at, reading->map, key, required, size_max, text);
	if (*text && !template_check(*text, message, sizeof(message)))
		yaml_report(reading->at, yaml_get(reading->map, key), "%s: %s", key, message);
}

uint64_t content_hash(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	if (!text)
		return 0;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash | 1;
}

/* ---- a step ---- */

/* Whether the action can be done to what the playbook's target is. */
static bool action_fits(const struct target_spec *target, const struct action_class *class)
{
	if (class->is_told || target->none)
		return class->is_told;
	if (target->any_workload)
		return (class->targets & TARGETS_WORKLOAD) != 0;
	return (class->targets & TARGET_BIT(target->kind)) != 0;
}

static void check_keys(const struct step_reading *reading, const struct action_class *class)
{
	const char *known[KEYS_MAX] = {"action"};
	size_t count = 1;

	for (const char *const *key = class->keys; key && *key; key++) {
		CHECK(count + 1 < KEYS_MAX);
		known[count++] = *key;
	}
	yaml_check_keys(reading->at, reading->map, known);
}

void playbook_read_step(const struct step_reading *reading, struct playbook_step *step)
{
	const struct yaml_node *map = reading->map;
	const struct action_class *class;
	int action;

	if (map->kind != YAML_MAP) {
		yaml_report(reading->at, map, "a step is a map with the key \"action\"");
		return;
	}
	if (!yaml_read_choice(reading->at, map, "action", true, action_words, &action))
		return;
	step->action = (enum action_kind)action;
	class = action_class(step->action);
	if (!action_fits(&reading->playbook->target, class))
		yaml_report(reading->at, yaml_get(map, "action"),
			"%s can't be done to the kind of target that this playbook names",
			class->name);
	check_keys(reading, class);
	if (class->read_step)
		class->read_step(reading, step);
}
