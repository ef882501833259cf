
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_REDIS_SCRIPT_LOG_H_INCLUDED_
#define _NGX_PUSH_REDIS_SCRIPT_LOG_H_INCLUDED_


/*
 * What all scripts begin with: the log of a channel as Redis has it.
 *
 * The metadata: "life" is the nonce, when the life began, the life deleted
 * before it; "log" and "rules" are as save() writes them; "terms" is the last
 * term as it was given, then each term and its first number.  An entry is
 * <number>-0, with its head "h" and its blob "b".  A topic has the number and
 * the size of its message.
 *
 * "floor" is the highest number that is not kept for any reason but its own
 * TTL or a newer message of its topic.
 */

#define NGX_PUSH_REDIS_SCRIPT_LOG                                             \
    "local call, match = redis.call, string.match\n"                          \
    "local meta, stream, topics = KEYS[1], KEYS[2], KEYS[3]\n"                \
    "local clock = call('TIME')\n"                                            \
    "local now = clock[1] * 1000 + math.floor(clock[2] / 1000)\n"             \
    "local ch, cut, dead, covered = nil, 0, {}, {}\n"                         \
    "\n"                                                                      \
    "local function numbers(text)\n"                                          \
    "    local n = {}\n"                                                      \
    "    for word in string.gmatch(text, '%d+') do\n"                         \
    "        n[#n + 1] = tonumber(word)\n"                                    \
    "    end\n"                                                               \
    "    return n\n"                                                          \
    "end\n"                                                                   \
    "\n"                                                                      \
    "local function load()\n"                                                 \
    "    local v = call('HMGET', meta, 'life', 'log', 'rules', 'terms')\n"    \
    "    if not (v[1] and v[2] and v[3] and v[4]) then\n"                     \
    "        return\n"                                                        \
    "    end\n"                                                               \
    "    local five = '(%d+) (%d+) (%d+) (%d+) (%d+)'\n"                      \
    "    local life, created, deleted = match(v[1], '(%d+) (%d+) (%d+)')\n"   \
    "    local last, term, time, sealed, floor, kept, bytes, oldest, due,\n"  \
    "          seen, next = match(v[2], five .. ' ' .. five .. ' (%d+)')\n"   \
    "    local count, ttl, max, span, till = match(v[3], five)\n"             \
    "    ch = {\n"                                                            \
    "        life = life + 0, created = created + 0, deleted = deleted + 0,\n"\
    "        terms = v[4],\n"                                                 \
    "        -- the last message\n"                                           \
    "        last = last + 0, term = term + 0, time = time + 0,\n"            \
    "        sealed = sealed + 0, floor = floor + 0, kept = kept + 0,\n"      \
    "        bytes = bytes + 0, oldest = oldest + 0,\n"                       \
    "        -- own TTLs: the first may be over, seen up to, the next then\n" \
    "        due = due + 0, seen = seen + 0, next = next + 0,\n"              \
    "        -- span: of the keys from a use on, 0 for ever; till: as set\n"  \
    "        count = count + 0, ttl = ttl + 0, max = max + 0,\n"              \
    "        span = span + 0, till = till + 0,\n"                             \
    "        was = { v[2], v[3], v[4] }\n"                                    \
    "    }\n"                                                                 \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- the error if it is refused: before anything is taken away\n"          \
    "local function save()\n"                                                 \
    "    local log = string.format('%d %d %d %d %d %d %d %d %d %d %d',\n"     \
    "        ch.last, ch.term, ch.time, ch.sealed, ch.floor, ch.kept,\n"      \
    "        ch.bytes, ch.oldest, ch.due, ch.seen, ch.next)\n"                \
    "    local rules = string.format('%d %d %d %d %d',\n"                     \
    "        ch.count, ch.ttl, ch.max, ch.span, ch.till)\n"                   \
    "    local was, r = ch.was, nil\n"                                        \
    "    if not was then\n"                                                   \
    "        r = redis.pcall('HSET', meta, 'log', log, 'rules', rules,\n"     \
    "            'terms', ch.terms, 'life', string.format('%d %d %d',\n"      \
    "            ch.life, ch.created, ch.deleted))\n"                         \
    "    elseif was[2] ~= rules or was[3] ~= ch.terms then\n"                 \
    "        r = redis.pcall('HSET', meta, 'log', log, 'rules', rules,\n"     \
    "            'terms', ch.terms)\n"                                        \
    "    elseif was[1] ~= log then\n"                                         \
    "        r = redis.pcall('HSET', meta, 'log', log)\n"                     \
    "    end\n"                                                               \
    "    if type(r) == 'table' then\n"                                        \
    "        return r\n"                                                      \
    "    end\n"                                                               \
    "    ch.was = { log, rules, ch.terms }\n"                                 \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- a new life; entries without metadata would block it\n"                \
    "local function create(life, deleted, term, idle)\n"                      \
    "    ch = {\n"                                                            \
    "        life = life, created = now, deleted = deleted,\n"                \
    "        terms = term .. ' ' .. term .. ' 1',\n"                          \
    "        last = 0, term = 0, time = 0, sealed = 0,\n"                     \
    "        floor = 0, kept = 0, bytes = 0, oldest = 0,\n"                   \
    "        due = 0, seen = 0, next = 0, count = 0, ttl = 0, max = 0,\n"     \
    "        span = idle > 0 and idle + 600000 or 0, till = 0\n"              \
    "    }\n"                                                                 \
    "    local failed = save()\n"                                             \
    "    if not failed then\n"                                                \
    "        call('DEL', stream, topics)\n"                                   \
    "    end\n"                                                               \
    "    return failed\n"                                                     \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- entries were evicted, or are not ours: all of them are lost\n"        \
    "local function check(sure)\n"                                            \
    "    if sure and call('XLEN', stream) == ch.kept then\n"                  \
    "        return\n"                                                        \
    "    end\n"                                                               \
    "    local info = redis.pcall('XINFO', 'STREAM', stream)\n"               \
    "    for i = 1, info.err and 0 or #info, 2 do\n"                          \
    "        if info[i] == 'last-generated-id' then\n"                        \
    "            local top = tonumber(match(info[i + 1], '^%d+'))\n"          \
    "            ch.last = math.max(ch.last, top)\n"                          \
    "        end\n"                                                           \
    "    end\n"                                                               \
    "    ch.floor, ch.kept, ch.bytes, ch.oldest = ch.last, 0, 0, 0\n"         \
    "    ch.due, ch.seen, ch.next = 0, 0, 0\n"                                \
    "    if not save() then\n"                                                \
    "        call('DEL', stream, topics)\n"                                   \
    "    end\n"                                                               \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- number, term, time, end of its own TTL or 0, size, topic\n"           \
    "local function head(entry)\n"                                            \
    "    local term, time, ends, size, topic = match(entry[2][2],\n"          \
    "        '^(%d+) (%d+) (%d+) (%d+) (.*)$')\n"                             \
    "    return tonumber(match(entry[1], '^%d+')), tonumber(term),\n"         \
    "           tonumber(time), tonumber(ends), tonumber(size), topic\n"      \
    "end\n"                                                                   \
    "\n"                                                                      \
    "local function page(after, n)\n"                                         \
    "    local from = after > 0 and string.format('(%d-0', after) or '-'\n"   \
    "    return call('XRANGE', stream, from, '+', 'COUNT', n)\n"              \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- as many entries as have about these bytes\n"                          \
    "local function fit(n, bytes)\n"                                          \
    "    local most = math.floor(bytes * ch.kept / (ch.bytes + 1))\n"         \
    "    return math.min(n, 1 + most)\n"                                      \
    "end\n"                                                                   \
    "\n"                                                                      \
    "local function leave(seq, size, topic)\n"                                \
    "    ch.kept, ch.bytes = ch.kept - 1, ch.bytes - size\n"                  \
    "    if topic ~= '' then\n"                                               \
    "        covered[#covered + 1] = topic\n"                                 \
    "        covered[#covered + 1] = seq .. ' ' .. size\n"                    \
    "    end\n"                                                               \
    "end\n"                                                                   \
    "\n"                                                                      \
    "local function over()\n"                                                 \
    "    return ch.kept > 0 and (ch.kept > ch.count\n"                        \
    "           or ch.max > 0 and ch.bytes > ch.max\n"                        \
    "           or ch.ttl > 0 and ch.oldest + ch.ttl <= now)\n"               \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- the oldest ones, beyond the rules: up to \"cut\"\n"                   \
    "local function trim()\n"                                                 \
    "    local n = 1\n"                                                       \
    "    while over() do\n"                                                   \
    "        local entries = page(cut, n)\n"                                  \
    "        if #entries == 0 then\n"                                         \
    "            return\n"                                                    \
    "        end\n"                                                           \
    "        for _, entry in ipairs(entries) do\n"                            \
    "            local seq, _, time, ends, size, topic = head(entry)\n"       \
    "            ch.oldest = time\n"                                          \
    "            if not over() then\n"                                        \
    "                return\n"                                                \
    "            end\n"                                                       \
    "            leave(seq, size, topic)\n"                                   \
    "            cut = seq\n"                                                 \
    "            if ends == 0 or ends > now then\n"                           \
    "                ch.floor = math.max(ch.floor, seq)\n"                    \
    "            end\n"                                                       \
    "        end\n"                                                           \
    "        n = fit(64, 262144)\n"                                           \
    "    end\n"                                                               \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- those that outlived their own TTL, page by page: \"dead\"\n"          \
    "local function expire(pages)\n"                                          \
    "    while pages > 0 and ch.due > 0 and ch.due <= now do\n"               \
    "        local n = fit(32, 262144)\n"                                     \
    "        local entries = page(math.max(ch.seen, cut), n)\n"               \
    "        for _, entry in ipairs(entries) do\n"                            \
    "            local seq, _, _, ends, size, topic = head(entry)\n"          \
    "            ch.seen = seq\n"                                             \
    "            if ends > 0 and ends <= now then\n"                          \
    "                leave(seq, size, topic)\n"                               \
    "                dead[#dead + 1] = entry[1]\n"                            \
    "            elseif ends > 0 and (ch.next == 0 or ends < ch.next) then\n" \
    "                ch.next = ends\n"                                        \
    "            end\n"                                                       \
    "        end\n"                                                           \
    "        if #entries < n then\n"                                          \
    "            -- a long history is not gone through all the time\n"        \
    "            local pause = now + math.floor(ch.kept / 4)\n"               \
    "            ch.due = ch.next > 0 and math.max(ch.next, pause) or 0\n"    \
    "            ch.seen, ch.next = 0, 0\n"                                   \
    "        end\n"                                                           \
    "        pages = pages - 1\n"                                             \
    "    end\n"                                                               \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- takes away what trim() and expire() found\n"                          \
    "local function clean()\n"                                                \
    "    if cut > 0 then\n"                                                   \
    "        call('XTRIM', stream, 'MINID', cut + 1 .. '-0')\n"               \
    "    end\n"                                                               \
    "    if #dead > 0 then\n"                                                 \
    "        call('XDEL', stream, unpack(dead))\n"                            \
    "    end\n"                                                               \
    "    for i = 1, #covered, 2 do\n"                                         \
    "        if call('HGET', topics, covered[i]) == covered[i + 1] then\n"    \
    "            call('HDEL', topics, covered[i])\n"                          \
    "        end\n"                                                           \
    "    end\n"                                                               \
    "end\n"                                                                   \
    "\n"                                                                      \
    "-- the age of the keys, set anew when an eighth of it has passed\n"      \
    "local function keep(fresh)\n"                                            \
    "    local till = now + ch.span\n"                                        \
    "    local late = till + math.floor(ch.span / 8)\n"                       \
    "    if ch.span == 0 then\n"                                              \
    "        if ch.till ~= 0 then\n"                                          \
    "            ch.till = 0\n"                                               \
    "            return 'PERSIST', true\n"                                    \
    "        end\n"                                                           \
    "    elseif ch.till < till or ch.till > late then\n"                      \
    "        ch.till = late\n"                                                \
    "        return 'PEXPIREAT', true\n"                                      \
    "    elseif fresh then\n"                                                 \
    "        return 'PEXPIREAT', false\n"                                     \
    "    end\n"                                                               \
    "end\n"                                                                   \
    "\n"                                                                      \
    "local function age(command, all)\n"                                      \
    "    if command == 'PERSIST' then\n"                                      \
    "        call('PERSIST', meta)\n"                                         \
    "        call('PERSIST', stream)\n"                                       \
    "        call('PERSIST', topics)\n"                                       \
    "    elseif command then\n"                                               \
    "        if all then\n"                                                   \
    "            call('PEXPIREAT', meta, ch.till)\n"                          \
    "        end\n"                                                           \
    "        call('PEXPIREAT', stream, ch.till)\n"                            \
    "        call('PEXPIREAT', topics, ch.till)\n"                            \
    "    end\n"                                                               \
    "end\n"                                                                   \
    "\n"                                                                      \
    "local function announce(kind, term, began, time, blob)\n"                \
    "    return call('PUBLISH', ARGV[1],\n"                                   \
    "        string.format('1%s %d %d %d %d %d\\n', kind, ch.life, term,\n"   \
    "                      began, ch.last, time) .. blob)\n"                  \
    "end\n"                                                                   \
    "\n"                                                                      \
    "load()\n"


#endif /* _NGX_PUSH_REDIS_SCRIPT_LOG_H_INCLUDED_ */
