/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of docs/serving.md as a process speaks it, for client.c alone:
 * a connection, arrays that are mapped, keys, and threads with their pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 64
#define ARRAYS 16384
#define THREADS 20000
#define MARK 0x6b72616d
#define PIDFD_THREAD 0200

enum { GRANT = 1, RESUME, ARRAY, THREAD, TID, LEAVE };

struct message {
	uint16_t version;
	uint16_t kind;
	uint32_t id;
	uint32_t status;
	uint32_t array;
	uint16_t page;
	uint16_t start;
	uint32_t flags;
	uint64_t token;
};

_Static_assert(sizeof(struct message) == 32, "a message");

struct thread {
	pthread_t thread;
	volatile int tid;
	volatile int registering; /* a page: register by prctl */
	int array;
	int page;
	int start;
	sem_t wake;
	volatile char order; /* 'r' to register by prctl, 'e' to end */
};

static int connection = -1;
static char *arrays[ARRAYS];
static int first = -1;
static uint64_t token;
static struct thread threads[THREADS];
static int started;
static int keys;

static int message_out(const struct message *message, size_t size, const int *descriptors, int n)
{
	char control[CMSG_SPACE(8 * sizeof(int))] = {0};
	struct iovec vector = {(void *)message, size};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

	if (n) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(rights), descriptors, n * sizeof(int));
	}
	return sendmsg(connection, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Returns a descriptor that came along, or -1; -2 at the end. */
static int message_in(struct message *message)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = {message, sizeof(*message)};
	struct msghdr header = {.msg_iov = &vector,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(control)};
	int descriptor = -1;

	if (recvmsg(connection, &header, MSG_CMSG_CLOEXEC) != sizeof(*message))
		return -2;
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
	if (rights && rights->cmsg_type == SCM_RIGHTS)
		memcpy(&descriptor, CMSG_DATA(rights), sizeof(descriptor));
	return descriptor;
}

static uint32_t ids;

/* Returns the status; -1 if there was no answer. The answer is in *message. */
static int ask(struct message *message, size_t size, int *descriptors, int n, int *got)
{
	uint32_t id = ++ids;

	message->id = id;
	if (message_out(message, size, descriptors, n) < 0)
		return -1;
	int descriptor = message_in(message);
	if (got)
		*got = descriptor;
	else if (descriptor >= 0)
		close(descriptor);
	if (descriptor == -2)
		return -1;
	if (message->status == 0 && message->id != id) {
		fprintf(stderr, "an answer to %u came for %u\n", message->id, id);
		exit(3);
	}
	return message->status;
}

static void take(const struct message *answer, int descriptor)
{
	if (descriptor < 0)
		return;
	char *pages = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	close(descriptor);
	if (pages == MAP_FAILED) {
		perror("mmap");
		exit(3);
	}
	madvise(pages, PAGES * PAGE, MADV_DONTFORK);
	for (int i = 0; i < PAGES * PAGE; i++)
		if (pages[i]) {
			fprintf(stderr, "an array that is not fresh\n");
			exit(3);
		}
	arrays[answer->array] = pages;
	if (answer->kind == GRANT) {
		first = answer->array;
		keys = 0;
	}
}

static void key(const char *name)
{
	char *a = arrays[first];
	char *b = arrays[first] + PAGE;
	char *key_a = a + keys * 64;
	char *key_b = b + 4 + keys * 64;

	*(int16_t *)(key_a + 62) = 16 + 8 * keys;
	memcpy(key_a + 1, name + 1, strlen(name));
	__atomic_store_n(key_a, name[0], __ATOMIC_RELEASE);
	memcpy(key_b, name, strlen(name));
	*(uint16_t *)(key_b + 62) = 4;
	*(uint16_t *)(b + 2) = PAGE - 16;
	__atomic_store_n((uint16_t *)b, ++keys, __ATOMIC_RELEASE);
}

static void prepare(struct thread *thread)
{
	char *values = arrays[thread->array] + thread->page * PAGE + thread->start;

	*(uint64_t *)(values - 16) = thread->start;
	*(uint32_t *)(values - 8) = MARK;
	*(uint32_t *)(values - 4) = 0;
}

static void *run(void *argument)
{
	struct thread *thread = argument;
	thread->tid = gettid();
	while (!sem_wait(&thread->wake) && thread->order == 'r') {
		volatile uint64_t *word =
			(void *)(arrays[thread->array] + thread->page * PAGE + thread->start - 16);
		*word = 0;
		prctl(0x746c6473, token, thread->array, thread->page << 16 | thread->start, 0);
		thread->registering = *word == token ? 1 : 2;
	}
	return 0;
}

static int start_thread(void)
{
	struct thread *thread = &threads[started];
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 * 1024);
	if (sem_init(&thread->wake, 0, 0) ||
	    pthread_create(&thread->thread, &attributes, run, thread))
		return -1;
	while (!thread->tid)
		usleep(100);
	return started++;
}

static void end_thread(int n)
{
	threads[n].order = 'e';
	sem_post(&threads[n].wake);
	pthread_join(threads[n].thread, 0);
}

static int register_thread(int n, int page, int start, int array, pid_t foreign)
{
	struct thread *thread = &threads[n];
	int pidfd = syscall(SYS_pidfd_open, foreign ? foreign : thread->tid,
			    foreign ? 0 : PIDFD_THREAD);
	struct message message = {
		.version = 1, .kind = THREAD, .array = array, .page = page, .start = start};

	if (pidfd < 0)
		return errno;
	if (array >= 0 && array < ARRAYS && arrays[array] && page < PAGES) {
		thread->array = array;
		thread->page = page;
		thread->start = start;
		prepare(thread);
	}
	int status = ask(&message, sizeof(message), &pidfd, 1, 0);
	close(pidfd);
	return status;
}

static int by_prctl(int n, int page)
{
	struct thread *thread = &threads[n];

	thread->array = first;
	thread->page = page;
	thread->start = 16;
	prepare(thread);
	thread->registering = 0;
	thread->order = 'r';
	sem_post(&thread->wake);
	while (!thread->registering)
		usleep(100);
	*(uint64_t *)(arrays[first] + page * PAGE) = 16;
	return thread->registering == 1;
}

static int leave(int n)
{
	int pidfd = syscall(SYS_pidfd_open, threads[n].tid, PIDFD_THREAD);
	struct message message = {.version = 1, .kind = LEAVE};
	int status;

	if (pidfd < 0) {
		message.token = threads[n].tid;
		return ask(&message, sizeof(message), 0, 0, 0);
	}
	status = ask(&message, sizeof(message), &pidfd, 1, 0);
	close(pidfd);
	return status;
}

static void told(struct message *message, int status, int descriptor)
{
	if (status == 0) {
		take(message, descriptor);
		token = message->token;
	}
	printf("%d %u %u %u %lu\n", status, message->array, message->page, message->flags,
	       message->token);
}

static void granted(struct message *message)
{
	int descriptor = -1;
	int status = ask(message, sizeof(*message), 0, 0, &descriptor);

	told(message, status, descriptor);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connection >= 0)
		close(connection);
	connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	return connect(connection, (void *)&address, sizeof(address)) ? errno : 0;
}
