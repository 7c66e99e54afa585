/* Loaded into fraudctl before the C library (LD_PRELOAD): a clock that is wrong, and a disk that is full.
 *
 * SHIM_CLOCK names a file with a number of seconds: by as much the clock of the day is ahead. Clocks that measure how
 * long something takes go on as they are.
 * SHIM_FULL names a file with the path of a folder: while it is there, no file below that folder takes a byte.
 *
 * Other programs, such as those that fraudctl starts, are left alone. Both files are read at every call, so that a test
 * may change them while the program runs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What is in the file that a variable names, without its last line feed; 0 where there is none. System calls alone:
 * whatever is called here may come back to us. */
static int content(const char *variable, char *text, size_t size) {
    const char *path = getenv(variable);
    if (path == NULL || strcmp(program_invocation_short_name, "fraudctl") != 0)
        return 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    long length = syscall(SYS_read, file, text, size - 1);
    syscall(SYS_close, file);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return 1;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    char text[64];
    int kept = errno;
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result != 0)
        return result;
    if (clock == CLOCK_REALTIME && content("SHIM_CLOCK", text, sizeof text))
        now->tv_sec += atoll(text);
    errno = kept;
    return 0;
}

static int is_full(int file) {
    char folder[PATH_MAX], link[64], path[PATH_MAX];
    int kept = errno, full = 0;
    if (content("SHIM_FULL", folder, sizeof folder)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = readlink(link, path, sizeof path - 1);
        size_t prefix = strlen(folder);
        if (length > 0) {
            path[length] = '\0';
            full = strncmp(path, folder, prefix) == 0 && path[prefix] == '/';
        }
    }
    errno = full ? ENOSPC : kept;
    return full;
}

ssize_t write(int file, const void *bytes, size_t count) {
    if (is_full(file))
        return -1;
    return syscall(SYS_write, file, bytes, count);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    if (is_full(file))
        return -1;
    return syscall(SYS_writev, file, parts, count);
}
