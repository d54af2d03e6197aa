#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct option_spec specs[] = {
    {"listen", OPTION_TEXT, "127.0.0.1:6479", 0, 0, "where clients connect", "network", false},
    {"port-base", OPTION_INT, "7", 1, 65535, "a number", "network", false},
    {"head-bytes-max", OPTION_BYTES, "64mb", 1024, 1LL << 40, "memory", "store", false},
    {"flush-interval", OPTION_DURATION_MS, "10s", 1, 3600000, "how often", "store", false},
    {"madd-creates", OPTION_BOOL, "yes", 0, 0, "may it", "network", false},
    {"password", OPTION_TEXT, "", 0, 0, "the secret", "network", true},
};

struct fixture {
    struct option_set *set;
    struct buffer message;
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    buffer_init(&f->message, 65536);
    snprintf(f->path, sizeof(f->path), "/tmp/longtail-test-option-%d", (int)getpid());
    assert_int_equal(option_set_create(&f->set), 0);
    assert_int_equal(option_set_add(f->set, specs, ARRAY_LEN(specs)), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    option_set_destroy(&f->set);
    assert_null(f->set);
    buffer_fini(&f->message);
    unlink(f->path);
    free(f);
    return 0;
}

static void write_file(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Up to four flags and two variables, NULL where there are fewer. */
static int load(struct fixture *f, const char *flags[4], const char *variables[2])
{
    char *argv[6] = {(char *)"longtaild"}, *environment[3] = {0};
    int argc = 1;
    for (int i = 0; flags != NULL && i < 4 && flags[i] != NULL; i++)
        argv[argc++] = (char *)flags[i];
    for (int i = 0; variables != NULL && i < 2 && variables[i] != NULL; i++)
        environment[i] = (char *)variables[i];
    const char *stop = "unset";
    buffer_reset(&f->message, 65536);
    int err = option_set_load(f->set, argc, argv, environment, &f->message, &stop);
    assert_null(stop);
    buffer_append(&f->message, "", 1);
    return err;
}

static void expect_error(struct fixture *f, const char *want)
{
    assert_string_equal(f->message.data, want);
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load(f, NULL, NULL), 0);
    assert_string_equal(option_text(f->set, "listen"), "127.0.0.1:6479");
    assert_int_equal(option_int(f->set, "port-base"), 7);
    assert_int_equal(option_int(f->set, "head-bytes-max"), 64 << 20);
    assert_int_equal(option_int(f->set, "flush-interval"), 10000);
    assert_true(option_bool(f->set, "madd-creates"));
}

static void test_flags_win_over_environment_over_file(void **state)
{
    struct fixture *f = *state;
    char config[96];
    snprintf(config, sizeof(config), "LONGTAIL_CONFIG=%s", f->path);
    write_file(f, "# comment\n\n listen = file \nport-base=1\nhead-bytes-max = 1gb\n"
                  "madd-creates = NO");
    const char *flags[4] = {"--listen", "flag", "--flush-interval=250ms"};
    const char *variables[2] = {config, "LONGTAIL_PORT_BASE=2"};
    assert_int_equal(load(f, flags, variables), 0);
    assert_string_equal(option_text(f->set, "listen"), "flag");
    assert_int_equal(option_int(f->set, "port-base"), 2);
    assert_int_equal(option_int(f->set, "head-bytes-max"), 1 << 30);
    assert_int_equal(option_int(f->set, "flush-interval"), 250);
    assert_false(option_bool(f->set, "madd-creates"));
}

static void test_values_are_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *flag;
        bool good;
    } cases[] = {
        {"--port-base=65535", true},
        {"--port-base=65536", false},
        {"--port-base=0", false},
        {"--port-base=1x", false},
        {"--port-base=", false},
        {"--head-bytes-max=4096", true},
        {"--head-bytes-max=64KB", true},
        {"--head-bytes-max=64k", false},
        {"--head-bytes-max=1023", false},
        {"--head-bytes-max=-5kb", false},
        {"--head-bytes-max=9223372036854775807gb", false},
        {"--flush-interval=5m", true},
        {"--flush-interval=5", false},
        {"--flush-interval=2d", false},
        {"--madd-creates=yes", true},
        {"--madd-creates=true", false},
        {"--listen=", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *flags[4] = {cases[i].flag};
        int err = load(f, flags, NULL);
        if (err != (cases[i].good ? 0 : LT_EINVALID))
            fail_msg("%s: %d %s", cases[i].flag, err, f->message.data);
    }
}

