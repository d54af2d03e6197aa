#include "query/crew.h"

#include "port/storage_reads.h"

struct crew {
    struct executor_assist assist;
    struct read *read;
    crew_work *work;
    void *arg;
    uint32_t parts;
    _Atomic uint32_t next;
    _Atomic uint32_t members;
    _Atomic int error;
};

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
static void let_go(struct read *read, struct read_guard *guard, struct storage_session *session)
{
    pthread_mutex_lock(read->connection_lock);
    storage_reader_end(session);
    atomic_store(&guard->connection, 0);
    pthread_mutex_unlock(read->connection_lock);
    atomic_fetch_add(&read->guard->rows, atomic_exchange(&guard->rows, 0));
    atomic_fetch_add(&read->guard->bytes, atomic_exchange(&guard->bytes, 0));
}

/* A session that cannot begin helps nobody, and is no error: the others do its share. */
static void help(struct executor_assist *assist, void *context)
{
    struct crew *crew = CONTAINER_OF(assist, struct crew, assist);
    struct read *read = crew->read;
    uint32_t number = atomic_fetch_add(&crew->members, 1);
    struct crew_member member = {
        .number = number, .session = context, .guard = &read->helpers[number - 1]};
    if (storage_reader_begin(member.session, read->spec->environment->id, member.guard) != 0)
        return;
    take_parts(crew, &member);
    let_go(read, member.guard, member.session);
}

int crew_run(struct read *read, uint32_t parts, crew_work *work, void *arg)
{
    struct crew crew = {.assist = {.work = help, .helpers_max = READ_HELPERS_MAX},
                        .read = read,
                        .work = work,
                        .arg = arg,
                        .parts = parts,
                        .members = 1};
    struct crew_member self = {.session = read->source.session, .guard = read->guard};
    bool shared = parts > 1 && read->executor != NULL;
    if (parts <= crew.assist.helpers_max)
        crew.assist.helpers_max = parts - 1;
    if (shared)
        executor_assist_begin(read->executor, &crew.assist);
    take_parts(&crew, &self);
    if (shared)
        executor_assist_end(read->executor, &crew.assist);
    return atomic_load(&crew.error);
}
