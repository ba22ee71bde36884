/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_telemetry.c - JSON as it arrives at a client of DPDK's telemetry, and
 * questions to the control thread
 *
 * Replies are asked for over telemetry's own socket: what counts is what it
 * makes of them. The control thread is the test's main one, and only that one
 * asserts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_log.h>
#include <rte_version.h>

#include "question.h"
#include "tel_data.h"

#define REPLY_MAX	(16u * 1024)
#define LONG_MS		60000u	/* never waited for */

/* Of librte_telemetry; EAL calls it, which these tests do without. */
int32_t rte_telemetry_init(const char *runtime_dir, const char *version, cpu_set_t *cpuset,
	int (*log)(uint32_t level, uint32_t logtype, const char *format, ...), uint32_t logtype);

/* ---- a client --------------------------------------------------------------- */

static char dir[] = "/tmp/test_telemetry.XXXXXX";
static int client = -1;
static json_t *shown;		/* what "/test" replies */
static int fill_ret;
static char reply_text[REPLY_MAX + 1];

static int
show(const char *cmd, const char *param, struct rte_tel_data *d)
{
	const json_t *value = __atomic_load_n(&shown, __ATOMIC_ACQUIRE);
	int ret;

	(void)cmd;
	ret = tel_data_fill(d, value, param != NULL ? (size_t)atoi(param) : TEL_ROOM);
	__atomic_store_n(&fill_ret, ret, __ATOMIC_RELEASE);
	return ret;
}

static int
start_telemetry(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	static cpu_set_t cpus;

	(void)state;
	if (mkdtemp(dir) == NULL || sched_getaffinity(0, sizeof(cpus), &cpus) != 0 ||
	    rte_telemetry_init(dir, rte_version(), &cpus, rte_log, RTE_LOGTYPE_EAL) != 0 ||
	    rte_telemetry_register_cmd("/test", show, "what the test shows") != 0)
		return -1;
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dpdk_telemetry.v2", dir);
	client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (client < 0 || connect(client, (struct sockaddr *)&sun, sizeof(sun)) != 0)
		return -1;
	return recv(client, reply_text, REPLY_MAX, 0) > 0 ? 0 : -1;
}

static int
stop_telemetry(void **state)
{
	char path[sizeof(dir) + 32];

	(void)state;
	(void)close(client);
	(void)snprintf(path, sizeof(path), "%s/dpdk_telemetry.v2", dir);
	return unlink(path) == 0 && rmdir(dir) == 0 ? 0 : -1;
}

/* What the client gets for `value`; room 0: what a real reply has. */
static json_t *
reply_in(json_t *value, size_t room)
{
	char question[32] = "/test";
	json_error_t why;
	json_t *reply, *inner;
	ssize_t n;

	if (room != 0)
		(void)snprintf(question, sizeof(question), "/test,%zu", room);
	__atomic_store_n(&shown, value, __ATOMIC_RELEASE);
	assert_int_equal(send(client, question, strlen(question), 0), strlen(question));
	n = recv(client, reply_text, sizeof(reply_text), 0);
	assert_in_range(n, 1, REPLY_MAX);
	reply_text[n] = '\0';
	reply = json_loads(reply_text, JSON_REJECT_DUPLICATES, &why);
	if (reply == NULL)
		fail_msg("%s at %d of %s", why.text, why.position, reply_text);
	inner = json_incref(json_object_get(reply, "/test"));
	assert_non_null(inner);
	json_decref(reply);
	return inner;
}

/* Takes the reference to `value`. */
static void
becomes(json_t *value, const char *expected)
{
	json_t *reply, *e = json_loads(expected, JSON_DECODE_ANY, NULL);
	char *seen;

	assert_non_null(value);
	assert_non_null(e);
	reply = reply_in(value, 0);
	seen = json_dumps(reply, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!json_equal(reply, e))
		fail_msg("expected %s, seen %s", expected, seen);
	free(seen);
	json_decref(e);
	json_decref(reply);
	json_decref(value);
}