static void test_errors_teach(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load(f, (const char *[4]){"--port-bse", "5"}, NULL), LT_EINVALID);
    expect_error(f, "command line: there is no option 'port-bse'; did you mean 'port-base'?");
    assert_int_equal(load(f, (const char *[4]){"--zzzzzzzzzzzzzzz=1"}, NULL), LT_EINVALID);
    expect_error(f, "command line: there is no option 'zzzzzzzzzzzzzzz'; --help lists all options");
    assert_int_equal(load(f, (const char *[4]){"port-base"}, NULL), LT_EINVALID);
    expect_error(f, "command line: unexpected 'port-base': options look like --name value");
    assert_int_equal(load(f, (const char *[4]){"--madd-creates"}, NULL), LT_EINVALID);
    expect_error(f, "command line: --madd-creates needs a value: yes or no");
    assert_int_equal(load(f, (const char *[4]){"--head-bytes-max", "big"}, NULL), LT_EINVALID);
    expect_error(f, "command line: 'big' does not fit option head-bytes-max: expected a size such "
                    "as 512, 64kb or 2gb, from 1kb to 1tb");
    assert_int_equal(load(f, (const char *[4]){"--config", "/nonexistent/x"}, NULL), LT_EINVALID);
    expect_error(f, "/nonexistent/x: cannot be read: No such file or directory");
}

static void test_file_errors_name_the_line(void **state)
{
    struct fixture *f = *state;
    char want[256];
    write_file(f, "listen = x\n\nport_base = 5\n");
    assert_int_equal(load(f, (const char *[4]){"--config", f->path}, NULL), LT_EINVALID);
    snprintf(want, sizeof(want), "%s:3: there is no option 'port_base'; did you mean 'port-base'?",
             f->path);
    expect_error(f, want);
    write_file(f, "listen\n");
    assert_int_equal(load(f, (const char *[4]){"--config", f->path}, NULL), LT_EINVALID);
    snprintf(want, sizeof(want), "%s:1: expected `name = value`, got 'listen'", f->path);
    expect_error(f, want);
}

static void test_foreign_variables_pass_and_typos_do_not(void **state)
{
    struct fixture *f = *state;
    /* LONGTAIL_LISTENED is two letters from listen, as Kubernetes' LONGTAIL_PORT is from the
     * agent's host */
    const char *foreign[2] = {"LONGTAIL_SERVICE_HOST=10.0.0.1", "LONGTAIL_LISTENED=tcp://10.0.0.1"};
    assert_int_equal(load(f, NULL, foreign), 0);
    const char *typo[2] = {"LONGTAIL_LISTN=x"};
    assert_int_equal(load(f, NULL, typo), LT_EINVALID);
    expect_error(f, "environment: there is no option 'listn'; did you mean 'listen'?");
}

static void test_help_and_version_stop(void **state)
{
    struct fixture *f = *state;
    const char *stop = NULL;
    char *argv[] = {(char *)"longtaild", (char *)"--nonsense", (char *)"--help"};
    assert_int_equal(option_set_load(f->set, 3, argv, NULL, &f->message, &stop), 0);
    assert_string_equal(stop, "--help");
}

static void test_help_lists_by_section(void **state)
{
    struct fixture *f = *state;
    option_help(f->set, &f->message);
    buffer_append(&f->message, "", 1);
    const char *text = f->message.data;
    const char *network = strstr(text, "network:\n  --listen TEXT\n      where clients connect "
                                       "[127.0.0.1:6479]\n  --port-base N\n");
    assert_non_null(network);
    const char *store = strstr(text, "\nstore:\n  --head-bytes-max BYTES\n      memory [64mb]\n");
    assert_non_null(store);
    /* madd-creates is declared after the store's options, and still stands in its section. */
    const char *madd = strstr(text, "--madd-creates");
    assert_true(network < madd && madd < store);
}

static void test_values_for_config_get(void **state)
{
    struct fixture *f = *state;
    const char *flags[4] = {"--password=hidden", "--head-bytes-max=2gb"};
    assert_int_equal(load(f, flags, NULL), 0);
    assert_int_equal(option_count(f->set), ARRAY_LEN(specs) + 1);
    assert_string_equal(option_spec_at(f->set, 0)->name, "config");
    assert_string_equal(option_value_at(f->set, 3), "2gb");
    assert_string_equal(option_spec_at(f->set, 6)->name, "password");
    assert_string_equal(option_value_at(f->set, 6), "");
    assert_string_equal(option_text(f->set, "password"), "hidden");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_defaults),
        TEST(test_flags_win_over_environment_over_file),
        TEST(test_values_are_checked),
        TEST(test_errors_teach),
        TEST(test_file_errors_name_the_line),
        TEST(test_foreign_variables_pass_and_typos_do_not),
        TEST(test_help_and_version_stop),
        TEST(test_help_lists_by_section),
        TEST(test_values_for_config_get),
    };
    return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
