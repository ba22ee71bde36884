/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpufreq_pvt.h - for unit tests: another tree in the place of
 * /sys/devices/system/cpu
 */
#ifndef FRQ_CPUFREQ_PVT_H
#define FRQ_CPUFREQ_PVT_H

void cpufreq_set_root(const char *root);

#endif /* FRQ_CPUFREQ_PVT_H */
