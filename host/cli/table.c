/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.c - all commands and options; help and completion come from here
 */
#include "cli.h"

static const char *const formats[] = { "table", "json", NULL };
static const char *const all[] = { "all", NULL };
static const char *const status_words[] = { "enabled", "disabled", NULL };
static const char *const query_words[] = { "enable", "disable", NULL };
static const char *const targets[] = { "mem", "disk", "hybrid", NULL };
static const char *const powerstates[] = { "mem", "disk", "hybrid", "running", NULL };
static const char *const transports[] = { "ivshmem", "vhost-user", NULL };
static const char *const shells[] = { "bash", NULL };
static const char *const freqs[] = { "up", "down", "min", "max", "enable_turbo",
	"disable_turbo", NULL };
static const char *const kinds[] = { "drift", "drift-over", "refused", "refused-over",
	"offline", "online", "lease-expired", "libvirt-lost", "libvirt-connected",
	"libvirt-synced", "served", "not-served", "quarantined", "state", "renamed", "pinned",
	"pin-differs", "vcpu", "device", "pm-suspend", "pm-suspend-disk", "pm-wakeup",
	"votes", "host-suspend", "host-resumed", "host-stayed", "operator", NULL };

#define NO_VALUE { VALUE_NONE, NULL, NULL }

/* Arguments that several commands have. */
#define NO_ARGS { NO_VALUE }
#define VM { VALUE_VM, "VM", NULL }
#define VCPU { VALUE_VCPU, "VCPU", NULL }
#define CPU { VALUE_CPU, "CPU", NULL }
#define MASK { VALUE_MASK, "MASK", NULL }
#define FREQ { VALUE_FREQ, "FREQ", freqs }
#define CHANNELS { VALUE_CHANNELS, "LIST|all", all }
#define TARGET { VALUE_WORD, "TARGET", targets }
#define SECONDS { VALUE_NUMBER, "SECONDS", NULL }
#define COMMAND { VALUE_COMMAND, "COMMAND", NULL }

