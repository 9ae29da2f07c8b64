/*
 * The one program inside every test image. Static, so that an image needs no
 * file but this one. What it does follows from the name it is started by:
 *
 *   pause        waits for ever and buries children, as a pod's first process must
 *   app          says who it is and what its arguments are, waits for SIGTERM
 *   app exit     says the same and ends at once with status 0
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal)
{
	(void)signal;
	_exit(0);
}

static void bury(int signal)
{
	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void handle(int signal, void (*handler)(int))
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = SA_NOCLDSTOP;
	sigaction(signal, &action, NULL);
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? name_of(argv[0]) : "app";
	int i;

	/* The first process of a pid namespace ignores what it does not handle. */
	handle(SIGTERM, end);
	handle(SIGINT, end);
	handle(SIGCHLD, bury);

	if (strcmp(name, "pause") != 0) {
		printf("uid=%u gid=%u argv=", (unsigned)getuid(), (unsigned)getgid());
		for (i = 0; i < argc; i++)
			printf("%s%s", i ? " " : "", argv[i]);
		printf("\n");
		fflush(stdout);
		if (argc > 1 && strcmp(argv[1], "exit") == 0)
			return 0;
	}
	for (;;)
		pause();
}
