// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The kernel's side of the clock that programs read themselves. See clock.h.
 */
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/pvclock_gtod.h>
#include <linux/string.h>
#include <linux/time-internal.h>
#include <linux/timekeeper_internal.h>
#include "clock.h"

extern struct page *um_vdso;
static struct lab_clock *lab_clock;

static int lab_clock_changed(struct notifier_block *block, unsigned long set, void *data)
{
	const struct tk_read_base *base = &((const struct timekeeper *)data)->tkr_mono;

	lab_clock->seq++;
	barrier();
	/* In time travel the host's clock says nothing. */
	lab_clock->valid = time_travel_mode == TT_MODE_OFF && !strcmp(base->clock->name, "timer");
	lab_clock->mult = base->mult;
	lab_clock->shift = base->shift;
	lab_clock->cycle_last = base->cycle_last;
	lab_clock->fraction = base->xtime_nsec;
	lab_clock->monotonic = base->base;
	lab_clock->realtime = base->base_real;
	lab_clock->cycle = TIMER_MULTIPLIER;
	barrier();
	lab_clock->seq++;
	return NOTIFY_OK;
}

static struct notifier_block lab_clock_block = { .notifier_call = lab_clock_changed };

static int __init lab_clock_init(void)
{
	u64 *word = page_address(um_vdso);
	u64 *end = page_address(um_vdso) + PAGE_SIZE - sizeof(*lab_clock);

	while (word < end && *word != LAB_CLOCK_MARK)
		word++;
	if (word >= end)
		return -ENOENT;
	lab_clock = (struct lab_clock *)word;
	return pvclock_gtod_register_notifier(&lab_clock_block);
}
late_initcall(lab_clock_init);
