/* SPDX-License-Identifier: BSD-3-Clause */
#include "complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "members.h"

/* Whoever presses TAB does not wait for a libvirt that hangs. */
#define VMS_TIMEOUT_MS 1000

static void
offer(struct candidates *c, const char *word, const char *start)
{
	char **grown;

	if (strncmp(word, start, strlen(start)) != 0)
		return;
	grown = realloc(c->word, (c->nb + 1) * sizeof(*grown));
	if (grown == NULL)
		abort();
	c->word = grown;
	c->word[c->nb] = strdup(word);
	if (c->word[c->nb] == NULL)
		abort();
	c->nb++;
}

void
candidates_free(struct candidates *c)
{
	for (size_t i = 0; i < c->nb; i++)
		free(c->word[i]);
	free(c->word);
	*c = (struct candidates){ .nb = 0 };
}

size_t
candidates_common(const struct candidates *c)
{
	size_t n = 0;

	if (c->nb == 0)
		return 0;
	for (;; n++) {
		for (size_t i = 0; i < c->nb; i++) {
			if (c->word[i][n] == '\0' || c->word[i][n] != c->word[0][n])
				return n;
		}
	}
}

static void
offer_commands(struct candidates *c, const char *start)
{
	for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++)
		offer(c, cmd->name, start);
}

static void
offer_vms(const struct cli *cli, struct candidates *c, const char *start)
{
	struct client_error err;
	struct client client;
	json_t *list, *vms;

	if (client_open(&client, cli->socket, &err.why) < 0)
		return;
	list = client_call(&client, "list", NULL, VMS_TIMEOUT_MS, &err);
	client_close(&client);
	vms = json_object_get(list, "vms");
	for (size_t i = 0; i < json_array_size(vms); i++)
		offer(c, text_of(json_array_get(vms, i), "name"), start);
	json_decref(list);
}

static void
offer_values(const struct cli *cli, struct candidates *c, const struct value_type *type,
	const char *start)
{
	if (type->kind == VALUE_VM)
		offer_vms(cli, c, start);
	if (type->kind == VALUE_COMMAND)
		offer_commands(c, start);
	for (size_t i = 0; type->words != NULL && type->words[i] != NULL; i++)
		offer(c, type->words[i], start);
}

static void
offer_options(struct candidates *c, unsigned int options, const char *start)
{
	char text[40];

	for (unsigned int i = 0; i < OPT_COUNT; i++) {
		if ((options >> i & 1) == 0)
			continue;
		(void)snprintf(text, sizeof(text), "--%s", cli_options[i].name);
		offer(c, text, start);
	}
}

/* The option that a word is as a whole, if it takes a value: the next word. */
static const struct cli_option *
option_with_value(unsigned int options, const char *word)
{
	for (unsigned int i = 0; i < OPT_COUNT; i++) {
		const struct cli_option *o = &cli_options[i];
		bool is_long = strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->name) == 0;
		bool is_short = word[0] == '-' && word[1] == o->letter && o->letter != '\0' &&
			word[2] == '\0';

		if ((options >> i & 1) != 0 && o->value.kind != VALUE_NONE &&
		    (is_long || is_short))
			return o;
	}
	return NULL;
}

static const struct cli_command *
find_quietly(const char *name)
{
	for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++) {
		if (strcmp(cmd->name, name) == 0)
			return cmd;
	}
	return NULL;
}

void
complete(const struct cli *cli, int nb_words, const char **words, struct candidates *c)
{
	const char *start = words[nb_words - 1];
	const struct cli_command *cmd = NULL;
	const struct cli_option *value_of = NULL;
	unsigned int options = CLI_GLOBAL_OPTIONS, nb_args = 0;

	*c = (struct candidates){ .nb = 0 };
	for (int i = 0; i < nb_words - 1; i++) {
		if (value_of != NULL) {
			value_of = NULL;
		} else if (words[i][0] == '-') {
			value_of = option_with_value(options, words[i]);
		} else if (cmd == NULL) {
			cmd = find_quietly(words[i]);
			if (cmd == NULL)
				return;
			options |= cmd->options;
		} else {
			nb_args++;
		}
	}
	if (value_of != NULL)
		offer_values(cli, c, &value_of->value, start);
	else if (start[0] == '-')
		offer_options(c, options, start);
	else if (cmd == NULL)
		offer_commands(c, start);
	else if (nb_args < cli_max_args(cmd))
		offer_values(cli, c, &cmd->arg[nb_args], start);
}
