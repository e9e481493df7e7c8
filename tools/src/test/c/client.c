/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that shares its threads' values over the socket of a serving side,
 * written from docs/serving.md alone. It obeys lines on its standard input, one
 * at a time, and answers each with a line:
 *
 *	connect PATH		0 or an errno
 *	grant			status array pages ways token
 *	resume TOKEN		the same
 *	array			status array
 *	key NAME		0: makes a key, an int; keys are made in order
 *	thread			number: starts a thread, which has no page yet
 *	register N PAGE [START [ARRAY]]	status: of a thread, with its pidfd
 *	prctl N PAGE		1 if the hook has acknowledged it
 *	leave N			status
 *	set N KEY VALUE		0: the thread's value of a key
 *	tid N			the thread's id
 *	end N			0: the thread has ended
 *	close			0: closes the connection
 *	version V | kind K | short | long | descriptors N | foreign PID
 *				status of a message that is not as it should be; -1 for an end
 *	flood N			how many requests were sent before the socket was full
 *	no-pidfd | ended	status of a registration by a descriptor that is none, or of
 *				a thread that has ended
 *	connections N PATH	how many connections were made and kept
 *	fork-resume PATH	status for a child that resumes with this process's token
 *	fork-prctl		errno for a child that registers itself with this token
 *	late PAGE		1 if a prctl is acknowledged right after the connection's end
 *	exec-prctl		executes itself, to print the errno of a prctl with the old token
 *	exec			executes itself, with the connection open
 *
 * It ends when its input does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
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
#include <unistd.h>

#define PAGE 4096
#define PAGES 64
#define ARRAYS 16384
#define THREADS 20000
#define MARK 0x6b72616d
#define PIDFD_THREAD O_EXCL
#ifndef O_EXCL
#define O_EXCL 0200
#endif

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
	volatile int ended;
	int array;
	int page;
	int start;
	int pipe[2];
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
	char order;

	thread->tid = gettid();
	while (read(thread->pipe[0], &order, 1) == 1 && order == 'r') {
		volatile uint64_t *word =
			(void *)(arrays[thread->array] + thread->page * PAGE + thread->start - 16);
		*word = 0;
		prctl(0x746c6473, token, thread->array, thread->page << 16 | thread->start, 0);
		thread->registering = *word == token ? 1 : 2;
	}
	thread->ended = 1;
	return 0;
}

static int start_thread(void)
{
	struct thread *thread = &threads[started];
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 * 1024);
	if (pipe(thread->pipe) || pthread_create(&thread->thread, &attributes, run, thread))
		return -1;
	while (!thread->tid)
		usleep(100);
	return started++;
}

static int register_thread(int n, int page, int start, int array, pid_t foreign)
{
	struct thread *thread = &threads[n];
	int pidfd = syscall(SYS_pidfd_open, foreign ? foreign : thread->tid, foreign ? 0 : 0200);
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
	if (write(thread->pipe[1], "r", 1) != 1)
		return -1;
	while (!thread->registering)
		usleep(100);
	*(uint64_t *)(arrays[first] + page * PAGE) = 16;
	return thread->registering == 1;
}

static int leave(int n)
{
	int pidfd = syscall(SYS_pidfd_open, threads[n].tid, 0200);
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

static void granted(struct message *message)
{
	int descriptor;
	int status = ask(message, sizeof(*message), 0, 0, &descriptor);

	if (status == 0) {
		take(message, descriptor);
		token = message->token;
	}
	printf("%d %u %u %u %lu\n", status, message->array, message->page, message->flags,
	       message->token);
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

static int odd(const char *what, int number)
{
	struct message message = {.version = 1, .kind = ARRAY};
	int descriptors[8] = {0};
	char large[128] = {1, 0, 3};

	if (!strcmp(what, "version"))
		message.version = number;
	else if (!strcmp(what, "kind"))
		message.kind = number;
	else if (!strcmp(what, "short"))
		return ask(&message, 16, 0, 0, 0);
	else if (!strcmp(what, "long")) {
		if (send(connection, large, sizeof(large), MSG_NOSIGNAL) < 0)
			return -1;
		return message_in(&message) == -2 ? -1 : (int)message.status;
	}
	return ask(&message, sizeof(message), descriptors,
		   !strcmp(what, "descriptors") ? number : 0, 0);
}

static int flood(int most)
{
	struct message message = {.version = 1, .kind = 99};

	for (int i = 0; i < most; i++)
		if (send(connection, &message, sizeof(message), MSG_NOSIGNAL) < 0)
			return i;
	return most;
}

static int strange(int ended)
{
	struct message message = {
		.version = 1, .kind = THREAD, .array = first, .page = 2, .start = 16};
	int descriptor = dup(0);

	if (ended) {
		int n = start_thread();
		descriptor = syscall(SYS_pidfd_open, threads[n].tid, 0200);
		close(threads[n].pipe[1]);
		pthread_join(threads[n].thread, 0);
		while (syscall(SYS_tgkill, getpid(), threads[n].tid, 0) == 0)
			usleep(100);
	}
	int status = ask(&message, sizeof(message), &descriptor, 1, 0);
	close(descriptor);
	return status;
}

static int connections(int n, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rlimit limit = {n + 100, n + 100};
	int made = 0;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < n; i++) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		made += !connect(fd, (void *)&address, sizeof(address));
	}
	return made;
}

