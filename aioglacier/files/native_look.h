/* The facts of paths: times in nanoseconds, and what `lstat` tells of many names in one call without the GIL. */

#include <Python.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BILLION 1000000000

#ifdef __APPLE__
#define MODIFIED(status) ((status).st_mtimespec)
#define CHANGED(status) ((status).st_ctimespec)
#else
#define MODIFIED(status) ((status).st_mtim)
#define CHANGED(status) ((status).st_ctim)
#endif

static int is_storable(struct timespec time)
{
    return time.tv_sec > -9 * (long long)BILLION && time.tv_sec < 9 * (long long)BILLION;
}

static long long nanoseconds(struct timespec time)
{
    return (long long)time.tv_sec * BILLION + time.tv_nsec;
}

typedef struct {
    const char *name;
    struct stat status;
    int is_there;
} path_facts;

static PyObject *facts_of(const path_facts *path)
{
    const struct stat *status = &path->status;
    if (!path->is_there)
        return Py_NewRef(Py_None);
    return Py_BuildValue("(ILLLKKKIIL)", (unsigned int)status->st_mode, (long long)status->st_size,
                         nanoseconds(MODIFIED(*status)), nanoseconds(CHANGED(*status)),
                         (unsigned long long)status->st_ino, (unsigned long long)status->st_dev,
                         (unsigned long long)status->st_nlink, (unsigned int)status->st_uid,
                         (unsigned int)status->st_gid, (long long)status->st_blocks);
}

static PyObject *native_look_at(PyObject *module, PyObject *args)
{
    int folder;
    PyObject *given, *found = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "iO", &folder, &given))
        return NULL;
    PyObject *kept = PySequence_Tuple(given); /* keeps the names alive */
    if (kept == NULL)
        return NULL;
    const Py_ssize_t count = PyTuple_Size(kept);
    path_facts *paths = calloc((size_t)count + 1, sizeof *paths); /* calloc(0) may return NULL */
    if (paths == NULL)
        PyErr_NoMemory();
    Py_ssize_t taken = 0;
    for (; paths != NULL && taken < count; taken++) {
        char *name;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(kept, taken), &name, NULL) < 0)
            break; /* no bytes, or a NUL among them */
        paths[taken].name = name;
    }
    if (paths != NULL && taken == count) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t at = 0; at < count; at++) {
            path_facts *path = paths + at;
            path->is_there = fstatat(folder, path->name, &path->status, AT_SYMLINK_NOFOLLOW) == 0 &&
                             is_storable(MODIFIED(path->status)) && is_storable(CHANGED(path->status));
        }
        Py_END_ALLOW_THREADS
        found = PyList_New(count);
        for (Py_ssize_t at = 0; found != NULL && at < count; at++) {
            PyObject *one = facts_of(paths + at);
            if (one == NULL || PyList_SetItem(found, at, one) < 0)
                Py_CLEAR(found);
        }
    }
    free(paths);
    Py_DECREF(kept);
    return found;
}
