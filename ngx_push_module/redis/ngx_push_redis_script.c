
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_sha1.h>

#include "ngx_push_redis_script.h"
#include "ngx_push_redis_script_log.h"


/*
 * For Redis 6.2 or later, or Valkey.  The rights that they need:
 *
 *     +eval +evalsha +info +time +hmget +hget +hset +hdel +get +set +del +xlen
 *     +xadd +xrange +xdel +xtrim +xinfo|stream +pexpireat +persist +publish
 *     ~<prefix>:* &<prefix>:*
 *
 * All that is asked for comes before the first write, and the first write is
 * one that Redis refuses when its memory is full: none is half done.
 */


static void ngx_push_redis_script_hash(ngx_push_redis_script_t *script);


ngx_push_redis_script_t  ngx_push_redis_script_publish = {
    "publish",
    ngx_string(
    NGX_PUSH_REDIS_SCRIPT_LOG
    "local flags, message = ARGV[4], not string.find(ARGV[4], 'n', 1, true)\n"
    "local ttl, topic, size = tonumber(ARGV[8]), ARGV[9], tonumber(ARGV[10])\n"
    "local count, age_max = tonumber(ARGV[11]), tonumber(ARGV[12])\n"
    "local idle, blob = tonumber(ARGV[14]), ARGV[15]\n"
    "\n"
    "local function is(flag)\n"
    "    return string.find(flags, flag, 1, true)\n"
    "end\n"
    "\n"
    "if is('k') then\n"
    "    local first = call('GET', KEYS[4])\n"
    "    if first then\n"
    "        return { 1, unpack(numbers(first)) }\n"
    "    end\n"
    "end\n"
    "\n"
    "local l = ch or { life = 0, term = 0, last = 0, time = 0, sealed = 0 }\n"
    "\n"
    "if l.sealed == 1 then\n"
    "    return { 2, l.life, l.term, l.last, 0, l.time, 0 }\n"
    "end\n"
    "\n"
    "if is('f') and l.last > 0 or is('s') and l.last == 0\n"
    "   or is('m') and (l.last == 0 or l.life ~= tonumber(ARGV[5])\n"
    "                   or l.term ~= tonumber(ARGV[6])\n"
    "                   or l.last ~= tonumber(ARGV[7]))\n"
    "then\n"
    "    return { 3, l.life, l.term, l.last, 0, l.time, 0 }\n"
    "end\n"
    "\n"
    "-- the master itself is asked: a pod may not know its new id, as the one\n"
    "-- it takes with its first replica; two pods would begin terms by turns\n"
    "local function given()\n"
    "    local id = match(call('INFO', 'replication'),\n"
    "                     'master_replid:(%x%x%x%x%x%x)')\n"
    "    local term = id and tonumber(id, 16) or 0\n"
    "    return term > 0 and string.format('%d', term) or ARGV[2]\n"
    "end\n"
    "\n"
    "-- the last term and its first number; another master begins a new one\n"
    "local function lineage()\n"
    "    local raw, list = match(ch.terms, '^(%d+) (.*)$')\n"
    "    local now_raw = raw == ARGV[2] and raw or given()\n"
    "    if raw == now_raw then\n"
    "        local term, began = match(list, '(%d+) (%d+)$')\n"
    "        return tonumber(term), tonumber(began)\n"
    "    end\n"
    "    local n, known = numbers(list), {}\n"
    "    for i = 1, #n, 2 do\n"
    "        known[n[i]] = true\n"
    "    end\n"
    "    local term = tonumber(now_raw)\n"
    "    while known[term] do\n"
    "        term = term % 16777215 + 1\n"
    "    end\n"
    "    n[#n + 1], n[#n + 2] = term, ch.last + 1\n"
    "    ch.terms = now_raw .. ' '\n"
    "               .. table.concat(n, ' ', math.max(1, #n - 15))\n"
    "    return term, ch.last + 1\n"
    "end\n"
    "\n"
    "local old = topic ~= '' and call('HGET', topics, topic)\n"
    "\n"
    "local failed\n"
    "\n"
    "if ch then\n"
    "    check(true)\n"
    "else\n"
    "    failed = create(tonumber(ARGV[3]), 0, ARGV[2], idle)\n"
    "end\n"
    "\n"
    "if failed then\n"
    "    return failed\n"
    "end\n"
    "\n"
    "ch.count, ch.ttl, ch.max = count, age_max, tonumber(ARGV[13])\n"
    "ch.span = 0\n"
    "\n"
    "if idle > 0 and (count == 0 or age_max > 0) then\n"
    "    ch.span = (count > 0 and age_max or 0) + idle + 600000\n"
    "end\n"
    "\n"
    "local stored = message and count > 0 and not is('0')\n"
    "local time = message and math.max(now, ch.time) or now\n"
    "local ends = ttl > 0 and time + ttl * 1000 or 0\n"
    "local terms = ch.terms\n"
    "local term, began = lineage()\n"
    "\n"
    "-- the first write\n"
    "if stored then\n"
    "    for try = 1, 2 do\n"
    "        local r = redis.pcall('XADD', stream, ch.last + 1 .. '-0', 'h',\n"
    "            string.format('%d %d %d %d ', term, time, ends, size)\n"
    "            .. topic, 'b', blob)\n"
    "        if type(r) ~= 'table' then\n"
    "            break\n"
    "        end\n"
    "        local below = string.find(r.err, 'equal or smaller', 1, true)\n"
    "        if try == 2 or not below then\n"
    "            return r\n"
    "        end\n"
    "        ch.terms = terms\n"
    "        check(false)\n"
    "        term, began = lineage()\n"
    "    end\n"
    "end\n"
    "\n"
    "local fresh = ch.kept == 0 or topic ~= ''\n"
    "\n"
    "if message then\n"
    "    ch.last, ch.term, ch.time = ch.last + 1, term, time\n"
    "end\n"
    "\n"
    "if is('e') then\n"
    "    ch.sealed = 1\n"
    "end\n"
    "\n"
    "if stored then\n"
    "    ch.oldest = ch.kept > 0 and ch.oldest or time\n"
    "    ch.kept, ch.bytes = ch.kept + 1, ch.bytes + size\n"
    "    if ends > 0 and (ch.due == 0 or ends < ch.due) then\n"
    "        ch.due = ends\n"
    "    end\n"
    "else\n"
    "    if message and not is('0') then\n"
    "        ch.floor = ch.last\n"
    "    end\n"
    "    failed = save()\n"
    "    if failed then\n"
    "        return failed\n"
    "    end\n"
    "end\n"
    "\n"
    "-- RFC 8030, 5.4: only the newest message of a topic is kept\n"
    "if old then\n"
    "    local n = numbers(old)\n"
    "    if call('XDEL', stream, n[1] .. '-0') == 1 then\n"
    "        leave(n[1], n[2], '')\n"
    "    end\n"
    "end\n"
    "\n"
    "if stored and topic ~= '' then\n"
    "    call('HSET', topics, topic, ch.last .. ' ' .. size)\n"
    "elseif old then\n"
    "    call('HDEL', topics, topic)\n"
    "end\n"
    "\n"
    "trim()\n"
    "expire(1)\n"
    "\n"
    "local command, all = keep(fresh)\n"
    "\n"
    "save()\n"
    "clean()\n"
    "age(command, all)\n"
    "\n"
    "local nodes = announce(message and 'm' or 'e', term, began, time, blob)\n"
    "\n"
    "if not message and ch.last > 0 then\n"
    "    term = ch.term\n"
    "end\n"
    "\n"
    "if is('k') then\n"
    "    call('SET', KEYS[4], string.format('%d %d %d %d %d %d', ch.life,\n"
    "         term, ch.last, nodes, time, began), 'PX', 300000)\n"
    "end\n"
    "\n"
    "return { 0, ch.life, term, ch.last, nodes, time, began }\n"
    ),
    ""
};