const struct cli_command cli_commands[] = {
	{ "attach", { VM }, 1,
	  OPT(LIVE) | OPT(CONFIG) | OPT(SERIAL_PORTS) | OPT(PRINT) | OPT(TRANSPORT),
	  "put freqring's device into a VM",
	  "Without --live or --config: into both, as far as the VM runs and lives on.\n"
	  "QEMU cannot take every device while it runs; what it could not is said.\n\n"
	  "  freqring attach web --config --serial 4\n"
	  "  freqring attach web --transport vhost-user\n", cmd_attach },
	{ "completion", { { VALUE_WORD, "SHELL", shells } }, 1, 0,
	  "print a script that completes words in bash",
	  "  source <(freqring completion bash)\n\n", cmd_completion },
	{ "detach", { VM }, 1, OPT(LIVE) | OPT(CONFIG) | OPT(SERIAL) | OPT(TRANSPORT),
	  "take freqring's device out of a VM",
	  "A running guest has to give it up first; it is waited for.\n\n"
	  "  freqring detach web --live\n", cmd_detach },
	{ "doctor", { { VALUE_TEXT, "CONFIG-FILE", NULL } }, 0, 0,
	  "what is missing here, and how to mend it",
	  "Needs no daemon and changes nothing. Exit status 1 where something FAILs.\n\n"
	  "  freqring doctor\n", cmd_doctor },
	{ "dompmsuspend", { VM, TARGET, SECONDS }, 1,
	  OPT(TARGET) | OPT(DURATION) | OPT(TIMEOUT),
	  "suspend a guest, and wait until it did",
	  "TARGET is mem, disk or hybrid. With SECONDS freqringd wakes it up again. The\n"
	  "guest needs its agent, and swap for disk and hybrid.\n\n"
	  "  freqring dompmsuspend web mem 300\n", cmd_dompmsuspend },
	{ "dompmwakeup", { VM }, 1, OPT(TIMEOUT),
	  "wake up a guest that is suspended",
	  "One that is suspended to disk is started.\n\n"
	  "  freqring dompmwakeup web\n", cmd_dompmwakeup },
	{ "domstate", { VM }, 1, 0,
	  "what a guest does, since when, and its votes",
	  "  freqring domstate web\n", cmd_domstate },
	{ "event", { VM }, 0,
	  OPT(KIND) | OPT(LOOP) | OPT(TIMESTAMP) | OPT(TIMEOUT) | OPT(SINCE),
	  "wait for events of a VM or of all",
	  "Ends after the first one, with --loop only at the timeout or at Ctrl-C.\n"
	  "Status 0 where there was one. With -o json an object a line.\n\n"
	  "  freqring event web --loop --timestamp --kind drift,refused\n", cmd_event },
	{ "events", NO_ARGS, 0, OPT(SINCE),
	  "what happened, the last 256 events",
	  "  freqring events --since 40\n", cmd_events },
	{ "exit", NO_ARGS, 0, 0, "end freqring shell",
	  "Elsewhere it does nothing.\n", cmd_quit },
	{ "help", { COMMAND }, 0, 0, "what commands there are, or what one does",
	  "  freqring help vcpupin\n", cmd_help },
	{ "list", NO_ARGS, 0, OPT(NAME),
	  "all VMs of libvirt, and whether they are served",
	  "  freqring list --name\n", cmd_list },
	{ "nodepm", NO_ARGS, 0, 0,
	  "how this host can sleep, and whether it works",
	  "Exit status 1 where there is none that works.\n\n"
	  "  freqring nodepm\n", cmd_nodepm },
	{ "nodesuspend", { TARGET, SECONDS }, 0,
	  OPT(TARGET) | OPT(DURATION) | OPT(VERIFY),
	  "suspend this host for a time",
	  "Answers before it sleeps. With --verify after it woke up: whether it slept,\n"
	  "and for how long; exit status 1 where it did not.\n\n"
	  "  freqring nodesuspend mem 600 --verify\n", cmd_nodesuspend },
	{ "powerstate", { VM, { VALUE_WORD, "STATE", powerstates }, SECONDS }, 1, OPT(TIMEOUT),
	  "the power state of a guest; with STATE: set it",
	  "STATE is mem, disk, hybrid or running. With SECONDS freqringd wakes it up\n"
	  "again.\n\n"
	  "  freqring powerstate web mem\n", cmd_powerstate },
	{ "release", { { VALUE_CPULIST, "LIST|all", all } }, 1, 0,
	  "end set_cpu_freq: the VMs' votes decide again",
	  "  freqring release 0,2-5\n", cmd_release },
	{ "reload", NO_ARGS, 0, 0, "read the daemon's configuration anew",
	  "Prints what changed, and what changes only when freqringd is restarted.\n\n"
	  "  freqring reload\n", cmd_reload },
	{ "shell", NO_ARGS, 0, 0,
	  "read commands from a terminal or a script",
	  "On a terminal with completion (TAB) and history. Words are quoted as in sh,\n"
	  "\";\" separates commands, \"#\" starts a comment. A command that fails is\n"
	  "reported, and the next one runs. Ctrl-C ends a line, not the shell. Exit\n"
	  "status: 0 where all went well, otherwise that of the last one that failed.\n\n"
	  "  freqring shell <commands.txt\n", cmd_shell },
	{ "stats", { VM }, 0, 0, "counters, a line each",
	  "  freqring stats web\n", cmd_stats },
	{ "status", { VM }, 0, 0, "the daemon, its VMs or one of them, their CPUs",
	  "  freqring status web\n", cmd_status },
	{ "top", NO_ARGS, 0, OPT(BATCH) | OPT(DELAY) | OPT(ITERATIONS),
	  "watch who asks for what, and what comes of it",
	  "On a terminal q ends it, s sorts by name or by rate, space asks now. Elsewhere,\n"
	  "and with --batch, one page after another; with -o json an object a line.\n\n"
	  "  freqring top --batch --delay 1 --iterations 3\n", cmd_top },
	{ "vcpupin", { VM, VCPU, { VALUE_CPULIST, "CPULIST", NULL } }, 1,
	  OPT(LIVE) | OPT(CONFIG) | OPT(CURRENT),
	  "where vCPUs may run; with CPULIST: pin one",
	  "--live: the VM as it runs; --config: at its next start. Without either, or\n"
	  "with --current: live where it runs, otherwise its next start.\n\n"
	  "  freqring vcpupin web 0 4-5 --live --config\n", cmd_vcpupin },
	{ "verify", NO_ARGS, 0, 0,
	  "compare each CPU's promise with its files",
	  "Exit status 1 where there is a difference.\n\n"
	  "  freqring verify\n", cmd_verify },
	{ "version", NO_ARGS, 0, 0,
	  "versions of this command and of the daemon", "  freqring version\n", cmd_version },

	{ CLI_FIRST_OF_PEER, { VM, CHANNELS }, 2, 0, "serve channels of a VM",
	  "  freqring add_channels web 0,2-5,9\n", cmd_add_channels },
	{ "add_vm", { VM }, 1, 0, "serve a VM, running or not",
	  "  freqring add_vm web\n", cmd_add_vm },
	{ "quit", NO_ARGS, 0, 0, "end freqring shell",
	  "Elsewhere it does nothing.\n", cmd_quit },
	{ "rm_vm", { VM }, 1, 0, "serve a VM no more",
	  "  freqring rm_vm web\n", cmd_rm_vm },
	{ "set_channel_status", { VM, CHANNELS, { VALUE_WORD, "STATUS", status_words } }, 3, 0,
	  "let channels of a VM decide, or not",
	  "A disabled channel has no vote: requests are read, counted, and ignored.\n\n"
	  "  freqring set_channel_status web 0-3 disabled\n\n", cmd_set_channel_status },
	{ "set_cpu_freq", { CPU, FREQ }, 2, 0, "set a CPU, whatever VMs ask for",
	  "FREQ is up, down, min, max, enable_turbo, disable_turbo, or MHz. It holds for\n"
	  "the CPU's frequency domain until freqring release, or until the daemon ends.\n\n"
	  "  freqring set_cpu_freq 3 1800\n", cmd_set_cpu_freq },
	{ "set_cpu_freq_mask", { MASK, FREQ }, 2, 0, "set several CPUs, all of them or none",
	  "FREQ as of set_cpu_freq.\n\n"
	  "  freqring set_cpu_freq_mask 0x2c max\n", cmd_set_cpu_freq_mask },
	{ "set_pcpu", { VM, VCPU, { VALUE_CPU, "PCPU", NULL } }, 3, 0,
	  "pin a vCPU to a CPU, now and at the next start",
	  "  freqring set_pcpu web 0 2\n", cmd_set_pcpu },
	{ "set_pcpu_mask", { VM, VCPU, MASK }, 3, 0,
	  "pin a vCPU to CPUs, now and at the next start",
	  "  freqring set_pcpu_mask web 0 0x6\n", cmd_set_pcpu_mask },
	{ "set_query", { VM, { VALUE_WORD, "QUERY", query_words } }, 2, 0,
	  "let a VM ask for frequencies, or not",
	  "  freqring set_query web enable\n\n", cmd_set_query },
	{ "show_cpu_freq", { CPU }, 1, 0, "the frequency of a CPU, kHz",
	  "  freqring show_cpu_freq 3\n", cmd_show_cpu_freq },
	{ "show_cpu_freq_mask", { MASK }, 1, 0, "the frequencies of several CPUs, kHz",
	  "  freqring show_cpu_freq_mask 0x2c\n", cmd_show_cpu_freq_mask },
	{ "show_vm", { VM }, 1, 0, "channels of a VM, and where its vCPUs are pinned",
	  "  freqring show_vm web\n", cmd_show_vm },
	{ .name = NULL }
};

