/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Added by the lab to User Mode Linux: programs read the clock themselves. A system call passes from the program to the kernel's process and
 * back, some ten microseconds, and Go programs ask for the time more often than for anything else.
 */
#ifndef LAB_CLOCK_H
#define LAB_CLOCK_H

/* The third argument of a clock_gettime that the host's kernel answers at once; Linux's own has two. */
#define LAB_HOST_CLOCK_LOW 0x6b756265
#define LAB_HOST_CLOCK_HIGH 0x73746561

#define LAB_CLOCK_MARK 0x7465616462756b73ULL

/* What the kernel writes into the vDSO's page: how nanoseconds of the host become those of this machine. */
struct lab_clock {
	unsigned long long mark;
	/* Odd while the rest is written. */
	unsigned int seq;
	unsigned int valid;
	unsigned int mult;
	unsigned int shift;
	unsigned long long cycle_last;
	unsigned long long fraction;
	unsigned long long monotonic;
	unsigned long long realtime;
	/* Nanoseconds of a cycle. */
	unsigned long long cycle;
};

#endif
