/*
 * Any bytes as a playbook: read without a fault, and what was read keeps its promises: a change has
 * a target and a verification, bounds are in order, and an event can be matched against it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "remediations/playbook.h"
#include "remediations/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_playbook(struct playbook *playbook)
{
	CHECK(playbook->name[0] && playbook->step_count && playbook->verify_after_ms >= 0);
	for (size_t i = 0; i < playbook->step_count; i++) {
		const struct playbook_step *step = &playbook->steps[i];

		CHECK(step->action == ACTION_TICKET ||
			(playbook->verified && !playbook->target.none));
		for (unsigned k = 0; k < step->change_count; k++) {
			const struct step_change *change = &step->changes[k];

			CHECK(!change->highest || change->amount.kind == AMOUNT_NONE ||
				change->lowest <= change->highest);
			CHECK(change->field != CHANGE_MEMORY_LIMIT ||
				change->amount.kind != AMOUNT_PERCENT || change->amount.value < 0 ||
				change->highest > 0);
		}
		CHECK(step->action != ACTION_TICKET || step->title);
	}
}

static void match(struct playbooks *playbooks, struct playbook *playbook)
{
	struct label pairs[] = {{"alertname", "A", 9, 1}, {"namespace", "shop", 9, 4},
		{"pod", "web-1", 3, 5}};
	struct event event;
	struct target target;
	struct refusal refusal;
	char text[ACTION_TEXT_MAX];

	event_init(&event);
	if (labels_init(&event.labels, pairs, 3, NULL))
		return;
	(void)playbooks_match(playbooks, &event);
	if (!target_resolve(&playbook->target, &event.labels, NULL, &target, &refusal))
		CHECK(refusal.reason[0]);
	for (size_t i = 0; i < playbook->step_count; i++)
		if (playbook->steps[i].text)
			template_fill(playbook->steps[i].text, &event, "t", "p", "r", text,
				sizeof(text));
	event_fini(&event);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct guard_limits limits;
	struct playbooks *playbooks;
	struct diagnostics diagnostics;

	guard_limits_default(&limits);
	playbooks = playbooks_open(&limits);
	if (!playbooks)
		return 0;
	diagnostics_init(&diagnostics);
	if (!playbooks_load_text(playbooks, "fuzz.yaml", (const char *)bytes, size, &diagnostics)) {
		CHECK(playbooks_count(playbooks) == 1 && !diagnostics.errors);
		check_playbook(playbooks_at(playbooks, 0));
		match(playbooks, playbooks_at(playbooks, 0));
	} else {
		CHECK(diagnostics.errors);
	}
	diagnostics_fini(&diagnostics);
	playbooks_close(playbooks);
	return 0;
}
