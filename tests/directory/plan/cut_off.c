/* Preloaded into a process that is to be killed in the middle of its work on files: CUT_OFF_FILES names their paths' beginnings,
   divided by colons, and CUT_OFF_AT the step after which it dies. A write is two steps, its first half and the rest. What was
   written outlives the process, so that to sync it is none. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

static atomic_int taken;

static int is_watched(const char *path)
{
    const char *begin = getenv("CUT_OFF_FILES");
    while (begin && *begin) {
        size_t length = strcspn(begin, ":");
        if (strncmp(path, begin, length) == 0)
            return 1;
        begin += length + (begin[length] == ':');
    }
    return 0;
}

static int is_watched_file(int file)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return is_watched(path);
}

static void step(void)
{
    const char *at = getenv("CUT_OFF_AT");
    if (at && atomic_fetch_add(&taken, 1) + 1 == atoi(at))
        kill(getpid(), SIGKILL);
}

static int stepped(const char *path, int outcome)
{
    if (outcome == 0 && is_watched(path))
        step();
    return outcome;
}

int mkdir(const char *path, mode_t mode)
{
    return stepped(path, NEXT(mkdir)(path, mode));
}

int rmdir(const char *path)
{
    return stepped(path, NEXT(rmdir)(path));
}

int unlink(const char *path)
{
    return stepped(path, NEXT(unlink)(path));
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int is_new = flags & O_CREAT && access(path, F_OK) != 0;
    int file = NEXT(open64)(path, flags, mode);
    if (is_new && file >= 0)
        stepped(path, 0);
    return file;
}

int ftruncate64(int file, off64_t length)
{
    struct stat now;
    int cuts = fstat(file, &now) == 0 && now.st_size != length;
    int outcome = NEXT(ftruncate64)(file, length);
    if (cuts && outcome == 0 && is_watched_file(file))
        step();
    return outcome;
}

ssize_t write(int file, const void *bytes, size_t count)
{
    if (!is_watched_file(file))
        return NEXT(write)(file, bytes, count);
    ssize_t half = NEXT(write)(file, bytes, count / 2);
    if (half < 0)
        return half;
    step();
    ssize_t rest = NEXT(write)(file, (const char *)bytes + half, count - half);
    if (rest < 0)
        return rest;
    step();
    return half + rest;
}