/* ---- replies ------------------------------------------------------------------ */

static void
plain_values(void **state)
{
	(void)state;
	becomes(json_object(), "{}");
	becomes(json_pack("{s:i, s:b, s:b, s:n, s:s}", "n", 7, "yes", 1, "no", 0, "null",
		"s", "text"), "{\"n\": 7, \"yes\": 1, \"no\": 0, \"s\": \"text\"}");
	becomes(json_pack("{s:I, s:I, s:i}", "max", (json_int_t)INT64_MAX, "big",
		(json_int_t)UINT32_MAX, "min", INT_MIN),
		"{\"max\": 9223372036854775807, \"big\": 4294967295, \"min\": -2147483648}");
	becomes(json_pack("{s:I, s:f}", "less", (json_int_t)INT_MIN - 1, "real", 2.5),
		"{\"less\": \"-2147483649\", \"real\": \"2.5\"}");
	becomes(json_pack("{s:i, s:i}", "bad key\"", 1, "\xc3\xa4", 2),
		"{\"bad_key_\": 1, \"__\": 2}");
	becomes(json_pack("{s:{s:{s:i}, s:s}}", "a", "b", "c", 1, "d", ""),
		"{\"a\": {\"b\": {\"c\": 1}, \"d\": \"\"}}");
}

static void
not_a_reply(void **state)
{
	json_t *n = json_integer(3), *s = json_string("s");

	(void)state;
	becomes(n, "null");
	assert_int_equal(__atomic_load_n(&fill_ret, __ATOMIC_ACQUIRE), -EINVAL);
	becomes(s, "null");
}

static void
arrays(void **state)
{
	(void)state;
	becomes(json_array(), "[]");
	becomes(json_pack("[i,i]", 1, 0), "[1, 0]");
	becomes(json_pack("[i,i]", 1, -1), "[1, -1]");
	becomes(json_pack("[s,s]", "a\"b", "c\\d"), "[\"a\\\"b\", \"c\\\\\\\\d\"]");
	becomes(json_pack("[i,I]", -1, (json_int_t)UINT32_MAX), "{\"0\": -1, \"1\": 4294967295}");
	becomes(json_pack("[i,s]", 1, "a"), "{\"0\": 1, \"1\": \"a\"}");
	becomes(json_pack("[{s:i},{s:[i,i]}]", "a", 1, "b", 2, 3),
		"{\"0\": {\"a\": 1}, \"1\": {\"b\": [2, 3]}}");
	becomes(json_pack("[[i],[s]]", 1, "a"), "{\"0\": [1], \"1\": [\"a\"]}");
	becomes(json_pack("{s:[], s:[s], s:[i]}", "none", "s", "a", "i", 1),
		"{\"none\": {}, \"s\": [\"a\"], \"i\": [1]}");
}

/* A text of `text` and then 'x' up to `len` bytes. */
static json_t *
long_text(const char *text, size_t len)
{
	char buf[1024];

	memset(buf, 'x', sizeof(buf));
	memcpy(buf, text, strlen(text));
	buf[len] = '\0';
	return json_string(buf);
}

static const char *
text_reply(const json_t *text, char out[RTE_TEL_MAX_STRING_LEN])
{
	json_t *value = json_pack("{s:O}", "t", text), *reply = reply_in(value, 0);

	(void)snprintf(out, RTE_TEL_MAX_STRING_LEN, "%s",
		json_string_value(json_object_get(reply, "t")));
	json_decref(reply);
	json_decref(value);
	return out;
}

