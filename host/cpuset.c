/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpuset.c - a set of host CPUs, and the list form people type
 */
#include "cpuset.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SYSFS_CPU_ONLINE "/sys/devices/system/cpu/online"
#define NB_WORDS (FRQ_MAX_CPUS / 64)

unsigned int
cpuset_count(const struct cpuset *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < NB_WORDS; i++)
		n += (unsigned int)__builtin_popcountll(s->bits[i]);
	return n;
}

bool
cpuset_empty(const struct cpuset *s)
{
	return cpuset_next(s, 0) == FRQ_MAX_CPUS;
}

bool
cpuset_equal(const struct cpuset *a, const struct cpuset *b)
{
	return memcmp(a->bits, b->bits, sizeof(a->bits)) == 0;
}

bool
cpuset_subset(const struct cpuset *a, const struct cpuset *b)
{
	for (unsigned int i = 0; i < NB_WORDS; i++) {
		if ((a->bits[i] & ~b->bits[i]) != 0)
			return false;
	}
	return true;
}

void
cpuset_and(struct cpuset *a, const struct cpuset *b)
{
	for (unsigned int i = 0; i < NB_WORDS; i++)
		a->bits[i] &= b->bits[i];
}

unsigned int
cpuset_next(const struct cpuset *s, unsigned int from)
{
	unsigned int i = from / 64;
	uint64_t word;

	if (from >= FRQ_MAX_CPUS)
		return FRQ_MAX_CPUS;
	word = s->bits[i] & UINT64_MAX << from % 64;
	while (word == 0) {
		if (++i == NB_WORDS)
			return FRQ_MAX_CPUS;
		word = s->bits[i];
	}
	return i * 64 + (unsigned int)__builtin_ctzll(word);
}

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && isspace((unsigned char)*p))
		p++;
	return p;
}

/*
 * A decimal number at *p. One that is too large comes out as FRQ_MAX_CPUS,
 * so that the message can name the limit. Not strtoul(): that takes signs.
 */
static bool
parse_number(const char **p, const char *end, unsigned int *n)
{
	const char *start = *p;

	*n = 0;
	while (*p < end && isdigit((unsigned char)**p)) {
		*n = *n * 10 + (unsigned int)(**p - '0');
		if (*n > FRQ_MAX_CPUS)
			*n = FRQ_MAX_CPUS;
		(*p)++;
	}
	return *p != start;
}

/* One part of the list: "N" or "N-M", with white space around either. */
static const char *
parse_part(struct cpuset *s, const char *p, const char *end)
{
	unsigned int first, last;

	p = skip_space(p, end);
	if (p == end)
		return "is empty";
	if (!parse_number(&p, end, &first))
		return "is not a CPU number or a range like 2-5";
	last = first;
	p = skip_space(p, end);
	if (p < end && *p == '-') {
		p = skip_space(p + 1, end);
		if (!parse_number(&p, end, &last))
			return "is not a range like 2-5";
		p = skip_space(p, end);
	}
	if (p != end)
		return "is not a CPU number or a range like 2-5";
	if (first >= FRQ_MAX_CPUS || last >= FRQ_MAX_CPUS)
		return "is beyond the highest CPU number, 1023";
	if (first > last)
		return "runs backwards";
	for (unsigned int cpu = first; cpu <= last; cpu++)
		cpuset_add(s, cpu);
	return NULL;
}

static_assert(FRQ_MAX_CPUS == 1024, "a message in parse_part says 1023");

bool
cpuset_parse(struct cpuset *s, const char *text, struct frq_err *err)
{
	const char *p = text;

	memset(s, 0, sizeof(*s));
	if (*skip_space(text, text + strlen(text)) == '\0') {
		frq_err_set(err, "the list of CPUs is empty");
		return false;
	}
	for (;;) {
		size_t len = strcspn(p, ",");
		const char *problem = parse_part(s, p, p + len);

		if (problem != NULL) {
			frq_err_set(err, "\"%.*s\" in the list of CPUs %s",
				len > 64 ? 64 : (int)len, p, problem);
			memset(s, 0, sizeof(*s));
			return false;
		}
		if (p[len] == '\0')
			return true;
		p += len + 1;
	}
}

char *
cpuset_format(const struct cpuset *s, char *buf, size_t size)
{
	size_t used = 0;

	if (size == 0)
		return buf;
	buf[0] = '\0';
	for (unsigned int first = cpuset_next(s, 0); first < FRQ_MAX_CPUS; ) {
		unsigned int last = first;
		int n;

		while (cpuset_has(s, last + 1))
			last++;
		n = snprintf(buf + used, size - used, first == last ? "%s%u" : "%s%u-%u",
			used == 0 ? "" : ",", first, last);
		if (n < 0 || (size_t)n >= size - used) {
			/* Cut between parts: half a number would be another one. */
			buf[used] = '\0';
			break;
		}
		used += (size_t)n;
		first = cpuset_next(s, last + 1);
	}
	return buf;
}

int
cpuset_online(struct cpuset *s, struct frq_err *err)
{
	char text[4096];
	ssize_t n;
	int fd, saved;

	memset(s, 0, sizeof(*s));
	fd = open(SYSFS_CPU_ONLINE, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		saved = errno;
		frq_err_set(err, "cannot open %s: %s", SYSFS_CPU_ONLINE, strerror(saved));
		return -saved;
	}
	n = read(fd, text, sizeof(text) - 1);
	saved = errno;
	close(fd);
	if (n < 0) {
		frq_err_set(err, "cannot read %s: %s", SYSFS_CPU_ONLINE, strerror(saved));
		return -saved;
	}
	text[n] = '\0';
	/* The closing newline counts as white space. */
	return cpuset_parse(s, text, err) ? 0 : -EINVAL;
}
