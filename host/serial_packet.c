/* SPDX-License-Identifier: BSD-3-Clause */
#include "serial_packet.h"

/*
 * As librte_power has turbo: allowing it goes to the maximum, forbidding it
 * ends below it.
 */
static const struct {
	unsigned int nb_ops;
	uint8_t op[2];
} units[] = {
	[FRQ_SERIAL_UP] = { 1, { FRQ_OP_UP } },
	[FRQ_SERIAL_DOWN] = { 1, { FRQ_OP_DOWN } },
	[FRQ_SERIAL_MAX] = { 1, { FRQ_OP_MAX } },
	[FRQ_SERIAL_MIN] = { 1, { FRQ_OP_MIN } },
	[FRQ_SERIAL_ENABLE_TURBO] = { 2, { FRQ_OP_TURBO_ON, FRQ_OP_MAX } },
	[FRQ_SERIAL_DISABLE_TURBO] = { 1, { FRQ_OP_TURBO_OFF } },
};

#define NB_UNITS (sizeof(units) / sizeof(units[0]))

static struct serial_request
make(enum serial_action action, enum serial_cause cause)
{
	return (struct serial_request){ .action = action, .cause = cause };
}

static bool
is_its_own(const struct frq_serial_packet *p, const struct serial_who *who)
{
	return p->core_type == FRQ_SERIAL_CORE_VIRTUAL ? p->resource_id == who->vcpu :
		who->physical && p->resource_id == who->pcpu;
}

static struct serial_request
judge_power(const struct frq_serial_packet *p, const struct serial_who *who)
{
	struct serial_request r;

	if (p->unit >= NB_UNITS || units[p->unit].nb_ops == 0)
		return make(SERIAL_IGNORE, SERIAL_BAD_UNIT);
	if (!is_its_own(p, who))
		return make(SERIAL_REFUSE, p->core_type == FRQ_SERIAL_CORE_VIRTUAL ?
			SERIAL_WRONG_VCPU : SERIAL_PHYSICAL);
	r = make(SERIAL_POWER, SERIAL_GOOD);
	r.nb_ops = units[p->unit].nb_ops;
	r.op[0] = units[p->unit].op[0];
	r.op[1] = units[p->unit].op[1];
	return r;
}

static struct serial_request
judge_query(const struct frq_serial_packet *p, const struct serial_who *who,
	enum serial_action action, bool all)
{
	struct serial_request r = make(action, SERIAL_GOOD);

	/* An answer has room for eight. */
	if (!all && (p->resource_id != who->vcpu || who->vcpu >= FRQ_SERIAL_MAX_VCPUS))
		return make(SERIAL_IGNORE, SERIAL_WRONG_VCPU);
	r.all = all;
	return r;
}

void
serial_judge(const struct frq_serial_packet *p, const struct serial_who *who,
	struct serial_request *r)
{
	switch (p->command) {
	case FRQ_SERIAL_CPU_POWER:
		*r = judge_power(p, who);
		break;
	case FRQ_SERIAL_CPU_POWER_CONNECT:
		*r = make(SERIAL_IGNORE, SERIAL_CONNECT);
		break;
	case FRQ_SERIAL_POLICY:
		*r = make(SERIAL_REFUSE, SERIAL_POLICY);
		break;
	case FRQ_SERIAL_POLICY_REMOVE:
		*r = make(SERIAL_IGNORE, SERIAL_POLICY_REMOVED);
		break;
	case FRQ_SERIAL_QUERY_FREQ_LIST:
	case FRQ_SERIAL_QUERY_FREQ:
		*r = judge_query(p, who, SERIAL_TELL_FREQS, p->command == FRQ_SERIAL_QUERY_FREQ_LIST);
		break;
	case FRQ_SERIAL_QUERY_CAPS_LIST:
	case FRQ_SERIAL_QUERY_CAPS:
		*r = judge_query(p, who, SERIAL_TELL_CAPS, p->command == FRQ_SERIAL_QUERY_CAPS_LIST);
		break;
	default:
		*r = make(SERIAL_IGNORE, SERIAL_BAD_COMMAND);
	}
}

const char *
serial_cause_name(enum serial_cause cause)
{
	static const char *const names[SERIAL_CAUSE_COUNT] = {
		[SERIAL_GOOD] = "good",
		[SERIAL_CONNECT] = "connect",
		[SERIAL_BAD_UNIT] = "bad_unit",
		[SERIAL_BAD_COMMAND] = "bad_command",
		[SERIAL_WRONG_VCPU] = "wrong_vcpu",
		[SERIAL_PHYSICAL] = "physical",
		[SERIAL_POLICY] = "policy",
		[SERIAL_POLICY_REMOVED] = "policy_removed",
	};

	return names[cause];
}
