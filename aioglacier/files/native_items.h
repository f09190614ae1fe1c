/* The items of sequences that Python gives to functions in C. */

#include <Python.h>

#include <stdlib.h>

/* A tuple of the files, which keeps their names alive, and zeroed memory for each. NULL with an error set. */
static PyObject *take_files(PyObject *files, size_t size, void **memory)
{
    PyObject *kept = PySequence_Tuple(files);
    if (kept == NULL)
        return NULL;
    *memory = calloc((size_t)PyTuple_Size(kept) + 1, size); /* calloc(0) may return NULL */
    if (*memory == NULL) {
        Py_DECREF(kept);
        return PyErr_NoMemory();
    }
    return kept;
}

/* The items of a list of tuples, which PyArg_ParseTuple does not check by itself. */
static PyObject *tuple_at(PyObject *kept, Py_ssize_t at)
{
    PyObject *item = PyTuple_GetItem(kept, at);
    if (item != NULL && !PyTuple_Check(item)) {
        PyErr_SetString(PyExc_TypeError, "each file must be a tuple");
        return NULL;
    }
    return item;
}
