/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_TOP_BPF_H
#define TASKLOCAL_TOP_BPF_H

/*
 * Processor time by the values of KEYS keys.
 *
 * How long a thread ran is known to the nanosecond (sched_stat_runtime). Which
 * value it had meanwhile is not, because setting one is a plain store that
 * triggers nothing. The value that a thread has when it is put on a processor or
 * leaves it says nothing of the time between: a thread of a pool sets a value
 * for its task, puts the old one back, and then waits for the next task. So
 * values are sampled, at random times. A sampled value gets all the time that
 * the process has had on that processor since its last sample there. The sums
 * are exact; the split is as good as the number of samples.
 *
 * Runs, waits and switches need no samples: they happen at moments at which the
 * value is read.
 */
#include "key_value.bpf.h"
#include "sampler.bpf.h"
#include "watched.bpf.h"

#define E2BIG 7

#define MAX_ROWS 8192
#define MAX_PROCESSES 4096
#define MAX_CPUS 8192

enum {
	ROW_OTHERS, /* values that there was no room for */
	ROW_NO_ENTRY,
	ROW_NO_KEY,
	ROW_UNSAMPLED, /* time that was never sampled, of processes that have ended */
	ROW_FIRST,     /* the first row of a value */
};

struct row {
	__u64 ns;
	__u64 wait_ns;
	__u64 runs;
	__u64 voluntary;
	__u64 involuntary;
	__u64 threads; /* each counted once per epoch */
	__u64 samples;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_ROWS);
	__type(key, __u32);
	__type(value, struct row);
} rows SEC(".maps");

struct values {
	struct value of[KEYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_ROWS);
	__type(key, struct values);
	__type(value, __u32);
} rows_by_value SEC(".maps");

struct values values[MAX_ROWS]; /* by row */
__u32 next_row = ROW_FIRST;
__u64 no_room;	  /* how often a value found no row */
__u64 no_process; /* how often a process found no room in its map */
__u32 epoch = 1;  /* one more with each interval */

struct thread {
	struct values values; /* as last seen */
	struct place places[KEYS];
	__u32 changed; /* 1 if the row is not that of these values */
	__u32 row;
	__u32 counted_row; /* this and counted_epoch: where it was last counted */
	__u32 counted_epoch;
	__s64 pending; /* nanoseconds not given to any value yet; below 0: given in advance */
	__u64 ran_at;  /* the time up to which "pending" counts, while it runs */
	__u64 queued;  /* since when it has waited for a processor; 0: it does not */
	__u64 left;    /* 1 from when it leaves its processor until it is seen to get one */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

struct process {
	__u64 ns;      /* in all, "pool" included */
	__s64 pool_ns; /* for the value that is sampled next */
	int proc_id;   /* its name in /proc; on one CPU, on the others 0 */
	__u32 ended;   /* on the CPU that its last thread ended on */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, int);
	__type(value, struct process);
} processes SEC(".maps");

struct sighting {
	int tid;
	__u32 row;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct sighting);
	__type(value, __u32); /* epoch */
} sightings SEC(".maps");

/* ---- What this costs: one of every SAMPLE runs of a program is timed ---- */

#define SAMPLE 64

enum { ON_SWITCH, ON_RUNTIME, ON_WAKEUP, ON_SAMPLE, ON_TICK, PROGRAMS };

struct cost {
	__u64 runs[PROGRAMS];
	__u64 timed[PROGRAMS];
	__u64 ns[PROGRAMS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cost);
} costs SEC(".maps");

static __always_inline struct cost *start_program(int program, __u64 *start)
{
	__u32 zero = 0;
	struct cost *cost = bpf_map_lookup_elem(&costs, &zero);

	*start = 0;
	if (cost && cost->runs[program]++ % SAMPLE == 0)
		*start = bpf_ktime_get_ns();
	return cost;
}

static __always_inline void end_program(int program, struct cost *cost, __u64 start)
{
	if (cost && start) {
		cost->ns[program] += bpf_ktime_get_ns() - start;
		cost->timed[program]++;
	}
}

/* ---- Counting ---- */

static struct row *row_of(struct thread *thread)
{
	return bpf_map_lookup_elem(&rows, &thread->row);
}

