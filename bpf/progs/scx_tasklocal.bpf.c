/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A sched_ext scheduler that takes hints from threads, given as task local data:
 *
 *	priority	int, 0 (normal) to 3; larger counts as 3, smaller as 0
 *	deadline_ns	long, of CLOCK_MONOTONIC; 0 or less: none
 *
 * Each class of priority has a queue. A higher class is served first and preempts
 * a lower one. Within a class the earliest deadline is first; one that has passed
 * counts as now. A task without a deadline is due a second from now, and later by
 * the CPU time of its last turn, times the number of tasks that wait, divided by
 * its weight (nice) and the number of CPUs, up to MAX_LEAD: threads without hints
 * share the CPUs fairly, and those that sleep a lot are next when a turn is over.
 *
 * Hints are read when a task is queued, when the turn of a running one is over
 * (SLICE), and when a task to preempt is looked for. So a task that raises its
 * priority while it runs keeps its CPU, and one that lowers it loses the CPU
 * after SLICE at most, if others wait.
 *
 * No task starves. After MAX_PASSED turns in a row that passed over a lower
 * class, a CPU gives one turn to a lower class, to each of them in rotation.
 * Within a class all are due by the clock, so a task that comes a second or two
 * later queues behind. (It takes about a thousand busy threads per CPU to make a
 * round of all of them as long as the 30 seconds after which the kernel would end
 * this scheduler.)
 */
#include "sched_ext.bpf.h"

struct task_local_data_offsets {
	short priority;
	short deadline_ns;
};

#include "task_local_data.bpf.h"

#define CLASSES 4
#define MSEC 1000000ULL
#define SLICE (3 * MSEC)
#define MAX_TURN (4 * SLICE)  /* time beyond this, because a tick was late, is not charged */
#define HORIZON (1000 * MSEC) /* farther deadlines, and none, count as this */
#define MAX_LEAD (200 * MSEC) /* how much later a task is due at most for the time it had */
#define MAX_PASSED 8
#define MAX_LOOKS 32 /* at CPUs, for one to preempt: each takes some 100 ns */

struct {
	__u64 dispatched[CLASSES]; /* turns of each class, without bound threads */
	__u64 preemptions;	   /* of a running task, by one of a higher class */
	__u64 rescues;		   /* turns of a lower class, after MAX_PASSED */
	__u64 hints;		   /* reads that found one */
} stats;

struct scx_exited exited;

struct task {
	__u64 paid; /* CPU time up to its last turn */
	__u64 due;
	__u32 level;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task);
} tasks SEC(".maps");

struct cpu {
	__s32 pid;     /* of the task that it runs */
	__u32 claimed; /* the class for which that is being preempted; CLASSES: leave it alone */
	__u32 passed;  /* turns in a row that passed over a lower class */
	__u32 rescued; /* the class that was rescued last */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu);
} cpus SEC(".maps");

static struct task *task_of(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, 0, 0);
}

static struct cpu *cpu_of(__s32 cpu)
{
	__u32 zero = 0;

	return bpf_map_lookup_percpu_elem(&cpus, &zero, cpu);
}

