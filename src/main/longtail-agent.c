/* longtail-agent: options, signals, and the agent. */

#include "agent/agent.h"
#include "base/error.h"
#include "base/logger.h"
#include "base/option.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define VERSION "0.1.0"

/* A signal handler has no other way to its descriptor. */
static int stop_fd = -1;

static void on_stop(int signal_number)
{
    uint64_t one = 1;
    ssize_t written = write(stop_fd, &one, sizeof(one));
    (void)written; /* the counter is at its limit: it is readable anyway */
}

static int catch_signals(void)
{
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_fd < 0)
        return LT_EIO;
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    return 0;
}

/* --once is an act, not a setting: it is taken out before the options are read. */
static bool take_once(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--once") != 0)
            continue;
        memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof(argv[0]));
        (*argc)--;
        return true;
    }
    return false;
}

static void print_help(const struct option_set *options)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    option_help(options, &text);
    printf("Usage: longtail-agent [--once] [--option value ...]\n\n"
           "Measures this machine and its MySQL each second and sends it to a longtaild.\n"
           "--once prints one second's commands instead.\n\n%.*s",
           (int)text.len, text.data);
    buffer_fini(&text);
}

static int run(const struct option_set *options, bool once, struct buffer *message)
{
    struct agent_config config;
    struct agent_texts texts;
    struct agent *agent = NULL;
    int status = agent_configure(options, &config, &texts, message);
    if (status != 0)
        return status;
    status = agent_create(&config, &agent);
    if (status == 0)
        status = once ? agent_once(agent, stdout) : agent_run(agent, stop_fd);
    agent_destroy(&agent);
    return status;
}

int main(int argc, char **argv)
{
    struct option_set *options = NULL;
    struct buffer message;
    const char *stop_at = NULL;
    bool once = take_once(&argc, argv);
    buffer_init(&message, 64 << 10);
    int status = catch_signals();
    if (status == 0)
        status = option_set_create(&options);
    if (status == 0)
        status = option_set_add(options, agent_options, agent_options_count);
    if (status == 0)
        status = option_set_load(options, argc, argv, environ, &message, &stop_at);
    if (status == 0 && stop_at == NULL)
        status = run(options, once, &message);
    else if (status == 0 && strcmp(stop_at, "--version") == 0)
        puts("longtail-agent " VERSION);
    else if (status == 0)
        print_help(options);
    if (status != 0)
        fprintf(stderr, "longtail-agent: %.*s\n",
                message.len > 0 ? (int)message.len : (int)strlen(error_text(status)),
                message.len > 0 ? message.data : error_text(status));
    option_set_destroy(&options);
    buffer_fini(&message);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