static __noinline __u32 find_row(struct values *seen)
{
	__u32 *found, row, keys = 0;

	if (seen->of[0].size == VALUE_NO_ENTRY)
		return ROW_NO_ENTRY;
	for (int i = 0; i < KEYS; i++)
		keys += seen->of[i].size != VALUE_NO_KEY;
	if (!keys)
		return ROW_NO_KEY;
	found = bpf_map_lookup_elem(&rows_by_value, seen);
	if (found)
		return *found;
	if (next_row >= MAX_ROWS) {
		__sync_fetch_and_add(&no_room, 1);
		return ROW_OTHERS;
	}
	row = __sync_fetch_and_add(&next_row, 1);
	if (row >= MAX_ROWS)
		return ROW_OTHERS;
	values[row] = *seen;
	if (!bpf_map_update_elem(&rows_by_value, seen, &row, BPF_NOEXIST))
		return row;
	found = bpf_map_lookup_elem(&rows_by_value, seen); /* another CPU was first */
	return found ? *found : ROW_OTHERS;
}

static __noinline int look_at(struct task_struct *task, struct thread *thread, int which)
{
	struct value value;

	if (read_value(task, &thread->places[which], &value, which))
		return 1;
	if (!same_value(&value, &thread->values.of[which])) {
		thread->values.of[which] = value;
		thread->changed = 1;
	}
	return 0;
}

/* Reads the values that the task has now; if that fails, which it returns, its last row stays. */
static __noinline int look(struct task_struct *task, struct thread *thread)
{
	if (look_at(task, thread, 0))
		return 1;
#if KEYS > 1
	if (look_at(task, thread, 1))
		return 1;
#endif
	if (thread->changed) {
		thread->changed = 0;
		thread->row = find_row(&thread->values);
	}
	return 0;
}

/* Counts the thread in its row, once per epoch. */
static __noinline int count_thread(struct task_struct *task, struct thread *thread)
{
	struct sighting sighting = {task->pid, thread->row};
	__u32 now = epoch, *last;
	struct row *row;

	if (thread->counted_row == thread->row && thread->counted_epoch == now)
		return 0;
	thread->counted_row = thread->row;
	thread->counted_epoch = now;
	last = bpf_map_lookup_elem(&sightings, &sighting);
	if (last && *last == now)
		return 0;
	bpf_map_update_elem(&sightings, &sighting, &now, BPF_ANY);
	row = row_of(thread);
	if (row)
		row->threads++;
	return 0;
}

/* The state of a task if its process is watched and has registered any thread; null for others. */
static __always_inline struct thread *thread_of(struct task_struct *task)
{
	struct thread *thread;
	int tgid = task->tgid;

	if (is_other(task))
		return NULL;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (thread)
		return thread;
	if (!bpf_map_lookup_elem(&processes, &tgid)) {
		struct process none = {};

		if (!tld_has_entry(task) || !is_watched(task))
			return NULL;
		none.proc_id = proc_id(task->group_leader);
		if (bpf_map_update_elem(&processes, &tgid, &none, BPF_NOEXIST) == -E2BIG)
			__sync_fetch_and_add(&no_process, 1);
	}
	thread = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (thread) {
		thread->row = ROW_NO_ENTRY;
		for (int i = 0; i < KEYS; i++)
			thread->values.of[i].size = VALUE_NO_ENTRY;
	}
	return thread;
}

static __always_inline __s64 take_pending(struct thread *thread)
{
	return __sync_lock_test_and_set(&thread->pending, 0);
}

/*
 * The thread was interrupted: its value gets all the time that no value has got
 * yet, up to this moment. The scheduler's accounts lag behind by up to a tick:
 * by them alone, part of the time of a thread that ran long would go to the
 * thread after it.
 */
static __noinline int sample(struct task_struct *task, struct thread *thread, __u64 now)
{
	int tgid = task->tgid;
	struct process *process = bpf_map_lookup_elem(&processes, &tgid);
	__s64 ahead = now - thread->ran_at, ns;
	struct row *row;

	if (!thread->ran_at || ahead < 0)
		ahead = 0;
	if (look(task, thread))
		return 0; /* the next sample gets the time */
	ns = __sync_lock_test_and_set(&thread->pending, -ahead) + ahead;
	if (process) {
		process->ns += ns;
		if (thread->row >= ROW_FIRST || thread->row == ROW_OTHERS) {
			ns += process->pool_ns;
			process->pool_ns = 0;
		}
	}
	row = row_of(thread);
	if (row) {
		row->ns += ns;
		row->samples++;
		count_thread(task, thread);
	}
	return 0;
}