static __u64 min(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* Reads a task's hints, its class and its deadline. Any value may be there. */
static __noinline __u32 listen(struct task_struct *p, __s64 *deadline)
{
	struct bpf_task_local_data tld;
	__s32 *priority, level = 0;
	__s64 *deadline_ns;

	*deadline = 0;
	if (bpf_tld_init(p, &tld))
		return 0;
	priority = bpf_tld_lookup(&tld, priority, sizeof(*priority));
	if (priority)
		level = TLD_READ_ONCE(*priority);
	deadline_ns = bpf_tld_lookup(&tld, deadline_ns, sizeof(*deadline_ns));
	if (deadline_ns)
		*deadline = TLD_READ_ONCE(*deadline_ns);
	if (level || *deadline)
		__sync_fetch_and_add(&stats.hints, 1);
	return level < 0 ? 0 : min(level, CLASSES - 1);
}

/* Kernel threads that are bound to one CPU: other tasks depend on them. */
static bool is_bound(struct task_struct *p)
{
	return p->flags & PF_KTHREAD && p->nr_cpus_allowed == 1;
}

/* Finds a task's class and when it is due. */
static void place(struct task_struct *p, struct task *task)
{
	__u64 used = min(p->se.sum_exec_runtime - task->paid, MAX_TURN);
	__u64 now = bpf_ktime_get_ns();
	__s64 deadline;

	task->level = listen(p, &deadline);
	if (is_bound(p))
		task->level = CLASSES - 1;
	if (deadline > 0) {
		task->due = (__u64)deadline < now ? now : min(deadline, now + HORIZON);
	} else {
		/* Others may wait for what a kernel thread holds: mmap_lock, for instance. */
		used = p->flags & PF_KTHREAD
			       ? 0
			       : used * (1 + (__u32)scx_bpf_dsq_nr_queued(task->level));
		used = used * 100 / p->scx.weight / scx_bpf_nr_cpu_ids();
		task->due = now + HORIZON + min(used, MAX_LEAD);
	}
}

static void start_turn(struct task_struct *p, struct task *task)
{
	task->paid = p->se.sum_exec_runtime;
	if (!is_bound(p))
		__sync_fetch_and_add(&stats.dispatched[task->level % CLASSES], 1);
}

struct victim {
	struct task_struct *p; /* the task that needs a CPU */
	__u32 level;	       /* the lowest class that was seen */
	__s32 cpu;	       /* where it runs */
	__u32 first;	       /* the CPU that is looked at first */
	__u32 looks;
};

static long consider(__u32 i, struct victim *victim)
{
	__u32 number = (victim->first + i) % scx_bpf_nr_cpu_ids();
	struct task_struct *p;
	struct cpu *cpu;
	__s64 deadline;
	__u32 level;

	if (!bpf_cpumask_test_cpu(number, victim->p->cpus_ptr))
		return 0;
	/* None is lower than class 0. */
	if (!victim->level || victim->looks++ == MAX_LOOKS)
		return 1;
	cpu = cpu_of(number);
	if (!cpu)
		return 0;
	p = bpf_task_from_pid(cpu->pid);
	if (!p)
		return 0;
	level = listen(p, &deadline); /* it may have changed since it was queued */
	if (level < cpu->claimed)
		level = cpu->claimed;
	if (level < victim->level) {
		victim->level = level;
		victim->cpu = number;
	}
	bpf_task_release(p);
	return 0;
}

/*
 * Takes the CPU that runs the lowest class, for a task of a higher one; where there
 * are many CPUs, of those that are looked at. This runs at each wakeup of a task with
 * a hint while no CPU is idle, and must not take the longer the larger the machine is.
 * A task that finds no CPU here is the next of any CPU's whose turn is over.
 */
static void preempt(struct task_struct *p, struct task *task)
{
	struct victim victim = {
		.p = p,
		.level = task->level,
		.cpu = -1,
		.first = bpf_get_prandom_u32() % scx_bpf_nr_cpu_ids(),
	};
	struct cpu *cpu;

	bpf_loop(scx_bpf_nr_cpu_ids(), consider, &victim, 0);
	cpu = cpu_of(victim.cpu);
	if (!cpu)
		return;
	cpu->claimed = task->level;
	scx_bpf_kick_cpu(victim.cpu, SCX_KICK_PREEMPT);
	__sync_fetch_and_add(&stats.preemptions, 1);
}

__s32 SCX_OP(tasklocal_select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	struct task *task = task_of(p);
	bool idle = false;
	__s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);

	if (idle && task) {
		place(p, task);
		scx_insert(p, SCX_DSQ_LOCAL, SLICE, 0);
	}
	return cpu;
}

