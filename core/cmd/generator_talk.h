/*
 * generator_talk - the words of the story: ids and names that follow from the seed, and the small events that its
 * beats are made of.  Only the generator's own files include this.
 */
#ifndef VERBATIM_CMD_GENERATOR_TALK_H
#define VERBATIM_CMD_GENERATOR_TALK_H

#include "cmd/generator_world.h"

enum id_kind { ID_TENANT, ID_TEAM, ID_CHANNEL, ID_AGENT, ID_CUSTOMER, ID_ARTICLE, ID_CATEGORY, ID_POLICY };

extern const char *const world_channels[CHANNELS], *const world_severities[4], *const world_tiers[4];

/* The n-th of a tenant's things: 64 bits of character, and an id. */
uint64_t world_trait(const struct generator *g, enum id_kind kind, int tenant, uint32_t number);
struct uuid world_id(const struct generator *g, enum id_kind kind, int tenant, uint32_t number);
const char *person_first_name(uint64_t trait);
const char *person_last_name(uint64_t trait);

uint64_t talk_customer_trait(const struct generator *g, const struct talk *k);
struct uuid talk_agent_id(const struct generator *g, const struct talk *k, int agent);
struct uuid talk_team_id(const struct generator *g, const struct talk *k, int team);
struct uuid talk_fresh_id(struct generator *g); /* version 7, of the moment */
uint8_t *talk_state(struct talk *k);            /* its customer's bits */
struct scene talk_scene(const struct talk *k);

/* The next beat, after half to one and a half times `seconds`; mail is slower. */
void talk_then(struct generator *g, struct talk *k, enum beat beat, int seconds);

/* Begins an event on the conversation itself, or on another entity in its context. */
void talk_begin(struct generator *g, const struct talk *k, const char *type, const char *actor, const struct uuid *actor_id, int64_t at);
void talk_begin_on(struct generator *g, const struct talk *k, const char *type, const struct uuid *entity, const char *actor,
		   const struct uuid *actor_id, int64_t at);

/* A payload field: one of the alternatives between `|`, its slots filled. */
void talk_text(struct generator *g, const struct talk *k, const char *key, const char *text);

/* Whole events.  talk_customer_writes tells whether the message will come late. */
bool talk_customer_writes(struct generator *g, struct talk *k, const char *text, bool loose);
void talk_we_write(struct generator *g, struct talk *k, bool ai, const char *text);
void talk_annotate(struct generator *g, struct talk *k);
void talk_assign(struct generator *g, struct talk *k, const char *by);
void talk_note(struct generator *g, struct talk *k);

#endif
