/* A clock and a disk that lie, for programs under test: preloaded, it answers in libc's place.
 *
 * What it lies is in a file that LIES names and that may be changed while the program runs: how far the
 * wall clock is off, how fast monotonic time runs, and where reading a file meets a bad block.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* As packed by lies.py. */
struct lies {
    double wall_seconds;
    double speed;
    double jump_seconds; /* monotonic time that passed while nobody looked */
    long long bad_offset; /* -1 for none */
    long long bad_reads;  /* how many reads of it fail */
    char bad_name[256];
};

static struct lies *lies;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static ssize_t (*real_preadv)(int, const struct iovec *, int, off_t);
static int lock;
static double last_real, fake;

static double seconds(const struct timespec *t) { return (double)t->tv_sec + (double)t->tv_nsec / 1e9; }

static void put(struct timespec *t, double value) {
    t->tv_sec = (time_t)value;
    t->tv_nsec = (long)((value - (double)t->tv_sec) * 1e9);
}

__attribute__((constructor)) static void start(void) {
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
    real_preadv = dlsym(RTLD_NEXT, "preadv");
    const char *path = getenv("LIES");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *lies, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) lies = map;
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    if (real_clock_gettime == NULL) start();
    int result = real_clock_gettime(clock, t);
    if (result != 0 || lies == NULL) return result;
    if (clock == CLOCK_REALTIME) {
        if (lies->wall_seconds != 0) put(t, seconds(t) + lies->wall_seconds);
    } else if (clock == CLOCK_MONOTONIC) {
        while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE)) {}
        double now = seconds(t);
        if (last_real == 0) last_real = fake = now;
        if (now > last_real) fake += (now - last_real) * lies->speed;
        last_real = now;
        put(t, fake + lies->jump_seconds);
        __atomic_clear(&lock, __ATOMIC_RELEASE);
    }
    return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    (void)zone;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t != NULL) *t = now.tv_sec;
    return now.tv_sec;
}

/* An event loop waits as long as its own clock says; a wait that ends early is just looked at again. */
int epoll_wait(int fd, struct epoll_event *events, int count, int timeout) {
    if (lies != NULL && timeout != 0) {
        int most = 20;
        if (timeout > 0 && timeout / lies->speed < most) most = (int)(timeout / lies->speed) + 1;
        timeout = most;
    }
    return real_epoll_wait(fd, events, count, timeout);
}

static int is_bad(int fd, off_t offset, size_t length) {
    if (lies == NULL || lies->bad_offset < 0 || lies->bad_reads <= 0) return 0;
    if (lies->bad_offset < offset || lies->bad_offset >= offset + (off_t)length) return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    const char *slash = strrchr(path, '/');
    if (strcmp(slash == NULL ? path : slash + 1, lies->bad_name) != 0) return 0;
    lies->bad_reads--;
    return 1;
}

ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    if (is_bad(fd, offset, length)) {
        errno = EIO;
        return -1;
    }
    return real_preadv(fd, parts, count, offset);
}

ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset) {
    return preadv(fd, parts, count, offset);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    (void)flags;
    return preadv(fd, parts, count, offset);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    return preadv2(fd, parts, count, offset, flags);
}