static void
texts(void **state)
{
	char out[RTE_TEL_MAX_STRING_LEN], again[RTE_TEL_MAX_STRING_LEN];
	char every[256];
	json_t *s;

	(void)state;
	s = json_string("quote \" back \\ tab \t nl \n esc \x1b del \x7f \xc3\xa4\xe2\x82\xac");
	assert_string_equal(text_reply(s, out), "quote \" back \\\\ tab \\x09 nl \\x0a "
		"esc \\x1b del \\x7f \\xc3\\xa4\\xe2\\x82\\xac");
	json_decref(s);
	/* What the function makes of bytes that JSON would not let through. */
	for (int i = 1; i < 256; i++)
		every[i - 1] = (char)i;
	every[255] = '\0';
	assert_true(tel_data_text(out, every) > RTE_TEL_MAX_STRING_LEN);
	assert_int_equal(strlen(out), strspn(out, " !\"#$%&'()*+,-./0123456789:;<=>?@"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"));

	/* To the last byte that fits, and one more. */
	s = long_text("", RTE_TEL_MAX_STRING_LEN - 1);
	assert_string_equal(text_reply(s, out), json_string_value(s));
	json_decref(s);
	s = long_text("", RTE_TEL_MAX_STRING_LEN);
	assert_int_equal(strlen(text_reply(s, out)), RTE_TEL_MAX_STRING_LEN - 1);
	assert_string_equal(out + RTE_TEL_MAX_STRING_LEN - 4, "...");
	json_decref(s);

	/* An escape is not cut into. */
	for (size_t at = 115; at < 135; at++) {
		memset(every, 'x', at);
		memcpy(every + at, "\x01" "xxxxxxxxxxxxxxx", 17);
		(void)tel_data_text(again, every);
		if (at <= 120)
			assert_non_null(strstr(again, "\\x01"));
		else
			assert_null(strchr(again, '\\'));
		assert_string_equal(again + strlen(again) - 3, "...");
		assert_in_range(strlen(again), RTE_TEL_MAX_STRING_LEN - 8,
			RTE_TEL_MAX_STRING_LEN - 1);
	}
}

/* ---- too much ------------------------------------------------------------------ */

static json_int_t
number_at(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void
too_many_entries(void **state)
{
	json_t *dict = json_object(), *list = json_array(), *value, *reply;
	char key[16];

	(void)state;
	for (int i = 0; i < 300; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		json_object_set_new(dict, key, json_integer(i));
	}
	for (int i = 0; i < 600; i++)
		json_array_append_new(list, json_integer(i));

	reply = reply_in(dict, 0);
	assert_int_equal(json_object_size(reply), RTE_TEL_MAX_DICT_ENTRIES);
	assert_int_equal(number_at(reply, "more"), 300 - (RTE_TEL_MAX_DICT_ENTRIES - 1));
	json_decref(reply);

	reply = reply_in(list, 0);
	assert_int_equal(json_array_size(json_object_get(reply, "list")), RTE_TEL_MAX_ARRAY_ENTRIES);
	assert_int_equal(number_at(reply, "list_more"), 600 - RTE_TEL_MAX_ARRAY_ENTRIES);
	json_decref(reply);

	/* Numbers are not crowded out by what stands before them. */
	value = json_pack("{s:o, s:o, s:i}", "dict", dict, "list", list, "last", 1);
	reply = reply_in(value, 0);
	assert_int_equal(number_at(reply, "last"), 1);
	assert_int_equal(number_at(reply, "list_more"), 600 - RTE_TEL_MAX_ARRAY_ENTRIES);
	json_decref(reply);
	json_decref(value);
}

/* Elements of a list are whole or not there. */
static void
too_long_a_list(void **state)
{
	json_t *list = json_array(), *reply, *value, *e;
	const char *key;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 200; i++)
		json_array_append_new(list, json_pack("{s:i, s:o, s:o}", "number", i,
			"text", long_text("\"", 120), "other", long_text("", 90)));
	value = json_pack("{s:o, s:i}", "events", list, "last", 200);
	reply = reply_in(value, 0);
	assert_int_equal(number_at(reply, "last"), 200);
	json_object_foreach(json_object_get(reply, "events"), key, e) {
		if (strcmp(key, "more") == 0)
			continue;
		assert_int_equal(atoi(key), n++);
		assert_int_equal(json_object_size(e), 3);
	}
	assert_in_range(n, 50, 100);
	assert_int_equal(number_at(json_object_get(reply, "events"), "more"), 200 - n);
	assert_in_range(strlen(reply_text), REPLY_MAX - 512, REPLY_MAX);
	json_decref(reply);
	json_decref(value);
}

static uint64_t seed = 0x9e3779b97f4a7c15u;

static unsigned int
chance(unsigned int below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed >> 33) % below;
}

static json_t *
any_value(unsigned int depth)
{
	unsigned int n = chance(depth == 0 ? 400 : 20);
	json_t *v;
	char key[16];

	switch (chance(depth < 4 ? 9 : 6)) {
	case 0:
		return json_integer(chance(2000) - 1000);
	case 1:
		return json_boolean(chance(2));
	case 2:
		return json_null();
	case 3:
		return json_integer((json_int_t)seed);
	case 4:
	case 5:
		return long_text(chance(2) != 0 ? "\\\"\n\xc3\xa4" : "plain", 7 + chance(200));
	case 6:
		v = json_object();
		for (unsigned int i = 0; i < n; i++) {
			(void)snprintf(key, sizeof(key), "k%u", i);
			json_object_set_new(v, key, any_value(depth + 1));
		}
		return v;
	case 7:
		v = json_array();
		for (unsigned int i = 0; i < n * 3; i++)
			json_array_append_new(v, json_integer(chance(1000000)));
		return v;
	default:
		v = json_array();
		for (unsigned int i = 0; i < n; i++)
			json_array_append_new(v, any_value(depth + 1));
		return v;
	}
}

static void accounted(const json_t *value, const json_t *reply);

/* A member is there, and accounted for itself, or is one of those left out. */
static unsigned int
is_missing(const json_t *v, const json_t *reply, const char *key)
{
	char key_more[32];
	const json_t *r = json_object_get(reply, key);

	if (json_is_null(v))
		return 0;
	if (r == NULL)
		return 1;
	(void)snprintf(key_more, sizeof(key_more), "%s_more", key);
	if (json_is_array(r))
		assert_int_equal(json_array_size(r) + (size_t)number_at(reply, key_more),
			json_array_size(v));
	else if (json_is_object(r))
		accounted(v, r);
	return 0;
}

/* Whatever is not in the reply is counted there. */
static void
accounted(const json_t *value, const json_t *reply)
{
	unsigned int missing = 0;
	char index[24];
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)value, key, v)
		missing += is_missing(v, reply, key);
	json_array_foreach(value, i, v) {
		(void)snprintf(index, sizeof(index), "%zu", i);
		missing += is_missing(v, reply, index);
	}
	assert_int_equal(number_at(reply, "more"), missing);
}