static __noinline int leave(struct task_struct *task, bool involuntary, __u64 now)
{
	struct thread *thread = thread_of(task);
	struct process *process;
	struct row *row;
	int tgid;
	__s64 ns;

	if (!thread)
		return 0;
	thread->ran_at = 0;
	look(task, thread);
	row = row_of(thread);
	if (!row)
		return 0;
	if (involuntary)
		row->involuntary++;
	else
		row->voluntary++;
	/*
	 * Linux 6.18 was seen to skip the tracepoint, for BPF and ftrace alike, at about
	 * one in a thousand switches away from the idle task. Such a run is counted here.
	 */
	if (thread->left)
		row->runs++;
	thread->left = 1;
	thread->queued = involuntary ? now : 0;

	tgid = task->tgid;
	process = bpf_map_lookup_elem(&processes, &tgid);
	ns = take_pending(thread);
	if (process)
		process->ns += ns;
	/* A thread without values needs no sample. */
	if (process && thread->row != ROW_NO_ENTRY && thread->row != ROW_NO_KEY)
		process->pool_ns += ns;
	else
		row->ns += ns;
	return 0;
}

static __noinline int enter(struct task_struct *task, __u64 now)
{
	struct thread *thread = thread_of(task);
	struct row *row;

	if (!thread)
		return 0;
	look(task, thread);
	row = row_of(thread);
	if (!row)
		return 0;
	row->runs++;
	thread->left = 0;
	if (thread->queued)
		row->wait_ns += now - thread->queued;
	thread->queued = 0;
	thread->ran_at = now;
	count_thread(task, thread);
	sampler_entered(now);
	return 0;
}

SEC("tp_btf/sched_switch")
int switched(__u64 *ctx)
{
	bool preempt = ctx[0];
	struct task_struct *prev = (struct task_struct *)ctx[1];
	struct task_struct *next = (struct task_struct *)ctx[2];
	__u32 prev_state = ctx[3];
	__u64 now = bpf_ktime_get_ns(), start;
	struct cost *cost = start_program(ON_SWITCH, &start);

	leave(prev, preempt || !prev_state, now);
	enter(next, now);
	end_program(ON_SWITCH, cost, start);
	return 0;
}

/* Called on any CPU, with the run queue lock of the one that the task runs on. */
SEC("tp_btf/sched_stat_runtime")
int ran(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct thread *thread;
	__u64 start;
	struct cost *cost = start_program(ON_RUNTIME, &start);

	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (thread) {
		__sync_fetch_and_add(&thread->pending, ctx[1]);
		if (thread->ran_at)
			thread->ran_at = bpf_ktime_get_ns();
	}
	end_program(ON_RUNTIME, cost, start);
	return 0;
}

static bool sampled(struct task_struct *task, __u64 now)
{
	struct thread *thread;
	__u64 start;
	struct cost *cost = start_program(ON_SAMPLE, &start);

	thread = thread_of(task);
	if (thread)
		sample(task, thread, now);
	end_program(ON_SAMPLE, cost, start);
	return thread;
}

/*
 * The tick and other timers. At their exit, because the tick first adds what the
 * thread ran to its time.
 */
SEC("tp_btf/hrtimer_expire_exit")
int interrupted(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 start, now;
	struct cost *cost = start_program(ON_TICK, &start);
	struct thread *thread = thread_of(task);

	if (thread) {
		now = bpf_ktime_get_ns();
		sampler_entered(now); /* for threads that never leave the processor */
		if (sampler_is_late(now))
			sample(task, thread, now);
	}
	end_program(ON_TICK, cost, start);
	return 0;
}

