#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/table.h"

/* A table by hand, as the generator makes them; tests/tools/ compares what it makes of a
 * specification. */

static void nothing(struct command_call *call)
{
    (void)call;
}

#define SPEC(text, full, takes)                                                                    \
    .word = {text, sizeof(text) - 1}, .name = full, .handler = nothing, .arity = takes

static const struct command_spec client_specs[] = {
    {SPEC("id", "client|id", 2)},
    {SPEC("list", "client|list", -2)},
};
static const struct command_spec specs[] = {
    {SPEC("client", "client", -2), .subcommands = {client_specs, 2}},
    {SPEC("observe", "observe", -5)},
    {SPEC("ping", "ping", -1)},
    {SPEC("ts.add", "ts.add", -4)},
    {SPEC("ts.madd", "ts.madd", -4)},
};
static const struct command_table table = {specs, ARRAY_LEN(specs)};

static const char *found(const char *word)
{
    const struct command_spec *spec = table_find(table, slice_str(word));
    return spec == NULL ? "" : spec->name;
}

static void test_find(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(specs); i++)
        assert_ptr_equal(table_find(table, specs[i].word), &specs[i]);
    assert_string_equal(found("Ts.AdD"), "ts.add");
    assert_string_equal(found("ts.ad"), "");
    assert_string_equal(found("ts.addd"), "");
    assert_string_equal(found(""), "");
    assert_string_equal(found("zz"), "");
    assert_string_equal(found("a name that is longer than any command may be"), "");
    assert_null(table_find(table, slice_make("ping\0", 5)));
}

static void test_find_full(void **state)
{
    (void)state;
    assert_ptr_equal(table_find_full(table, slice_str("CLIENT|list")), &client_specs[1]);
    assert_ptr_equal(table_find_full(table, slice_str("client")), &specs[0]);
    assert_null(table_find_full(table, slice_str("client|")));
    assert_null(table_find_full(table, slice_str("ping|list")));
}

static void test_closest(void **state)
{
    (void)state;
    assert_ptr_equal(table_closest(table, slice_str("obsrve")), &specs[1]);
    assert_ptr_equal(table_closest(table, slice_str("OBSERVER")), &specs[1]);
    assert_ptr_equal(table_closest(table, slice_str("ts.mad")), &specs[4]);
    assert_ptr_equal(table_closest(table, slice_str("pign")), NULL); /* two of four */
    assert_null(table_closest(table, slice_str("get")));
    assert_null(table_closest(table, slice_str("")));
    assert_null(table_closest(table, slice_str("a name that is longer than any command may be")));
}

static void test_arity(void **state)
{
    (void)state;
    assert_true(spec_takes(&client_specs[0], 2));
    assert_false(spec_takes(&client_specs[0], 3));
    assert_false(spec_takes(&specs[1], 4));
    assert_true(spec_takes(&specs[1], 5));
    assert_true(spec_takes(&specs[1], 500));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_full),
        cmocka_unit_test(test_closest),
        cmocka_unit_test(test_arity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