static void
anything(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		json_t *v = any_value(0), *reply, *wrapped;
		size_t room = 64 + chance(TEL_ROOM - 63);

		wrapped = json_pack("{s:o}", "v", v);
		reply = reply_in(wrapped, room);
		assert_in_range(strlen(reply_text), 1, room + strlen("{\"/test\":}"));
		accounted(wrapped, reply);
		json_decref(reply);
		json_decref(wrapped);
	}
}

/* ---- questions -------------------------------------------------------------------- */

#define MANY	12u

static struct event_base *base;
static unsigned int nb_answers;		/* by answer() */
static sem_t gave_up;			/* who asked has left; answer() waits for it */
static json_t *kept;			/* what a late answer was */

static int
answer(const void *what, const char *param, json_t **out, void *arg)
{
	assert_ptr_equal(arg, &nb_answers);
	nb_answers++;
	if (what == &gave_up) {
		(void)sem_wait(&gave_up);
		*out = json_incref(kept);
		return 0;
	}
	if (param != NULL && strcmp(param, "wrong") == 0)
		return -EINVAL;
	*out = json_pack("{s:s?}", "param", param);
	return 0;
}

struct asker {
	pthread_t thread;
	struct questions *q;
	const void *what;
	const char *param;
	unsigned int ms;
	int ret;
	json_t *answer;
};

