/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_SAMPLER_BPF_H
#define TASKLOCAL_SAMPLER_BPF_H

/*
 * Interrupts the watched threads at random times, about 1000 times a second on
 * each processor that runs any. Samples at the tick, or at any other fixed beat,
 * would be biased: they would meet the threads that the beat itself has made
 * runnable, and never those that leave the processor before it.
 *
 *	sampler_prepare()	call once, in a program of SEC("syscall")
 *	sampler_entered()	call when a watched thread is put on this processor,
 *				or found there
 *	sampled()		defined by the includer; called in a softirq with the
 *				interrupted thread, returns whether it is watched
 *
 * Where softirqs run in threads (PREEMPT_RT), those are what is interrupted, and
 * no watched thread ever is: see sampler_is_late().
 */

#define SAMPLE_PERIOD 1000000ULL

/* The timer stops this long after a watched thread was last seen on the processor. */
#define SAMPLE_HOLD (20 * SAMPLE_PERIOD)

#define SAMPLE_LATE (50 * SAMPLE_PERIOD)

#define SAMPLER_MAX_CPUS 8192

#ifndef CLOCK_MONOTONIC
#define CLOCK_MONOTONIC 1
#endif
#ifndef BPF_F_TIMER_CPU_PIN
#define BPF_F_TIMER_CPU_PIN (1ULL << 1) /* Linux 6.7 */
#endif

#ifndef EINVAL
#define EINVAL 22
#endif

static bool sampled(struct task_struct *task, __u64 now);

struct sampler {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SAMPLER_MAX_CPUS);
	__type(key, __u32);
	__type(value, struct sampler);
} samplers SEC(".maps");

struct sampler_cpu {
	__u64 entered_at;
	__u64 sampled_at;
	__u32 armed;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sampler_cpu);
} sampler_cpus SEC(".maps");

static __always_inline struct sampler_cpu *sampler_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sampler_cpus, &zero);
}

/*
 * The time until the next sample: -ln(u) periods, with u from 0 to 1. Delays of
 * this exponential distribution have no memory, so no rhythm of a thread can be
 * in step with the samples.
 */
static __always_inline __u64 sampler_delay(void)
{
	__u64 u = bpf_get_prandom_u32() | 1, f, log2;
	__u32 zeros = 0;

#pragma clang loop unroll(disable)
	for (zeros = 0; zeros < 31 && !(u & 1U << 31); zeros++)
		u <<= 1;
	/* In 65536ths: u is (1 + f) / 2^(zeros + 1); log2(1 + f) is about f + 0.344 f (1 - f). */
	f = u >> 15 & 0xffff;
	log2 = f + (22525 * (f * (65536 - f) >> 16) >> 16);
	log2 = ((zeros + 1ULL) << 16) - log2;
	return log2 * (SAMPLE_PERIOD * 693147 / 1000000) >> 16;
}

/* Before Linux 6.7 a timer cannot be bound to its CPU, and may move if that is idle: it then ends.
 */
static __always_inline long sampler_start(struct sampler *sampler, __u64 delay)
{
	long error = bpf_timer_start(&sampler->timer, delay, BPF_F_TIMER_CPU_PIN);

	return error == -EINVAL ? bpf_timer_start(&sampler->timer, delay, 0) : error;
}

/*
 * When a CPU goes offline, the kernel moves its timers to another, which has one
 * of its own. So a timer that finds itself elsewhere ends, and its CPU starts it
 * anew once it is back.
 */
static int sampler_timer(void *map, __u32 *key, struct sampler *sampler)
{
	__u32 zero = 0;
	struct sampler_cpu *cpu = bpf_map_lookup_percpu_elem(&sampler_cpus, &zero, *key);
	__u64 now = bpf_ktime_get_ns();

	if (!cpu)
		return 0;
	if (bpf_get_smp_processor_id() != *key) {
		cpu->armed = 0;
		return 0;
	}
	if (sampled(bpf_get_current_task_btf(), now)) {
		cpu->entered_at = now;
		cpu->sampled_at = now;
	}
	if (now - cpu->entered_at > SAMPLE_HOLD || sampler_start(sampler, sampler_delay()))
		cpu->armed = 0;
	return 0;
}

static long sampler_prepare_cpu(__u64 i, void *unused)
{
	__u32 zero = 0, cpu = i;
	struct sampler *sampler = bpf_map_lookup_elem(&samplers, &cpu);

	if (!sampler || !bpf_map_lookup_percpu_elem(&sampler_cpus, &zero, cpu))
		return 1;
	bpf_timer_init(&sampler->timer, &samplers, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&sampler->timer, sampler_timer);
	return 0;
}

static __always_inline void sampler_prepare(void)
{
	bpf_loop(SAMPLER_MAX_CPUS, sampler_prepare_cpu, NULL, 0);
}

static __always_inline void sampler_entered(__u64 now)
{
	struct sampler_cpu *cpu = sampler_cpu();
	__u32 number = bpf_get_smp_processor_id();
	struct sampler *sampler;

	if (!cpu)
		return;
	cpu->entered_at = now;
	if (cpu->armed)
		return;
	sampler = bpf_map_lookup_elem(&samplers, &number);
	if (sampler && !sampler_start(sampler, sampler_delay()))
		cpu->armed = 1;
}

/* Has it met no watched thread for too long? */
static __always_inline bool sampler_is_late(__u64 now)
{
	struct sampler_cpu *cpu = sampler_cpu();

	return cpu && now - cpu->sampled_at > SAMPLE_LATE;
}

#endif /* TASKLOCAL_SAMPLER_BPF_H */
