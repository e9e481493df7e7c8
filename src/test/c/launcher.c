// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a Java class as programs do that have a virtual machine in them: in the
 * process's first thread or in another one, with threads of its own before and
 * after. All have the name of the process. Prints what each thread is, and its tid.
 *
 * launcher first|other JVM-OPTION CLASS
 */
#define _GNU_SOURCE
#include <jni.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **arguments;
static pthread_barrier_t started;

static void *work(void *unused)
{
	printf("worker %d\n", gettid());
	fflush(stdout);
	pthread_barrier_wait(&started);
	while (1)
		pause();
	return NULL;
}

static void start_workers(void)
{
	pthread_t thread;

	pthread_barrier_init(&started, NULL, 3);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread, NULL, work, NULL))
			abort();
	pthread_barrier_wait(&started);
}

static void *run(void *unused)
{
	JavaVMOption options[2];
	JavaVMInitArgs init = {.version = JNI_VERSION_10, .nOptions = 2, .options = options};
	JavaVM *vm;
	JNIEnv *env;
	jclass class;
	jmethodID method;

	options[0].optionString = arguments[2];
	options[1].optionString = "--enable-native-access=ALL-UNNAMED";
	printf("main %d\n", gettid());
	fflush(stdout);
	if (JNI_CreateJavaVM(&vm, (void **)&env, &init))
		abort();
	start_workers();
	class = (*env)->FindClass(env, arguments[3]);
	if (!class)
		abort();
	method = (*env)->GetStaticMethodID(env, class, "main", "([Ljava/lang/String;)V");
	if (!method)
		abort();
	(*env)->CallStaticVoidMethod(env, class, method, NULL);
	exit((*env)->ExceptionCheck(env) ? 1 : 0);
}

int main(int count, char **given)
{
	pthread_t thread;

	if (count != 4)
		return 2;
	arguments = given;
	start_workers();
	if (!strcmp(given[1], "first"))
		run(NULL);
	printf("first %d\n", getpid());
	fflush(stdout);
	if (pthread_create(&thread, NULL, run, NULL))
		abort();
	pthread_join(thread, NULL);
	return 1;
}
