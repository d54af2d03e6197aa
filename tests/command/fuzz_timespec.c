/* Any bytes: refused, or a time that reads back the same from its RFC 3339 form. */
#include "command/timespec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t s, back;
    char text[TIMESPEC_BYTES_MAX];
    if (timespec_parse(slice_make(data, size), 1424444400, &s) != 0)
        return 0;
    timespec_format(s, text);
    if (s < 0 || s > UINT32_MAX || timespec_parse(slice_str(text), 0, &back) != 0 || back != s)
        abort();
    return 0;
}
