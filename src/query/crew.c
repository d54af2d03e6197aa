#include "query/crew.h"

#include "port/storage_reads.h"

static void take_parts(struct crew *crew, const struct crew_member *member)
{
    uint32_t part;
    while (atomic_load(&crew->error) == 0 &&
           (part = atomic_fetch_add(&crew->next, 1)) < crew->parts) {
        int err = read_guard_check(member->guard);
        if (err == 0)
            err = crew->work(crew->arg, member, part);
        int none = 0;
        if (err != 0)
            atomic_compare_exchange_strong(&crew->error, &none, err);
    }
}

/* Whoever interrupts holds the lock, as in source_close. */
static void let_go(struct read *read, const struct crew_member *member)
{
    struct read_guard *guard = member->guard;
    if (member->session != NULL) {
        pthread_mutex_lock(read->connection_lock);
        storage_reader_end(member->session);
        atomic_store(&guard->connection, 0);
        pthread_mutex_unlock(read->connection_lock);
    }
    atomic_fetch_add(&read->guard->rows, atomic_exchange(&guard->rows, 0));
    atomic_fetch_add(&read->guard->bytes, atomic_exchange(&guard->bytes, 0));
}

/* A session that cannot begin helps nobody, and is no error: the others do its share. */
static void help(struct executor_assist *assist, void *context)
{
    struct crew *crew = CONTAINER_OF(assist, struct crew, assist);
    struct read *read = crew->read;
    if (crew->sessions && context == NULL)
        return;
    uint32_t number = atomic_fetch_add(&crew->members, 1);
    struct crew_member member = {.number = number,
                                 .session = crew->sessions ? context : NULL,
                                 .guard = &read->helpers[number - 1]};
    if (member.session != NULL &&
        storage_reader_begin(member.session, read->spec->environment->id, member.guard) != 0)
        return;
    take_parts(crew, &member);
    let_go(read, &member);
}

static void begin(struct crew *crew, struct read *read, uint32_t parts, bool sessions,
                  bool joins_in, crew_work *work, void *arg)
{
    *crew = (struct crew){.assist = {.work = help, .helpers_max = READ_HELPERS_MAX},
                          .read = read,
                          .work = work,
                          .arg = arg,
                          .parts = parts,
                          .sessions = sessions,
                          .members = 1};
    uint32_t useful = joins_in && parts > 0 ? parts - 1 : parts;
    if (useful < crew->assist.helpers_max)
        crew->assist.helpers_max = useful;
    crew->shared = useful > 0 && read->executor != NULL;
    if (crew->shared)
        executor_assist_begin(read->executor, &crew->assist);
}

void crew_begin(struct crew *crew, struct read *read, uint32_t parts, crew_work *work, void *arg)
{
    begin(crew, read, parts, false, false, work, arg);
}

static void leave(struct crew *crew)
{
    if (crew->shared)
        executor_assist_end(crew->read->executor, &crew->assist);
}

int crew_end(struct crew *crew)
{
    struct crew_member self = {.session = crew->read->source.session, .guard = crew->read->guard};
    take_parts(crew, &self);
    leave(crew);
    return atomic_load(&crew->error);
}

void crew_stop(struct crew *crew)
{
    atomic_store(&crew->next, crew->parts);
    leave(crew);
}

int crew_run(struct read *read, uint32_t parts, crew_work *work, void *arg)
{
    struct crew crew;
    begin(&crew, read, parts, true, true, work, arg);
    return crew_end(&crew);
}

int crew_run_here(struct read *read, uint32_t parts, crew_work *work, void *arg)
{
    struct crew crew;
    begin(&crew, read, parts, false, true, work, arg);
    return crew_end(&crew);
}