static void *
ask_once(void *arg)
{
	struct asker *a = arg;

	a->ret = questions_ask(a->q, a->what, a->param, a->ms, &a->answer);
	if (a->what == &gave_up)
		(void)sem_post(&gave_up);
	return NULL;
}

static void
begin(struct asker *a)
{
	assert_int_equal(pthread_create(&a->thread, NULL, ask_once, a), 0);
}

static void
end(struct asker *a)
{
	assert_int_equal(pthread_join(a->thread, NULL), 0);
}

static unsigned int
nb_waiting(struct questions *q)
{
	unsigned int n;

	(void)pthread_mutex_lock(&q->lock);
	n = q->nb;
	(void)pthread_mutex_unlock(&q->lock);
	return n;
}

static int
make_base(void **state)
{
	(void)state;
	base = event_base_new();
	nb_answers = 0;
	return base != NULL && sem_init(&gave_up, 0, 0) == 0 ? 0 : -1;
}

static int
free_base(void **state)
{
	(void)state;
	event_base_free(base);
	return sem_destroy(&gave_up);
}

static void
answered(void **state)
{
	static struct questions q = QUESTIONS_CLOSED;
	struct asker a = { .q = &q, .param = "a \"b\",c", .ms = LONG_MS };
	struct asker none = { .q = &q, .ms = LONG_MS }, wrong = { .q = &q, .param = "wrong", .ms = LONG_MS };

	(void)state;
	assert_int_equal(questions_open(&q, base, answer, &nb_answers), 0);
	begin(&a);
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	end(&a);
	assert_int_equal(a.ret, 0);
	assert_string_equal(json_string_value(json_object_get(a.answer, "param")), a.param);
	assert_int_equal(a.answer->refcount, 1);
	json_decref(a.answer);
	begin(&none);
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	end(&none);
	assert_true(json_is_null(json_object_get(none.answer, "param")));
	json_decref(none.answer);
	begin(&wrong);
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	end(&wrong);
	assert_int_equal(wrong.ret, -EINVAL);
	assert_null(wrong.answer);
	questions_close(&q);
	assert_int_equal(nb_answers, 3);
}

static void
nobody_answers(void **state)
{
	static struct questions q = QUESTIONS_CLOSED;
	struct asker a = { .q = &q, .ms = 30 };

	(void)state;
	assert_int_equal(questions_open(&q, base, answer, &nb_answers), 0);
	begin(&a);
	end(&a);
	assert_int_equal(a.ret, -ETIMEDOUT);
	assert_int_equal(nb_waiting(&q), 0);
	/* It was put in, and is there no more. */
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_int_equal(nb_answers, 0);
	questions_close(&q);
}

static void
answered_late(void **state)
{
	static struct questions q = QUESTIONS_CLOSED;
	struct asker a = { .q = &q, .what = &gave_up, .ms = 30 };

	(void)state;
	kept = json_object();
	assert_int_equal(questions_open(&q, base, answer, &nb_answers), 0);
	/* On a slow machine the time may be over before the loop takes it. */
	while (nb_answers == 0) {
		while (sem_trywait(&gave_up) == 0)
			;
		begin(&a);
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
		end(&a);
		assert_int_equal(a.ret, -ETIMEDOUT);
		assert_null(a.answer);
	}
	assert_int_equal(kept->refcount, 1);
	questions_close(&q);
	json_decref(kept);
}

