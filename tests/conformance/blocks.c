#include "tests/conformance/blocks.h"

#include "tests/conformance/steps.h"

static struct leave play_block(struct actor *actor, const struct block *block, sheaf_group *group);

static struct leave play_repeat(struct actor *actor, const struct statement *s, sheaf_group *group)
{
    struct leave leave = goes_on;
    for (int i = 0; i < s->number && leave.how == GOES_ON; i++) {
        if (!play_goes_on(actor->play)) {
            return gives_up;
        }
        leave = play_block(actor, &s->first, group);
    }
    return leave;
}

static struct leave play_try(struct actor *actor, const struct statement *s, sheaf_group *group)
{
    struct leave leave = play_block(actor, &s->first, group);
    if (leave.how != FAILS) {
        return leave;
    }
    struct text name = {0};
    leave_write(&leave, &name);
    leave_drop(&leave);
    actor_log_text(actor, "caught ", &name);
    text_free(&name);
    return play_block(actor, &s->second, group);
}

/* What leaves the cleanup replaces what was on its way. */
static struct leave play_guard(struct actor *actor, const struct statement *s, sheaf_group *group)
{
    struct leave leave = play_block(actor, &s->first, group);
    struct leave cleanup = play_block(actor, &s->second, group);
    if (cleanup.how == GOES_ON) {
        return leave;
    }
    leave_drop(&leave);
    return cleanup;
}

static struct leave play_absorb(struct actor *actor, const struct statement *s, sheaf_group *group)
{
    struct leave leave = play_block(actor, &s->first, group);
    if (leave.how != IS_CANCELLED) {
        return leave;
    }
    actor_log(actor, "absorbed");
    return goes_on;
}

static struct leave play_timeout(struct actor *actor, const struct statement *s, sheaf_group *group)
{
    sheaf_timeout scope = {{0}};
    int status = sheaf_timeout_begin(&scope, SHEAF_MS(s->number), 0);
    if (status != SHEAF_OK) {
        return leave_by(status);
    }
    struct leave leave = play_block(actor, &s->first, group);
    status = sheaf_timeout_end(&scope, leave_status(&leave));
    return leave.how == IS_CANCELLED ? leave_by(status) : leave;
}

/* A `return` is no failure of the block, but the failures of members win over it. */
static struct leave play_group(struct actor *actor, const struct statement *s)
{
    sheaf_group group;
    int status = sheaf_group_open(&group, NULL);
    if (status != SHEAF_OK) {
        return leave_by(status);
    }
    struct leave leave = play_block(actor, &s->first, &group);
    sheaf_error *error = NULL;
    status = sheaf_group_close_error(&group, leave_status(&leave), &error);
    if (leave.how == GIVES_UP || (leave.how == RETURNS && status == SHEAF_OK)) {
        sheaf_error_release(error);
        return leave;
    }
    leave_drop(&leave);
    return leave_by_error(status, error);
}

static struct leave play_statement(struct actor *actor, const struct statement *s,
                                   sheaf_group *group)
{
    if (!play_goes_on(actor->play)) {
        return gives_up;
    }
    switch (s->verb) {
    case VERB_REPEAT:
        return play_repeat(actor, s, group);
    case VERB_TRY:
        return play_try(actor, s, group);
    case VERB_GUARD:
        return play_guard(actor, s, group);
    case VERB_ABSORB:
        return play_absorb(actor, s, group);
    case VERB_TIMEOUT:
        return play_timeout(actor, s, group);
    case VERB_GROUP:
        return play_group(actor, s);
    default:
        return step_play(actor, s, group);
    }
}

static struct leave play_block(struct actor *actor, const struct block *block, sheaf_group *group)
{
    struct leave leave = goes_on;
    for (size_t i = 0; i < block->count && leave.how == GOES_ON; i++) {
        leave = play_statement(actor, &block->statements[i], group);
    }
    return leave;
}

int play_body(void *arg, sheaf_value *result)
{
    struct actor *actor = arg;
    actor_log(actor, "start");
    struct leave leave = play_block(actor, &actor->body->block, NULL);
    struct text outcome = {0};
    leave_write(&leave, &outcome);
    actor_log_text(actor, "end ", &outcome);
    text_free(&outcome);
    result->i64 = leave.value;
    int status = leave_status(&leave);
    leave_drop(&leave);
    return status;
}
