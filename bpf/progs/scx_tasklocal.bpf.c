/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A sched_ext scheduler that listens to what threads say of themselves, by task
 * local data:
 *
 *	priority	int, 0 (normal) to 3; what is above counts as 3, below as 0
 *	deadline_ns	long, CLOCK_MONOTONIC; 0 or less: none
 *
 * There are two queues for each class of priority, one for tasks with a
 * deadline and one for those without. The order, from first to last: 3 with a
 * deadline, 3 without, 2 with, ... 0 without. A task of an earlier queue is
 * served first and preempts one of a later queue. In a queue, the earliest
 * deadline goes first, or the task that has had the least of the CPU for its
 * weight (nice); tasks that say nothing are all in the last queue, and share
 * the CPUs fairly there.
 *
 * Hints are read when a task is queued, and again when the turn of a running
 * one is over (slice_ns): a thread that raises its priority while it runs keeps
 * its CPU, and one that lowers it is gone after that time at the latest.
 *
 * Nobody starves: on each CPU, a queue that has waited for rescue_ns gets a
 * turn, whatever else there is; in a queue, no task is overtaken for more than
 * some seconds. When very many tasks wait, turns and rescues become so short
 * and frequent that all of them run within about MAX_WAIT, far from the 30
 * seconds after which the kernel would end this scheduler.
 */
#include "sched_ext.bpf.h"

struct task_local_data_offsets {
	short priority;
	short deadline_ns;
};

#include "task_local_data.bpf.h"

#define CLASSES 4
#define QUEUES (2 * CLASSES) /* class * 2, and 1 more with a deadline */
#define MSEC 1000000LL
#define MAX_WAIT (10000 * MSEC)
#define MAX_DEADLINE (1000 * MSEC) /* from now on; one that is farther counts as this */
#define MAX_LEAD (300 * MSEC)	   /* of a task's time over that of its class ... */
#define MAX_LAG (6 * MSEC)	   /* ... and what a sleeper has in hand at most */
#define WAKEUP_MARGIN (1 * MSEC)

const volatile bool use_hints = true;
const volatile __u64 slice_ns = 3 * MSEC;
const volatile __u64 rescue_ns = 50 * MSEC;

struct {
	__u64 dispatched[CLASSES]; /* how often a task of the class was put on a CPU */
	__u64 preemptions;	   /* of a running task, by one that was queued */
	__u64 rescues;		   /* turns of a queue that had waited for too long */
	__u64 hints;		   /* readings that found one */
} stats;

struct {
	__s32 kind; /* 0 while it runs; see struct scx_exit_info */
	__s64 code;
	char reason[64];
	char message[128];
} exited;

struct task {
	__u64 ran;   /* CPU time that is paid for */
	__u64 vtime; /* CPU time by weight, on the clock of the class */
	__u64 key;   /* the deadline or vtime that it is, or was last, queued by */
	__u32 queue;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task);
} tasks SEC(".maps");

struct cpu {
	__s32 pid;	      /* of the task of ours that it runs, or 0 */
	__u32 promised;	      /* the queue for whose task it is being preempted */
	__u64 served[QUEUES]; /* when each queue had its last turn here */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu);
} cpus SEC(".maps");

/* How far the class has come: the vtime of the farthest task that was served. */
static struct {
	__u64 vtime;
	__u64 at;
} clocks[CLASSES];

static __u64 filled[QUEUES]; /* when the queue was empty last */

#define clock_of(queue) (&clocks[(queue) / 2 % CLASSES])

static struct task *task_of(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, 0, 0);
}

static struct cpu *cpu_of(__s32 cpu)
{
	__u32 zero = 0;

	return bpf_map_lookup_percpu_elem(&cpus, &zero, cpu);
}

static bool before(__u64 a, __u64 b)
{
	return (__s64)(a - b) < 0;
}

static __u64 clamp(__u64 value, __u64 min, __u64 max)
{
	return before(value, min) ? min : before(max, value) ? max : value;
}

/* Of some time for each, no more than lets all that wait have theirs soon. */
static __u64 ration(__u32 queue, __u64 ns)
{
	__u64 most = MAX_WAIT / (1 + (__u32)scx_bpf_dsq_nr_queued(queue));

	return ns < most ? ns : most;
}

