// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The vDSO of User Mode Linux in the lab. See clock.h.
 */
#define DISABLE_BRANCH_PROFILING

#include <vdso/gettime.h>
#include <linux/time.h>
#include <asm/unistd.h>
#include "clock.h"

/* The kernel finds it by its mark. */
static volatile struct lab_clock lab_clock __attribute__((section(".data"), used)) = { .mark = LAB_CLOCK_MARK };

static inline long ask(long number, long first, long second, long third)
{
	long answer;

	asm volatile("syscall" : "=a"(answer) : "0"(number), "D"(first), "S"(second), "d"(third) : "rcx", "r11", "memory");
	return answer;
}

/* Nanoseconds of a clock, or 0 when the kernel must be asked. */
static unsigned long long now(int realtime)
{
	struct __kernel_timespec host;
	unsigned long long cycles, base, part;
	unsigned int seq;

	do {
		seq = lab_clock.seq;
		if (!lab_clock.valid || (seq & 1))
			return 0;
		/* The host's kernel must find the stack's page: it is touched first, and if it is gone again the kernel is asked. */
		*(volatile long long *)&host.tv_nsec = 0;
		if (ask(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&host, (long)LAB_HOST_CLOCK_HIGH << 32 | LAB_HOST_CLOCK_LOW))
			return 0;
		cycles = (host.tv_sec * 1000000000ULL + host.tv_nsec) / lab_clock.cycle;
		base = realtime ? lab_clock.realtime : lab_clock.monotonic;
		cycles = cycles > lab_clock.cycle_last ? cycles - lab_clock.cycle_last : 0;
		part = (cycles * lab_clock.mult + lab_clock.fraction) >> lab_clock.shift;
	} while (seq != lab_clock.seq);
	return base + part;
}

int __vdso_clock_gettime(clockid_t clock, struct __kernel_timespec *ts)
{
	unsigned long long ns = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ? now(clock == CLOCK_REALTIME) : 0;

	if (!ns)
		return ask(__NR_clock_gettime, clock, (long)ts, 0);
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return 0;
}
int clock_gettime(clockid_t, struct __kernel_timespec *) __attribute__((weak, alias("__vdso_clock_gettime")));

int __vdso_gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz)
{
	unsigned long long ns = tv && !tz ? now(1) : 0;

	if (!ns)
		return ask(__NR_gettimeofday, (long)tv, (long)tz, 0);
	tv->tv_sec = ns / 1000000000;
	tv->tv_usec = ns % 1000000000 / 1000;
	return 0;
}
int gettimeofday(struct __kernel_old_timeval *, struct timezone *) __attribute__((weak, alias("__vdso_gettimeofday")));

__kernel_old_time_t __vdso_time(__kernel_old_time_t *t)
{
	return ask(__NR_time, (long)t, 0, 0);
}
__kernel_old_time_t time(__kernel_old_time_t *t) __attribute__((weak, alias("__vdso_time")));