ngx_push_redis_script_t  ngx_push_redis_script_read = {
    "read",
    ngx_string(
    NGX_PUSH_REDIS_SCRIPT_LOG
    "local after, left, bytes = unpack(numbers(table.concat({ ARGV[3],\n"
    "    ARGV[4], ARGV[5] }, ' ')))\n"
    "\n"
    "if ch then\n"
    "    check(true)\n"
    "elseif ARGV[2] == '' then\n"
    "    return false\n"
    "else\n"
    "    local idle = tonumber(ARGV[6])\n"
    "    local failed = create(tonumber(ARGV[2]), 0, ARGV[1], idle)\n"
    "    if failed then\n"
    "        return failed\n"
    "    end\n"
    "end\n"
    "\n"
    "trim()\n"
    "expire(32)\n"
    "\n"
    "local command, all = keep(false)\n"
    "\n"
    "-- with memory full, it is read all the same\n"
    "if not save() then\n"
    "    clean()\n"
    "    age(command, all)\n"
    "end\n"
    "\n"
    "local entries, oldest, at = {}, 0, cut\n"
    "\n"
    "while ch.kept > 0 and oldest == 0 do\n"
    "    local entry = page(at, 1)[1]\n"
    "    if not entry then\n"
    "        break\n"
    "    end\n"
    "    local seq, _, _, ends = head(entry)\n"
    "    if ends == 0 or ends > now then\n"
    "        oldest = seq\n"
    "    end\n"
    "    at = seq\n"
    "end\n"
    "\n"
    "after = math.max(after, cut)\n"
    "\n"
    "while ch.kept > 0 and left > 0 do\n"
    "    local n = fit(left, math.max(bytes, 0))\n"
    "    local list = page(after, n)\n"
    "    for _, entry in ipairs(list) do\n"
    "        local seq, term, time, ends = head(entry)\n"
    "        local blob = entry[2][4]\n"
    "        after = seq\n"
    "        if ends == 0 or ends > now then\n"
    "            if #entries > 0 and #blob > bytes then\n"
    "                left = 0\n"
    "                break\n"
    "            end\n"
    "            local m = #entries\n"
    "            entries[m + 1], entries[m + 2] = seq, term\n"
    "            entries[m + 3], entries[m + 4] = time, blob\n"
    "            bytes, left = bytes - #blob, left - 1\n"
    "        end\n"
    "    end\n"
    "    if #list < n then\n"
    "        break\n"
    "    end\n"
    "end\n"
    "\n"
    "local terms = numbers(ch.terms)\n"
    "\n"
    "table.remove(terms, 1)\n"
    "\n"
    "return { ch.life, terms[#terms - 1], ch.last, ch.term, ch.floor,\n"
    "         ch.sealed, ch.created, ch.time, ch.deleted, ch.kept, ch.bytes,\n"
    "         oldest, now, terms, entries }\n"
    ),
    ""
};