const struct cli_option cli_options[OPT_COUNT] = {
	[OPT_SOCKET] = { "socket", 's', { VALUE_TEXT, "SOCKET", NULL },
		"of the daemon [" DEFAULT_SOCKET "]" },
	[OPT_OUTPUT] = { "output", 'o', { VALUE_WORD, "FORMAT", formats },
		"table or json [table]" },
	[OPT_HELP] = { "help", 'h', NO_VALUE,
		"print help, also after a command" },
	[OPT_VERSION] = { "version", '\0', NO_VALUE,
		"print the version of this command" },
	[OPT_BATCH] = { "batch", '\0', NO_VALUE,
		"one page after another, not a screen" },
	[OPT_CONFIG] = { "config", '\0', NO_VALUE,
		"in its definition, from the next start on" },
	[OPT_CURRENT] = { "current", '\0', NO_VALUE,
		"as it is now, running or not" },
	[OPT_DELAY] = { "delay", '\0', { VALUE_COUNT, "SECONDS", NULL },
		"between two pages [2]" },
	[OPT_DURATION] = { "duration", '\0', { VALUE_NUMBER, "SECONDS", NULL },
		"how long it is to sleep, as SECONDS" },
	[OPT_ITERATIONS] = { "iterations", '\0', { VALUE_COUNT, "N", NULL },
		"end after that many pages" },
	[OPT_KIND] = { "kind", '\0', { VALUE_WORDS, "KIND[,KIND]", kinds },
		"those events only" },
	[OPT_LIVE] = { "live", '\0', NO_VALUE, "in the VM that runs" },
	[OPT_LOOP] = { "loop", '\0', NO_VALUE,
		"not only the first: until the timeout, or Ctrl-C" },
	[OPT_NAME] = { "name", '\0', NO_VALUE, "names only, a line each" },
	[OPT_PRINT] = { "print", '\0', NO_VALUE,
		"print the XML of the device, and change nothing" },
	[OPT_SERIAL_PORTS] = { "serial", '\0', { VALUE_NUMBER, "N", NULL },
		"that many serial channels, too" },
	[OPT_SERIAL] = { "serial", '\0', NO_VALUE,
		"the serial channels, too" },
	[OPT_SINCE] = { "since", '\0', { VALUE_NUMBER, "N", NULL },
		"events after number N that are still kept" },
	[OPT_TARGET] = { "target", '\0', { VALUE_WORD, "TARGET", targets },
		"how it is to sleep, as TARGET" },
	[OPT_TIMEOUT] = { "timeout", '\0', { VALUE_COUNT, "SECONDS", NULL },
		"wait no longer than that" },
	[OPT_TRANSPORT] = { "transport", '\0', { VALUE_WORD, "TRANSPORT", transports },
		"which device: ivshmem or vhost-user [ivshmem]" },
	[OPT_TIMESTAMP] = { "timestamp", '\0', NO_VALUE,
		"say when it happened" },
	[OPT_VERIFY] = { "verify", '\0', NO_VALUE,
		"wait until the host is back, and say whether it slept" },
};
