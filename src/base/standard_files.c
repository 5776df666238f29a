#include "base/standard_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

void standard_files_hold(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    if (fd >= 0) {
        close(fd);
    }
}

int standard_output_finish(const char *program)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return 0;
    }
    int r = errno > 0 ? -errno : -EIO;
    (void)fprintf(stderr, "%s: standard output: %s; its answer is not complete\n", program, strerror(-r));
    return r;
}

void memory_hide(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* cannot fail with these arguments */
}