void SCX_OP(tasklocal_enqueue, struct task_struct *p, __u64 flags)
{
	struct task *task = task_of(p);
	__s32 idle;

	if (!task || (is_bound(p) && flags & SCX_ENQ_WAKEUP)) {
		scx_insert(p, SCX_DSQ_LOCAL, SLICE, flags | SCX_ENQ_PREEMPT);
		return;
	}
	place(p, task);
	scx_insert_in_order(p, task->level, SLICE, task->due, flags);

	idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
	else if (task->level)
		preempt(p, task);
}

/* A CPU has nothing to run, or what it ran (prev) has had its turn or goes to sleep. */
void SCX_OP(tasklocal_dispatch, __s32 number, struct task_struct *prev)
{
	struct task *task = prev && scx_is_queued(prev) ? task_of(prev) : NULL;
	struct cpu *cpu = cpu_of(number);
	__u32 level, waiting = 0;
	__s32 top = -1;

	if (!cpu)
		return;
	cpu->claimed = 0;
	if (task) {
		place(prev, task);
		top = task->level;
	}
	for (level = 0; level < CLASSES; level++) {
		if (!scx_bpf_dsq_nr_queued(level))
			continue;
		waiting |= 1 << level;
		if (top < (__s32)level)
			top = level;
	}

	if (cpu->passed >= MAX_PASSED) {
		cpu->passed = 0;
		for (__u32 i = 0; i < CLASSES; i++) {
			level = ++cpu->rescued % CLASSES;
			if ((__s32)level < top && scx_move_to_local(level)) {
				cpu->claimed = CLASSES;
				__sync_fetch_and_add(&stats.rescues, 1);
				return;
			}
		}
	}

	for (level = CLASSES; level-- > 0;) {
		bool own = task && level == task->level;

		if (own && scx_first_key(level) >= task->due)
			; /* prev goes on */
		else if (scx_move_to_local(level))
			own = false;
		else if (!own)
			continue;
		if (own) {
			scx_set_slice(prev, SLICE);
			start_turn(prev, task);
		}
		cpu->passed = waiting & ((1 << level) - 1) ? cpu->passed + 1 : 0;
		return;
	}
}

void SCX_OP(tasklocal_running, struct task_struct *p)
{
	struct cpu *cpu = cpu_of(scx_bpf_task_cpu(p));
	struct task *task = task_of(p);

	if (!cpu || !task)
		return;
	cpu->pid = p->pid;
	start_turn(p, task);
}

__s32 SCX_OP_SLEEPABLE(tasklocal_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task *task = bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!task)
		return -ENOMEM;
	task->paid = p->se.sum_exec_runtime;
	return 0;
}

/* With these two, CPUs may come and go; without, the kernel would end the scheduler. */
void SCX_OP(tasklocal_cpu_online, __s32 number)
{
}

void SCX_OP(tasklocal_cpu_offline, __s32 number)
{
	struct cpu *cpu = cpu_of(number);

	/* What it ran last runs elsewhere: this CPU is none to preempt. */
	if (cpu)
		cpu->pid = 0;
}

__s32 SCX_OP_SLEEPABLE(tasklocal_init)
{
	__s32 error = 0;

	for (__u32 level = 0; level < CLASSES && !error; level++)
		error = scx_bpf_create_dsq(level, -1);
	return error;
}

void SCX_OP(tasklocal_exit, struct scx_exit_info *info)
{
	scx_note_exit(&exited, info);
}

SEC(".struct_ops.link")
struct sched_ext_ops tasklocal_ops = {
	.select_cpu = (void *)tasklocal_select_cpu,
	.enqueue = (void *)tasklocal_enqueue,
	.dispatch = (void *)tasklocal_dispatch,
	.running = (void *)tasklocal_running,
	.init_task = (void *)tasklocal_init_task,
	.cpu_online = (void *)tasklocal_cpu_online,
	.cpu_offline = (void *)tasklocal_cpu_offline,
	.init = (void *)tasklocal_init,
	.exit = (void *)tasklocal_exit,
	.name = "tasklocal",
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
