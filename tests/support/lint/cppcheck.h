/* Included first when cppcheck reads a file: it does not see the headers of the libraries. */
#define json_array_foreach(array, i, value)                                                        \
	for (i = 0; i < json_array_size(array) && (value = json_array_get(array, i)); i++)
#define json_object_foreach(object, key, value)                                                    \
	for (key = json_object_iter_key(json_object_iter(object));                                 \
		key && (value = json_object_get(object, key));                                     \
		key = json_object_iter_key(json_object_iter_next(object, key)))
#define PROTOBUF_C_VERSION_NUMBER 1004001
#define PROTOBUF_C_MIN_COMPILER_VERSION 1003000
