#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "command/timespec.h"

enum { NOW = 1424444400 }; /* 2015-02-20T15:00:00Z */

static void test_times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t expected;
    } cases[] = {
        {"0", 0},
        {"1424444400", NOW},
        {"4294967295", UINT32_MAX},
        {"now", NOW},
        {"NOW", NOW},
        {"now-1h", NOW - 3600},
        {"now+90s", NOW + 90},
        {"-15m", NOW - 900},
        {"-2d", NOW - 172800},
        {"now-1w", NOW - 604800},
        {"2015-02-20T15:00:00Z", NOW},
        {"2015-02-20t15:00:00z", NOW},
        {"2015-02-20 15:00:00.000Z", NOW},
        {"2015-02-20T16:30:00+01:30", NOW},
        {"2015-02-20T10:00:00-05:00", NOW},
        {"2016-02-29T00:00:00Z", 1456704000},
        {"1970-01-01T00:00:00Z", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t s;
        assert_int_equal(timespec_parse(slice_str(cases[i].text), NOW, &s), 0);
        assert_int_equal(s, cases[i].expected);
    }
}

static void test_what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "x",
        "-",
        "now-",
        "now1h",
        "now-1",
        "now-h",
        "now-1y",
        "now--1h",
        "now- 1h",
        "1h",
        "+1h",
        "-1",
        "1.5",
        "4294967296",
        "now-99999999999w",
        "-60w5",
        "now-9000w",
        "nowhere",
        "2015-02-20",
        "2015-02-20T15:00:00",
        "2015-02-30T00:00:00Z",
        "2015-13-01T00:00:00Z",
        "2015-02-20T24:00:00Z",
        "2015-02-20T15:00:00.5Z",
        "2015-02-20T15:00:00.Z",
        "2015-02-20T15:00:00+0100",
        "2015-02-20T15:00:00Zx",
        "1969-12-31T23:59:59Z",
        "2015-2-20T15:00:00Z",
        "2100-02-29T00:00:00Z",
        "1970-01-01T00:00:00+00:01",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t s = 77;
        if (timespec_parse(slice_str(texts[i]), NOW, &s) != LT_EPARSE)
            fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(s, 77);
    }
}

static void test_formatted_times_are_read_back(void **state)
{
    (void)state;
    for (int64_t s = 0; s <= UINT32_MAX; s += 86399 * 17) {
        char text[TIMESPEC_BYTES_MAX];
        int64_t back;
        timespec_format(s, text);
        assert_int_equal(timespec_parse(slice_str(text), 0, &back), 0);
        assert_int_equal(back, s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_are_read),
        cmocka_unit_test(test_what_is_no_time_is_refused),
        cmocka_unit_test(test_formatted_times_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
