
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "core_check.h"


static ngx_push_zone_t  *zone;


static ngx_push_message_t *
create(size_t size, ngx_push_id_t *id)
{
    core_say_t           say;
    ngx_push_publish_t   p;
    ngx_push_message_t  *m;

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = size;
    core_render(&p, &say);

    m = ngx_push_message_create(&zone->sh->arena, &p);

    if (m) {
        m->seq = id->seq;
        ngx_push_message_identify(m, p.id, id);
    }

    free(p.bytes.data);

    return m;
}


static void
test_words(void)
{
    u_char               body[64];
    ngx_str_t            type, event, topic, user, word, other;
    ngx_push_publish_t   p;
    ngx_push_message_t  *m;

    zone = core_zone(256 * 1024, 2);

    ngx_memzero(&p, sizeof(ngx_push_publish_t));
    p.bytes.data = body;
    p.bytes.len = sizeof(body);
    p.content_type = core_str("text/plain");
    p.event = core_str("tick");
    p.topic = core_str("price");
    p.user = core_str("ann");
    p.text = 1;

    m = ngx_push_message_create(&zone->sh->arena, &p);
    ok(m != NULL, "created");

    ngx_push_message_words(m, &type, &event, &topic, &user);
    is_str(&type, "text/plain", "content type");
    is_str(&event, "tick", "event");
    is_str(&topic, "price", "topic");
    is_str(&user, "ann", "user");

    ngx_push_message_words(m, &word, &word, &topic, &word);
    is_str(&topic, "price", "the topic alone");

    other = core_str("prica");
    ok(!ngx_push_message_has_topic(m, &other), "another topic");
    ok(ngx_push_message_has_topic(m, &topic), "the topic");

    ngx_push_message_destroy(&zone->sh->arena, m);

    p.content_type.len = 0;
    p.content_type.data = NULL;
    p.event = p.content_type;
    p.topic = p.content_type;
    p.user = p.content_type;

    m = ngx_push_message_create(&zone->sh->arena, &p);
    ngx_push_message_words(m, &type, &event, &topic, &user);
    ok(type.len + event.len + topic.len + user.len == 0, "no words");
    ok(ngx_push_message_is_whole(m), "in one piece");

    ngx_push_message_destroy(&zone->sh->arena, m);
    core_is_whole(zone, "whole");
    core_zone_free(zone);
}


/* pieces of all sizes are left, none as large as the message */

static void
test_spanning(void)
{
    void                *blocks[2000];
    uint32_t             units, before;
    ngx_uint_t           i, n, made, parts, bad;
    ngx_push_id_t        id;
    ngx_push_message_t  *m;

    zone = core_zone(1024 * 1024, 2);
    units = core_free_units(zone->sh);

    id.epoch = 77;
    id.seq = 1;
    made = 0;
    parts = 0;
    bad = 0;

    for (n = 0; n < 400; n++) {

        for (i = 0; i < 2000; i++) {
            blocks[i] = ngx_push_block_alloc(&zone->sh->arena,
                                             32 + core_random(2000));
        }

        for (i = 0; i < 2000; i += 2) {
            if (blocks[i]) {
                ngx_push_block_free(&zone->sh->arena, blocks[i]);
            }
        }

        before = core_free_units(zone->sh);

        for (i = 0; i < 20; i++) {
            id.seq++;
            m = create(core_random(65536), &id);

            if (m == NULL) {
                break;
            }

            made++;
            parts += !ngx_push_message_is_whole(m);
            bad += (core_message(&zone->sh->arena, m, id.epoch) == 0);

            ngx_push_message_destroy(&zone->sh->arena, m);
            bad += (core_free_units(zone->sh) != before);
        }

        /* what does not fit leaves no trace */

        bad += (create(1024 * 1024, &id) != NULL);
        bad += (core_free_units(zone->sh) != before);

        for (i = 1; i < 2000; i += 2) {
            if (blocks[i]) {
                ngx_push_block_free(&zone->sh->arena, blocks[i]);
            }
        }

        bad += (core_free_units(zone->sh) != units);
    }

    is_int(bad, 0, "%lu messages, %lu of several blocks",
           (unsigned long) made, (unsigned long) parts);
    ok(parts > 1000, "enough of them");

    core_is_whole(zone, "whole");
    core_zone_free(zone);
}


int
main(void)
{
    core_init();
    core_seed();

    test_words();
    test_spanning();

    return done();
}