/* The queue that a task wants to be in, and its deadline. Any value may be there. */
static __noinline __u32 listen(struct task_struct *p, __s64 *deadline)
{
	struct bpf_task_local_data tld;
	__s32 *priority, class = 0;
	__s64 *deadline_ns;

	*deadline = 0;
	if (!use_hints || bpf_tld_init(p, &tld))
		return 0;
	priority = bpf_tld_lookup(&tld, priority, sizeof(*priority));
	if (priority)
		class = TLD_READ_ONCE(*priority);
	deadline_ns = bpf_tld_lookup(&tld, deadline_ns, sizeof(*deadline_ns));
	if (deadline_ns)
		*deadline = TLD_READ_ONCE(*deadline_ns);
	if (class || *deadline)
		__sync_fetch_and_add(&stats.hints, 1);
	class = class < 0 ? 0 : class >= CLASSES ? CLASSES - 1 : class;
	return class * 2 + (*deadline > 0);
}

/* What the task has used since it was charged last, by weight. */
static __u64 used(struct task_struct *p, struct task *task)
{
	return (p->se.sum_exec_runtime - task->ran) * 100 / p->scx.weight;
}

static void charge(struct task_struct *p, struct task *task)
{
	if (before(clock_of(task->queue)->vtime, task->vtime))
		clock_of(task->queue)->vtime = task->vtime;
	task->vtime += used(p, task);
	task->ran = p->se.sum_exec_runtime;
}

/*
 * Finds the task's queue and its place there. A clock runs by the CPU time that
 * the class is given, but not slower than a 16th of real time, so that those
 * who are ahead of it need not wait forever. (Two CPUs at once may hurry it.)
 */
static void place(struct task_struct *p, struct task *task, __u64 now)
{
	__s64 deadline;
	__u32 queue = listen(p, &deadline);
	__u64 old = clock_of(task->queue)->vtime;

	if (before(clock_of(queue)->at, now)) {
		clock_of(queue)->vtime += (now - clock_of(queue)->at) / 16;
		clock_of(queue)->at = now;
	}
	if (queue / 2 != task->queue / 2)
		task->vtime += clock_of(queue)->vtime - old;
	task->vtime = clamp(task->vtime, clock_of(queue)->vtime - MAX_LAG,
			    clock_of(queue)->vtime + ration(queue, MAX_LEAD));
	task->key = deadline > 0 ? clamp(deadline, now - MAX_DEADLINE, now + MAX_DEADLINE)
				 : task->vtime;
	task->queue = queue;
}

/* The CPU that runs what can best wait, for a task that cannot. */
struct victim {
	struct task_struct *p;
	struct task *task;
	__s32 cpu;
	__u32 queue;
	__u64 key;
};

static long consider(__u32 number, struct victim *victim)
{
	struct cpu *cpu = cpu_of(number);
	struct task_struct *p;
	struct task *task;
	__s64 deadline;
	__u32 queue;

	if (!cpu || !bpf_cpumask_test_cpu(number, victim->p->cpus_ptr))
		return 0;
	if (scx_bpf_test_and_clear_cpu_idle(number)) {
		scx_bpf_kick_cpu(number, SCX_KICK_IDLE);
		victim->cpu = -1;
		return 1;
	}
	p = bpf_task_from_pid(cpu->pid);
	if (!p)
		return 0;
	task = task_of(p);
	if (task) {
		__u64 key = task->vtime + used(p, task);

		queue = listen(p, &deadline); /* it may have changed while it runs */
		if (deadline > 0)
			key = deadline;
		if (queue < cpu->promised)
			queue = cpu->promised;
		if (queue < victim->queue || (queue == victim->queue && before(victim->key, key))) {
			victim->cpu = number;
			victim->queue = queue;
			victim->key = key;
		}
	}
	bpf_task_release(p);
	return 0;
}

static void preempt(struct task_struct *p, struct task *task)
{
	struct victim victim = {p, task, -1, task->queue, task->key + WAKEUP_MARGIN};
	struct cpu *cpu;

	if (task->queue)
		bpf_loop(scx_bpf_nr_cpu_ids(), consider, &victim, 0);
	else
		consider(scx_bpf_task_cpu(p), &victim);
	if (victim.cpu < 0)
		return;
	cpu = cpu_of(victim.cpu);
	if (cpu)
		cpu->promised = task->queue;
	scx_bpf_kick_cpu(victim.cpu, SCX_KICK_PREEMPT);
	__sync_fetch_and_add(&stats.preemptions, 1);
}

SEC("struct_ops/select_cpu")
__s32 BPF_PROG(select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	struct task *task = task_of(p);
	bool idle = false;
	__s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);

	if (idle && task) {
		place(p, task, bpf_ktime_get_ns());
		scx_insert(p, SCX_DSQ_LOCAL, slice_ns, 0);
	}
	return cpu;
}

