/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that shares its threads' values over the socket of a serving side,
 * written from docs/serving.md alone. It obeys lines on its standard input, one
 * at a time, and answers each with a line:
 *
 *	connect PATH		0 or an errno
 *	grant			status array pages ways token
 *	resume TOKEN		the same
 *	give-up TOKEN PATH	0: asks to resume over a new connection, and closes it
 *	begin-grant | end-grant	0: asks for a grant; what grant answers, to that
 *	array			status array
 *	begin-array		0: asks for an array, and does not wait
 *	key NAME		0: makes a key, an int; keys are made in order
 *	thread			number: starts a thread, which has no page yet
 *	register N PAGE [START [ARRAY]]	status: of a thread, with its pidfd
 *	prctl N PAGE		1 if the hook has acknowledged it
 *	crowd N			starts N threads, registers them and sets key 0 of each to
 *				its number; milliseconds for all registrations, or -status
 *	by-id N PAGE		status: of a thread, with its id
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
 *	linger			status of a registration by a socket whose last close waits
 *	fork-array		status for a child that asks for an array over this connection
 *	connections N PATH	how many connections were made and kept
 *	fork-resume PATH	status for a child that resumes with this process's token
 *	fork-prctl		errno for a child that registers itself with this token
 *	guess-prctl		errno for a prctl with a token that is not this process's
 *	late PAGE		1 if a prctl is acknowledged right after the connection's end
 *	exec-prctl		executes itself, to print the errno of a prctl with the old token
 *	exec			executes itself, with the connection open
 *
 * It ends when its input does.
 */
#include "served.h"

static int by_id(int n, int page)
{
	struct thread *thread = &threads[n];
	struct message message = {.version = 1,
				  .kind = TID,
				  .array = first,
				  .page = page,
				  .start = 16,
				  .token = thread->tid};

	thread->array = first;
	thread->page = page;
	thread->start = 16;
	prepare(thread);
	return ask(&message, sizeof(message), 0, 0, 0);
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

/* A connected socket with more to send than its peer reads, and which is told to wait for that. */
static int lingering(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger forever = {.l_onoff = 1, .l_linger = 100000};
	socklen_t size = sizeof(address);
	struct rlimit limit;
	int few = 4096;
	static char much[1 << 20];
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int sends = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	/* Little memory each, and room for many. */
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few));
	setsockopt(sends, SOL_SOCKET, SO_SNDBUF, &few, sizeof(few));
	if (bind(listener, (void *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (void *)&address, &size))
		return -1;
	connect(sends, (void *)&address, size);
	if (accept(listener, 0, 0) < 0 ||
	    setsockopt(sends, SOL_SOCKET, SO_LINGER, &forever, sizeof(forever)))
		return -1;
	while (send(sends, much, sizeof(much), MSG_NOSIGNAL) > 0)
		;
	close(listener);
	return sends;
}

static int linger(void)
{
	struct message message = {
		.version = 1, .kind = THREAD, .array = first, .page = 2, .start = 16, .id = ++ids};
	int descriptor = lingering();

	if (descriptor < 0 || message_out(&message, sizeof(message), &descriptor, 1) < 0)
		return -1;
	close(descriptor); /* before the serving side does */
	return message_in(&message) == -2 ? -1 : (int)message.status;
}

static int fork_array(void)
{
	int status;

	fflush(stdout);
	if (!fork()) {
		struct message message = {.version = 1, .kind = ARRAY};
		_exit(ask(&message, sizeof(message), 0, 0, 0));
	}
	wait(&status);
	return WEXITSTATUS(status);
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
		descriptor = syscall(SYS_pidfd_open, threads[n].tid, PIDFD_THREAD);
		end_thread(n);
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

static int crowd(int n)
{
	struct timespec begin, end;
	int array = first, page = 2, begun = started;

	for (int i = 0; i < n; i++)
		if (start_thread() < 0)
			return -EAGAIN;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = begun; i < started; i++, page++) {
		if (page == PAGES) {
			struct message message = {.version = 1, .kind = ARRAY};
			int descriptor = -1;
			int status = ask(&message, sizeof(message), 0, 0, &descriptor);
			if (status)
				return -status;
			take(&message, descriptor);
			array = message.array;
			page = 0;
		}
		int status = register_thread(i, page, 16, array, 0);
		if (status)
			return -status;
		*(volatile int *)(arrays[array] + page * PAGE + 16) = i;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
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
		} else if (!strcmp(word, "begin-grant")) {
			message.kind = GRANT;
			message.id = ++ids;
			printf("%d\n", -message_out(&message, sizeof(message), 0, 0));
		} else if (!strcmp(word, "end-grant")) {
			int descriptor = message_in(&message);
			if (descriptor == -2)
				printf("-1\n");
			else
				told(&message, message.status, descriptor);
		} else if (!strcmp(word, "begin-array")) {
			message.kind = ARRAY;
			message.id = ++ids;
			printf("%d\n", -message_out(&message, sizeof(message), 0, 0));
		} else if (!strcmp(word, "resume") && sscanf(line, "%*s %lu", &number) == 1) {
			message.kind = RESUME;
			message.token = number;
			granted(&message);
		} else if (!strcmp(word, "give-up") &&
			   sscanf(line, "%*s %lu %255s", &number, text) == 2) {
			int error = connect_to(text);
			message.kind = RESUME;
			message.token = number;
			printf("%d\n",
			       error ? error : -message_out(&message, sizeof(message), 0, 0));
			close(connection);
			connection = -1;
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
		else if (!strcmp(word, "by-id"))
			printf("%d\n", by_id(a, b));
		else if (!strcmp(word, "crowd"))
			printf("%d\n", crowd(a));
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
			end_thread(a);
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
		else if (!strcmp(word, "linger"))
			printf("%d\n", linger());
		else if (!strcmp(word, "fork-array"))
			printf("%d\n", fork_array());
		else if (!strcmp(word, "connections") && sscanf(line, "%*s %*d %255s", text) == 1)
			printf("%d\n", connections(a, text));
		else if (!strcmp(word, "fork-resume") && sscanf(line, "%*s %255s", text) == 1)
			printf("%d\n", fork_resume(text));
		else if (!strcmp(word, "fork-prctl"))
			printf("%d\n", fork_prctl());
		else if (!strcmp(word, "guess-prctl"))
			printf("%d\n", call(token ^ 1, first));
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
