/* glob.h against a model that tries everything. */

#include "query/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The bytes that an element of the pattern (no star) stands for; returns how long it is. */
static size_t element(struct slice p, bool fits[256])
{
    memset(fits, false, 256);
    if (p.p[0] == '?') {
        memset(fits, true, 256);
        return 1;
    }
    if (p.p[0] == '\\' && p.n > 1) {
        fits[(unsigned char)p.p[1]] = true;
        return 2;
    }
    if (p.p[0] != '[') {
        fits[(unsigned char)p.p[0]] = true;
        return 1;
    }
    bool not = p.n > 1 && p.p[1] == '^';
    size_t i = not ? 2 : 1;
    for (; i < p.n && p.p[i] != ']'; i++) {
        if (p.p[i] == '\\' && i + 1 < p.n)
            i++;
        int lo = (unsigned char)p.p[i], hi = lo;
        if (i + 2 < p.n && p.p[i + 1] == '-') {
            hi = (unsigned char)p.p[i + 2];
            i += 2;
        }
        for (int c = lo < hi ? lo : hi; c <= (lo < hi ? hi : lo); c++)
            fits[c] = true;
    }
    for (int c = 0; not &&c < 256; c++)
        fits[c] = !fits[c];
    return i < p.n ? i + 1 : i;
}

static bool model(struct slice p, struct slice t)
{
    if (p.n == 0)
        return t.n == 0;
    if (p.p[0] == '*')
        return model(slice_from(p, 1), t) || (t.n > 0 && model(p, slice_from(t, 1)));
    bool fits[256];
    size_t n = element(p, fits);
    return t.n > 0 && fits[(unsigned char)t.p[0]] && model(slice_from(p, n), slice_from(t, 1));
}

static size_t make_text(char *out, size_t max, const char *letters)
{
    size_t n = (size_t)rand() % max;
    for (size_t i = 0; i < n; i++)
        out[i] = letters[(size_t)rand() % strlen(letters)];
    return n;
}

static void test_agrees_with_a_model(void **state)
{
    uint32_t matches = 0;
    srand(6);
    for (int i = 0; i < 400000; i++) {
        char p[10], t[10];
        struct slice pattern = slice_make(p, make_text(p, sizeof(p), "ab*?[]^-\\c"));
        struct slice text = slice_make(t, make_text(t, sizeof(t), "abc-]"));
        bool expected = model(pattern, text);
        matches += expected;
        if (glob_matches(pattern, text) != expected)
            fail_msg("'%.*s' and '%.*s': expected %d", (int)pattern.n, p, (int)text.n, t, expected);
    }
    assert_in_range(matches, 1000, 399000);
}

static void test_examples(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool fits;
    } cases[] = {
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"h?llo", "hello", true},
        {"h?llo", "hllo", false},
        {"h[ae]llo", "hallo", true},
        {"h[^e]llo", "hello", false},
        {"h[a-c]llo", "hbllo", true},
        {"db1/host.*.time_us", "db1/host.queries.c.1374c6821ead6f47.time_us", true},
        {"db1/*.c.*.tput", "db1/host.queries.c.1374c6821ead6f47.time_us", false},
        {"a\\*", "a*", true},
        {"a\\*", "ab", false},
        {"[", "[", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (glob_matches(slice_str(cases[i].pattern), slice_str(cases[i].text)) != cases[i].fits)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
}

static void test_what_is_a_pattern(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*", "a?", "db[1", "a\\*"};
    static const char *const plain[] = {"", "db1", "a]b^-", "\xff"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(glob_is_pattern(slice_str(patterns[i])));
        assert_false(glob_is_pattern(slice_str(plain[i])));
    }
    assert_false(glob_is_pattern(slice_make("\0", 1)));
}

/* A matcher that recurses at each star would not end. */
static void test_many_stars_are_no_work(void **state)
{
    char pattern[201], text[500];
    for (int i = 0; i < 200; i++)
        pattern[i] = i % 2 == 0 ? 'a' : '*';
    pattern[200] = 'b';
    memset(text, 'a', sizeof(text));
    assert_false(
        glob_matches(slice_make(pattern, sizeof(pattern)), slice_make(text, sizeof(text))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_a_model),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_what_is_a_pattern),
        cmocka_unit_test(test_many_stars_are_no_work),
    };
    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
