/* Open the folders of paths below a folder, never through a link, as `beneath.py` does. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_PATH 4096

/* The last folder stays open, so a batch in order opens each once. */
typedef struct {
    int root;
    int last; /* -1: none is open */
    size_t length;
    char path[LONGEST_PATH]; /* of the open one, with a NUL for each "/" and behind its end */
} folders_beneath;

static void forget_folder(folders_beneath *self)
{
    if (self->last >= 0)
        close(self->last);
    self->last = -1;
}

static int is_step(const char *step)
{
    return *step && strcmp(step, ".") != 0 && strcmp(step, "..") != 0;
}

/* Open the folder that `self->path` names, step by step. */
static int open_steps(const folders_beneath *self)
{
    int fd = self->root;
    for (size_t at = 0; at < self->length; at += strlen(self->path + at) + 1) {
        const char *step = self->path + at;
        const int next = is_step(step) ? openat(fd, step, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (fd != self->root)
            close(fd);
        if (next < 0)
            return -1;
        fd = next;
    }
    return fd;
}

/* The folder that a path is in, open until the next call, and its name there. -1 where it cannot be opened. */
static int parent_beneath(folders_beneath *self, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    const size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    char steps[LONGEST_PATH];
    *name = path + length;
    if (length > sizeof steps || !is_step(*name))
        return -1;
    if (!length)
        return self->root;
    for (size_t at = 0; at < length; at++)
        steps[at] = path[at] == '/' ? 0 : path[at];
    if (self->last >= 0 && length == self->length && memcmp(steps, self->path, length) == 0)
        return self->last;
    forget_folder(self);
    memcpy(self->path, steps, length);
    self->length = length;
    self->last = open_steps(self);
    return self->last;
}