SEC("struct_ops/enqueue")
void BPF_PROG(enqueue, struct task_struct *p, __u64 flags)
{
	struct task *task = task_of(p);
	__u64 now = bpf_ktime_get_ns();

	/* The kernel's own threads of one CPU come first there; others depend on them. */
	if (!task || (p->flags & PF_KTHREAD && p->nr_cpus_allowed == 1)) {
		flags |= flags & SCX_ENQ_WAKEUP ? SCX_ENQ_PREEMPT : 0;
		scx_insert(p, SCX_DSQ_LOCAL, slice_ns, flags);
		return;
	}
	place(p, task, now);
	if (!scx_bpf_dsq_nr_queued(task->queue))
		filled[task->queue % QUEUES] = now;
	scx_insert_in_order(p, task->queue, ration(task->queue, slice_ns), task->key, flags);
	if (task->queue || flags & SCX_ENQ_WAKEUP)
		preempt(p, task);
}

/* The CPU needs something to run: one from the queues, or again what it has run so far. */
SEC("struct_ops/dispatch")
void BPF_PROG(dispatch, __s32 number, struct task_struct *prev)
{
	struct cpu *cpu = cpu_of(number);
	struct task *task = prev ? task_of(prev) : NULL;
	__u64 now = bpf_ktime_get_ns();
	__u32 first = 0, queue;

	if (!cpu)
		return;
	if (task) {
		charge(prev, task);
		place(prev, task, now);
		first = task->queue;
	}
	for (queue = QUEUES - 1; queue > first; queue--)
		if (scx_bpf_dsq_nr_queued(queue))
			first = queue;

	for (queue = 0; queue < first && queue < QUEUES; queue++) {
		__u64 limit = ration(queue, rescue_ns);

		if (before(now, cpu->served[queue] + limit) || before(now, filled[queue] + limit))
			continue;
		cpu->served[queue] = now;
		if (scx_move_to_local(queue)) {
			__sync_fetch_and_add(&stats.rescues, 1);
			return;
		}
	}
	for (queue = QUEUES; queue-- > 0;) {
		if (task && (queue < task->queue ||
			     (queue == task->queue && !before(scx_first_key(queue), task->key)))) {
			scx_set_slice(prev, ration(queue, slice_ns));
			break;
		}
		if (scx_move_to_local(queue))
			break;
	}
	if (queue < QUEUES)
		cpu->served[queue] = now;
}

SEC("struct_ops/running")
void BPF_PROG(running, struct task_struct *p)
{
	struct cpu *cpu = cpu_of(scx_bpf_task_cpu(p));
	struct task *task = task_of(p);

	if (!cpu || !task)
		return;
	cpu->pid = p->pid;
	cpu->promised = 0;
	__sync_fetch_and_add(&stats.dispatched[task->queue / 2 % CLASSES], 1);
}

SEC("struct_ops/stopping")
void BPF_PROG(stopping, struct task_struct *p, bool runnable)
{
	struct cpu *cpu = cpu_of(scx_bpf_task_cpu(p));
	struct task *task = task_of(p);

	if (!cpu || !task)
		return;
	cpu->pid = 0;
	charge(p, task);
}

SEC("struct_ops.s/init_task")
__s32 BPF_PROG(init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task *task = bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!task)
		return -ENOMEM;
	task->ran = p->se.sum_exec_runtime;
	task->vtime = clocks[0].vtime;
	return 0;
}

/* With these, CPUs may come and go; without, the kernel would end the scheduler. */
SEC("struct_ops/cpu_online")
void BPF_PROG(cpu_online, __s32 cpu)
{
}

SEC("struct_ops/cpu_offline")
void BPF_PROG(cpu_offline, __s32 cpu)
{
}

SEC("struct_ops.s/init")
__s32 BPF_PROG(init)
{
	__s32 error = 0;

	for (__u32 queue = 0; queue < QUEUES && !error; queue++)
		error = scx_bpf_create_dsq(queue, -1);
	return error;
}

SEC("struct_ops/ended")
void BPF_PROG(ended, struct scx_exit_info *info)
{
	bpf_probe_read_kernel_str(exited.reason, sizeof(exited.reason), info->reason);
	bpf_probe_read_kernel_str(exited.message, sizeof(exited.message), info->msg);
	exited.code = info->exit_code;
	exited.kind = info->kind;
}

SEC(".struct_ops.link")
struct sched_ext_ops tasklocal_ops = {
	.select_cpu = (void *)select_cpu,
	.enqueue = (void *)enqueue,
	.dispatch = (void *)dispatch,
	.running = (void *)running,
	.stopping = (void *)stopping,
	.init_task = (void *)init_task,
	.cpu_online = (void *)cpu_online,
	.cpu_offline = (void *)cpu_offline,
	.init = (void *)init,
	.exit = (void *)ended,
	.name = "tasklocal",
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
