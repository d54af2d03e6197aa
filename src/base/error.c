#include "base/error.h"

const char *error_text(int error)
{
    switch (error) {
    case 0:
        return "ok";
#define LT_ERROR_TEXT(name, value, text)                                                           \
    case LT_E##name:                                                                               \
        return text;
        LT_ERRORS(LT_ERROR_TEXT)
#undef LT_ERROR_TEXT
    default:
        return "unknown error";
    }
}