static __always_inline int woken(struct task_struct *task)
{
	struct thread *thread;
	__u64 start;
	struct cost *cost = start_program(ON_WAKEUP, &start);

	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (thread)
		thread->queued = bpf_ktime_get_ns();
	end_program(ON_WAKEUP, cost, start);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int wakeup(__u64 *ctx)
{
	return woken((struct task_struct *)ctx[0]);
}

/* ---- For the reader: everything summed over the CPUs ---- */

struct process_total {
	int tgid;
	int proc_id; /* its name in /proc, unless it has ended */
	__u32 ended;
	__u32 unused;
	__u64 ns;
};

struct row totals[MAX_ROWS];
struct process_total process_totals[MAX_PROCESSES];
__u32 process_count;
struct cost cost_total;
__u64 collected_at;

struct row_sum {
	struct row row;
	__u32 id;
};

static long add_row(__u64 cpu, struct row_sum *sum)
{
	struct row *row = bpf_map_lookup_percpu_elem(&rows, &sum->id, cpu);

	if (!row)
		return 1;
	sum->row.ns += row->ns;
	sum->row.wait_ns += row->wait_ns;
	sum->row.runs += row->runs;
	sum->row.voluntary += row->voluntary;
	sum->row.involuntary += row->involuntary;
	sum->row.threads += row->threads;
	sum->row.samples += row->samples;
	return 0;
}

static long collect_row(__u64 id, void *unused)
{
	struct row_sum sum = {};

	sum.id = id;
	if (id >= MAX_ROWS)
		return 1;
	bpf_loop(MAX_CPUS, add_row, &sum, 0);
	if (id != ROW_UNSAMPLED)
		totals[id] = sum.row;
	return 0;
}

struct process_sum {
	int tgid;
	struct process process;
};

static long add_process(__u64 cpu, struct process_sum *sum)
{
	struct process *process = bpf_map_lookup_percpu_elem(&processes, &sum->tgid, cpu);

	if (!process)
		return 1;
	sum->process.ns += process->ns;
	sum->process.pool_ns += process->pool_ns;
	sum->process.proc_id |= process->proc_id;
	sum->process.ended |= process->ended;
	return 0;
}

static long collect_process(void *map, int *tgid, struct process *unused, void *context)
{
	struct process_sum sum = {};
	__u32 i = process_count;

	sum.tgid = *tgid;
	bpf_loop(MAX_CPUS, add_process, &sum, 0);
	if (sum.process.ended) {
		totals[ROW_UNSAMPLED].ns += sum.process.pool_ns;
		bpf_map_delete_elem(&processes, &sum.tgid);
	}
	if (i >= MAX_PROCESSES)
		return 1;
	process_totals[i].tgid = sum.tgid;
	process_totals[i].proc_id = sum.process.proc_id;
	process_totals[i].ended = sum.process.ended;
	process_totals[i].ns = sum.process.ns;
	process_count = i + 1;
	return 0;
}

static long add_cost(__u64 cpu, struct cost *sum)
{
	__u32 zero = 0;
	struct cost *cost = bpf_map_lookup_percpu_elem(&costs, &zero, cpu);

	if (!cost)
		return 1;
	for (int i = 0; i < PROGRAMS; i++) {
		sum->runs[i] += cost->runs[i];
		sum->timed[i] += cost->timed[i];
		sum->ns[i] += cost->ns[i];
	}
	return 0;
}

struct signal_struct___live {
	struct {
		int counter;
	} live;
} __attribute__((preserve_access_index));

struct task_struct___signal {
	struct signal_struct___live *signal;
} __attribute__((preserve_access_index));

/* Comes after the kernel has counted the thread out of its process. */
SEC("tp_btf/sched_process_exit")
int exited(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	int tgid = task->tgid;
	struct process *process = bpf_map_lookup_elem(&processes, &tgid);

	if (process && !BPF_CORE_READ((struct task_struct___signal *)task, signal, live.counter))
		process->ended = 1;
	return 0;
}

/* A new thread waits for the first time. */
SEC("tp_btf/sched_wakeup_new")
int wakeup_new(__u64 *ctx)
{
	struct thread *thread = thread_of((struct task_struct *)ctx[0]);

	if (thread)
		thread->queued = bpf_ktime_get_ns();
	return 0;
}

SEC("syscall")
int prepare(void)
{
	note_home();
	sampler_prepare();
	return 0;
}

SEC("syscall")
int collect(void)
{
	struct cost cost = {};

	collected_at = bpf_ktime_get_ns();
	epoch++;
	bpf_loop(next_row, collect_row, NULL, 0);
	bpf_loop(MAX_CPUS, add_cost, &cost, 0);
	cost_total = cost;
	return 0;
}

/* Not part of collect(), as the reader compares it with /proc at the same moment. */
SEC("syscall")
int collect_processes(void)
{
	process_count = 0;
	bpf_for_each_map_elem(&processes, collect_process, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif /* TASKLOCAL_TOP_BPF_H */