ngx_push_redis_script_t  ngx_push_redis_script_delete = {
    "delete",
    ngx_string(
    NGX_PUSH_REDIS_SCRIPT_LOG
    "if not ch then\n"
    "    return false\n"
    "end\n"
    "\n"
    "local old, life = ch.life, tonumber(ARGV[3])\n"
    "\n"
    "if life == old then\n"
    "    life = life % 16777215 + 1\n"
    "end\n"
    "\n"
    "local failed = create(life, old, ARGV[2], tonumber(ARGV[4]))\n"
    "\n"
    "if failed then\n"
    "    return failed\n"
    "end\n"
    "\n"
    "local command, all = keep(false)\n"
    "\n"
    "save()\n"
    "age(command, all)\n"
    "\n"
    "local nodes = announce('d', tonumber(ARGV[2]), 1, now, tostring(old))\n"
    "\n"
    "return { 1, nodes, life }\n"
    ),
    ""
};


void
ngx_push_redis_script_init(void)
{
    ngx_push_redis_script_hash(&ngx_push_redis_script_publish);
    ngx_push_redis_script_hash(&ngx_push_redis_script_read);
    ngx_push_redis_script_hash(&ngx_push_redis_script_delete);
}


static void
ngx_push_redis_script_hash(ngx_push_redis_script_t *script)
{
    u_char      sha1[20];
    ngx_sha1_t  ctx;

    ngx_sha1_init(&ctx);
    ngx_sha1_update(&ctx, script->text.data, script->text.len);
    ngx_sha1_final(sha1, &ctx);

    ngx_hex_dump(script->sha1, sha1, sizeof(sha1));
}