static int fork_resume(const char *path)
{
	struct message message = {.version = 1, .kind = RESUME, .token = token};
	pid_t child = fork();
	int status;

	if (!child) {
		connection = -1;
		if (connect_to(path))
			_exit(255);
		_exit(ask(&message, sizeof(message), 0, 0, 0));
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

static int call(uint64_t with, int array)
{
	return prctl(0x746c6473, with, array, 2 << 16 | 16, 0) == -1 ? errno : 0;
}

static int fork_prctl(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(call(token, first));
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

static int late(int page)
{
	close(connection);
	connection = -1;
	return by_prctl(0, page);
}

int main(int argc, char **argv)
{
	char line[512], word[32], text[256];

	setvbuf(stdout, 0, _IOLBF, 0);
	setvbuf(stdin, 0, _IONBF, 0); /* nothing is lost by an exec */
	if (argc == 3)
		printf("%d\n", call(strtoull(argv[1], 0, 10), atoi(argv[2])));
	while (fgets(line, sizeof(line), stdin)) {
		int a = -1, b = -1, c = 16, d = first;
		unsigned long number = 0;
		struct message message = {.version = 1};

		if (sscanf(line, "%31s", word) != 1)
			continue;
		sscanf(line, "%*s %d %d %d %d", &a, &b, &c, &d);
		if (!strcmp(word, "connect") && sscanf(line, "%*s %255s", text) == 1)
			printf("%d\n", connect_to(text));
		else if (!strcmp(word, "grant")) {
			message.kind = GRANT;
			granted(&message);
		} else if (!strcmp(word, "resume") && sscanf(line, "%*s %lu", &number) == 1) {
			message.kind = RESUME;
			message.token = number;
			granted(&message);
		} else if (!strcmp(word, "array")) {
			int descriptor = -1;
			message.kind = ARRAY;
			int status = ask(&message, sizeof(message), 0, 0, &descriptor);
			if (status == 0)
				take(&message, descriptor);
			printf("%d %u\n", status, message.array);
		} else if (!strcmp(word, "key") && sscanf(line, "%*s %61s", text) == 1) {
			key(text);
			printf("0\n");
		} else if (!strcmp(word, "thread"))
			printf("%d\n", start_thread());
		else if (!strcmp(word, "register"))
			printf("%d\n", register_thread(a, b, c, d, 0));
		else if (!strcmp(word, "prctl"))
			printf("%d\n", by_prctl(a, b));
		else if (!strcmp(word, "leave"))
			printf("%d\n", leave(a));
		else if (!strcmp(word, "set")) {
			struct thread *thread = &threads[a];
			*(volatile int *)(arrays[thread->array] + thread->page * PAGE +
					  thread->start + 8 * b) = c;
			printf("0\n");
		} else if (!strcmp(word, "tid"))
			printf("%d\n", threads[a].tid);
		else if (!strcmp(word, "end")) {
			close(threads[a].pipe[1]);
			pthread_join(threads[a].thread, 0);
			printf("0\n");
		} else if (!strcmp(word, "close")) {
			close(connection);
			connection = -1;
			printf("0\n");
		} else if (!strcmp(word, "foreign"))
			printf("%d\n", register_thread(0, 2, 16, first, a));
		else if (!strcmp(word, "flood"))
			printf("%d\n", flood(a));
		else if (!strcmp(word, "no-pidfd") || !strcmp(word, "ended"))
			printf("%d\n", strange(word[0] == 'e'));
		else if (!strcmp(word, "connections") && sscanf(line, "%*s %*d %255s", text) == 1)
			printf("%d\n", connections(a, text));
		else if (!strcmp(word, "fork-resume") && sscanf(line, "%*s %255s", text) == 1)
			printf("%d\n", fork_resume(text));
		else if (!strcmp(word, "fork-prctl"))
			printf("%d\n", fork_prctl());
		else if (!strcmp(word, "late"))
			printf("%d\n", late(a));
		else if (!strcmp(word, "exec-prctl")) {
			char with[32], array[16];
			snprintf(with, sizeof(with), "%lu", token);
			snprintf(array, sizeof(array), "%d", first);
			if (dup(connection) >= 0)
				execl("/proc/self/exe", "client", with, array, (char *)0);
		} else if (!strcmp(word, "exec")) {
			int kept = dup(connection);
			(void)kept;
			execv("/proc/self/exe", argv);
		} else
			printf("%d\n", odd(word, a));
	}
	return 0;
}