static void
full_then_closed(void **state)
{
	static struct questions q = QUESTIONS_CLOSED;
	static struct asker a[QUESTIONS_MAX];
	json_t *out = NULL;

	(void)state;
	assert_int_equal(questions_ask(&q, NULL, NULL, LONG_MS, &out), -ESHUTDOWN);
	questions_close(&q);
	assert_int_equal(questions_open(&q, base, answer, &nb_answers), 0);
	for (unsigned int i = 0; i < QUESTIONS_MAX; i++) {
		a[i] = (struct asker){ .q = &q, .ms = LONG_MS };
		begin(&a[i]);
	}
	while (nb_waiting(&q) != QUESTIONS_MAX)
		(void)sched_yield();
	assert_int_equal(questions_ask(&q, NULL, NULL, LONG_MS, &out), -EBUSY);
	/* One is answered, and leaves its place. */
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_int_equal(nb_waiting(&q), QUESTIONS_MAX - 1);
	questions_close(&q);
	for (unsigned int i = 0, answers = 0; i < QUESTIONS_MAX; i++) {
		end(&a[i]);
		answers += a[i].ret == 0;
		assert_true(a[i].ret == 0 || a[i].ret == -ESHUTDOWN);
		json_decref(a[i].answer);
		if (i == QUESTIONS_MAX - 1)
			assert_int_equal(answers, 1);
	}
	assert_int_equal(questions_ask(&q, NULL, NULL, LONG_MS, &out), -ESHUTDOWN);
	assert_null(out);
	assert_int_equal(nb_answers, 1);
	questions_close(&q);
}

struct crowd {
	pthread_t thread;
	struct questions *q;
	unsigned int number;
	unsigned int answered, late, refused, wrong;	/* refused: closed */
};

/* Until the queue is closed. */
static void *
ask_on(void *arg)
{
	struct crowd *c = arg;
	char param[24];

	for (unsigned int i = 0; c->refused == 0; i++) {
		json_t *out = NULL;
		int ret;

		(void)snprintf(param, sizeof(param), "%u.%u", c->number, i);
		ret = questions_ask(c->q, NULL, param, i % 4 == 0 ? LONG_MS : i % 3, &out);
		c->answered += ret == 0;
		c->late += ret == -ETIMEDOUT;
		c->refused += ret == -ESHUTDOWN;
		if (ret == 0)
			c->wrong += strcmp(json_string_value(json_object_get(out, "param")),
				param) != 0;
		else
			c->wrong += out != NULL || (ret != -ETIMEDOUT && ret != -ESHUTDOWN);
		json_decref(out);
	}
	return NULL;
}

static void
many_threads(void **state)
{
	static struct questions q = QUESTIONS_CLOSED;
	static struct crowd crowd[MANY];
	unsigned int answers = 0, late = 0;

	(void)state;
	assert_int_equal(questions_open(&q, base, answer, &nb_answers), 0);
	for (unsigned int i = 0; i < MANY; i++) {
		crowd[i] = (struct crowd){ .q = &q, .number = i };
		assert_int_equal(pthread_create(&crowd[i].thread, NULL, ask_on, &crowd[i]), 0);
	}
	while (nb_answers < 5000)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	questions_close(&q);
	for (unsigned int i = 0; i < MANY; i++) {
		assert_int_equal(pthread_join(crowd[i].thread, NULL), 0);
		assert_int_equal(crowd[i].wrong, 0);
		assert_int_equal(crowd[i].refused, 1);
		answers += crowd[i].answered;
		late += crowd[i].late;
	}
	assert_in_range(answers, 1000, nb_answers);
	assert_true(nb_answers - answers <= late);
}

int
main(void)
{
	const struct CMUnitTest replies[] = {
		cmocka_unit_test(plain_values),
		cmocka_unit_test(not_a_reply),
		cmocka_unit_test(arrays),
		cmocka_unit_test(texts),
		cmocka_unit_test(too_many_entries),
		cmocka_unit_test(too_long_a_list),
		cmocka_unit_test(anything),
	};
	const struct CMUnitTest questions[] = {
		cmocka_unit_test_setup_teardown(answered, make_base, free_base),
		cmocka_unit_test_setup_teardown(nobody_answers, make_base, free_base),
		cmocka_unit_test_setup_teardown(answered_late, make_base, free_base),
		cmocka_unit_test_setup_teardown(full_then_closed, make_base, free_base),
		cmocka_unit_test_setup_teardown(many_threads, make_base, free_base),
	};
	int failed = cmocka_run_group_tests(replies, start_telemetry, stop_telemetry);

	return failed + cmocka_run_group_tests(questions, NULL, NULL);
}
