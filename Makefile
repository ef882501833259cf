#
# make            builds build/ngx_push_module.so for the installed NGINX
# make help       the other things there are to make
#
# BUILD=release|debug|asan|cover is the flavour; each has its folder in build/.
#

BUILD ?= release
T     ?=
JOBS  ?= 3
FUZZ_SECONDS ?= 60

SHELL  = /bin/bash
CLANG ?= clang
B     := $(CURDIR)/build
O     := $(B)/$(BUILD)
FILES := $(sort $(wildcard ngx_push_module/*/*.[ch]))


# the module

WARN          = -Wextra -Wshadow -Wno-unused-parameter
CFLAGS_release = -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS_debug  = -O0 -DNGX_PUSH_DEBUG=1
CFLAGS_cover  = -O0 -DNGX_PUSH_DEBUG=1 --coverage
CFLAGS_asan   = -O1 -DNGX_PUSH_DEBUG=1 -DNGX_DEBUG_PALLOC=1 \
                -fno-omit-frame-pointer -fsanitize=address,undefined
LDFLAGS_release = -Wl,-z,relro -Wl,-z,now
LDFLAGS_cover = --coverage
LDFLAGS_asan  = -fsanitize=address,undefined -Wl,-z,nodelete

ifeq ($(BUILD),asan)
NGINX     = $(B)/nginx-asan/nginx
NGINX_SRC = $(B)/source/nginx
NGINX_CONF = $(B)/nginx-asan/conf_flags
else
NGINX     = /usr/sbin/nginx
NGINX_SRC = /usr/share/nginx/src
NGINX_CONF = $(NGINX_SRC)/conf_flags
endif


.DELETE_ON_ERROR:
.PHONY: all help test test-kept asan asan-build test-asan chaos unit lint \
        fuzz fuzz-build bench bench-full bench-build cover compdb clean \
        distclean FORCE

all: $(O)/ngx_push_module.so    ## the module (default); BUILD=debug|asan|cover

help:    ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' Makefile \
	    | awk -F'\t' '{ printf "make %-12s %s\n", $$1, $$2 }'

$(O)/ngx_push_module.so: $(O)/configured FORCE
	@flock $(O)/lock $(MAKE) -s -C $(NGINX_SRC) -f $(O)/objs/Makefile modules
	@cmp -s $(O)/objs/ngx_push_module.so $@ \
	    || { cp $(O)/objs/ngx_push_module.so $@.new && mv $@.new $@; }
ifeq ($(BUILD),release)
	@cmp -s $@ $(B)/ngx_push_module.so \
	    || { cp $@ $(B)/so.new && mv $(B)/so.new $(B)/ngx_push_module.so; }
endif

$(O)/configured: config Makefile $(O)/files $(NGINX_CONF)
	@echo "configure: $(BUILD)"
	@. $(NGINX_CONF) && cd $(NGINX_SRC) \
	    && flock $(O)/lock rm -rf $@ $(O)/objs && flock $(O)/lock ./configure \
	    "$${NGX_CONF_FLAGS[@]}" \
	    --with-cc-opt="-g -fPIC $(CFLAGS_$(BUILD)) $(WARN) $(CFLAGS)" \
	    --with-ld-opt="-fPIC $(LDFLAGS_$(BUILD)) $(LDFLAGS)" \
	    --add-dynamic-module=$(CURDIR) --builddir=$(O)/objs \
	    > $(O)/configure.log || { tail -n 20 $(O)/configure.log; exit 1; }
	@touch $@

# configure again for other files, or another NGINX
$(O)/files: FORCE
	@mkdir -p $(O)
	@{ echo $(FILES); grep -s 'define NGINX_VER' $(NGINX_SRC)/src/core/nginx.h; } \
	    > $@.$$$$; cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@


# tests against a running NGINX

SUITE = $(filter %.t,$(or $(T),$(wildcard t/*.t)))

# one test alone is shown as it runs
VERBOSE = $(if $(T),$(if $(word 2,$(1)),,-v))

test: all    ## t/*.t, or T=t/x.t; JOBS=3 at once
	@$(if $(SUITE),PUSH_NGINX=$(NGINX) PUSH_MODULE=$(O)/ngx_push_module.so \
	    prove -It/lib --timer -j$(JOBS) $(call VERBOSE,$(SUITE)) \
	    $(SUITE),echo "no t/*.t")

test-kept: all    ## the same with "push_hibernate off"; T=t/x.t
	@PUSH_HIBERNATE=off $(MAKE) --no-print-directory test

asan: asan-build test-asan    ## NGINX and the module under ASan and UBSan: build, test

asan-build: $(B)/nginx-asan/nginx    ## only build them
	@$(MAKE) --no-print-directory BUILD=asan all

test-asan: asan-build    ## only test them; T=t/x.t
	@PUSH_ASAN=1 $(MAKE) --no-print-directory BUILD=asan test

chaos: all asan-build    ## pods and Redis under faults; PUSH_ROUNDS=40 of each
	@for asan in '' 1; do \
	    PUSH_ASAN=$$asan PUSH_ROUNDS=$${PUSH_ROUNDS:-40} $(MAKE) \
	    --no-print-directory $${asan:+BUILD=asan} test \
	    T=t/redis_property.t || exit 1; done

$(B)/nginx-asan/conf_flags: $(B)/nginx-asan/nginx

$(B)/nginx-asan/nginx: | $(B)/source/nginx
	@echo "NGINX under AddressSanitizer: about a minute, once"
	@flock $(B)/source/lock util/nginx-build asan $(B)/source/nginx $(@D)

$(B)/source/nginx:
	@mkdir -p $(@D)
	@flock $(@D)/lock bash -c '[ -e $@ ] || util/nginx-source $(@D)' \
	    > $(@D)/log 2>&1 || { cat $(@D)/log; exit 1; }


$(B)/source/nginx/%: | $(B)/source/nginx ;


# unit tests and fuzzers: our objects, NGINX's own, no server

U      = $(B)/unit
LIB    = $(B)/nginx-unit/libnginx.a
CORE   = $(filter-out %/ngx_push_module.c,$(wildcard ngx_push_module/core/*.c))
CODEC  = $(wildcard ngx_push_module/codec/*.c)
UNITS  = $(patsubst t/unit/%.c,$(U)/%,$(filter t/unit/%.c,$(or $(T),\
         $(wildcard t/unit/*.c))))
FUZZERS = $(patsubst t/fuzz/%.c,$(U)/fuzz/%,$(filter t/fuzz/%.c,$(or $(T),\
         $(wildcard t/fuzz/*.c))))

# in a crash_* program the hooks of t/unit/crash.h see every store
SHARED = $(patsubst %,$(U)/crash/ngx_%.o,rbtree string slab shmtx crc32)

UNIT_CFLAGS = -g -O1 -MMD -MP -fno-omit-frame-pointer -Wall $(WARN) -Werror \
              -DNGX_PUSH_DEBUG=1 -DNGX_DEBUG_PALLOC=1 -It/unit \
              -Ingx_push_module/core -Ingx_push_module/codec \
              -Ingx_push_module/redis \
              $(addprefix -isystem $(B)/source/nginx/src/,core event \
              event/modules os/unix) -isystem $(B)/nginx-unit/objs
SANITIZE    = -fsanitize=address,undefined -fno-sanitize-recover=all
STORES      = -fsanitize=thread -U__SANITIZE_THREAD__
WRAP        = -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset
UNIT_LIBS   = $(LIB) -Wl,--as-needed -ljansson -lpcre2-8 -lssl \
              -lcrypto -lz -lcrypt -ldl -lpthread -lm

unit: $(UNITS)    ## C tests of core/, codec/, redis/, or T=t/unit/x.c
	@$(if $(UNITS),prove --timer -j$(JOBS) $(call VERBOSE,$(UNITS)) -e '' \
	    $(UNITS),echo "no t/unit/*.c")

fuzz: fuzz-build    ## t/fuzz/*.c, FUZZ_SECONDS=60 each; T=t/fuzz/x.c
	@printf '%s\n' $(FUZZERS) \
	    | xargs -r -n 1 -P $$(nproc) util/fuzz $(FUZZ_SECONDS)

fuzz-build: $(FUZZERS)    ## only build them

$(LIB): | $(B)/source/nginx
	@echo "NGINX's objects for unit tests: some seconds, once"
	@flock $(B)/source/lock util/nginx-build unit $(B)/source/nginx $(@D)

$(U)/obj/%.o: ngx_push_module/%.c Makefile | $(LIB)
	@mkdir -p $(@D)
	@$(CLANG) $(UNIT_CFLAGS) $(SANITIZE) -c $< -o $@

$(U)/fuzz-obj/%.o: ngx_push_module/%.c Makefile | $(LIB)
	@mkdir -p $(@D)
	@$(CLANG) $(UNIT_CFLAGS) $(SANITIZE) -fsanitize=fuzzer-no-link -c $< -o $@

$(U)/crash/%.o: ngx_push_module/%.c Makefile | $(LIB)
	@mkdir -p $(@D)
	@$(CLANG) $(UNIT_CFLAGS) $(STORES) -c $< -o $@

$(SHARED): $(U)/crash/%.o: Makefile | $(LIB)
	@mkdir -p $(@D)
	@$(CLANG) $(UNIT_CFLAGS) -w $(STORES) -c $(B)/source/nginx/src/core/$*.c -o $@

# the words of codec/ stand alone; so do their tests
$(filter $(U)/codec_%,$(UNITS)): $(U)/%: t/unit/%.c \
    $(CODEC:ngx_push_module/%.c=$(U)/obj/%.o) Makefile
	@$(CLANG) $(UNIT_CFLAGS) $(SANITIZE) -o $@ $(filter %.c %.o,$^) $(UNIT_LIBS)

# redis_x is a test of ngx_push_redis_x.c alone
$(filter $(U)/redis_%,$(UNITS)): $(U)/%: t/unit/%.c $(U)/obj/redis/ngx_push_%.o \
    Makefile
	@$(CLANG) $(UNIT_CFLAGS) $(SANITIZE) -o $@ $(filter %.c %.o,$^) $(UNIT_LIBS)

$(filter $(U)/crash_%,$(UNITS)): $(U)/%: t/unit/%.c $(SHARED) \
    $(CORE:ngx_push_module/%.c=$(U)/crash/%.o) \
    $(CODEC:ngx_push_module/%.c=$(U)/crash/%.o) Makefile
	@$(CLANG) $(UNIT_CFLAGS) $(WRAP) -o $@ $(filter %.c %.o,$^) $(UNIT_LIBS)

$(filter-out $(patsubst %,$(U)/%_%,codec crash redis),$(UNITS)): $(U)/%: t/unit/%.c \
    $(CORE:ngx_push_module/%.c=$(U)/obj/%.o) \
    $(CODEC:ngx_push_module/%.c=$(U)/obj/%.o) Makefile
	@$(CLANG) $(UNIT_CFLAGS) $(SANITIZE) -o $@ $(filter %.c %.o,$^) $(UNIT_LIBS)

$(FUZZERS): $(U)/fuzz/%: t/fuzz/%.c \
    $(CODEC:ngx_push_module/%.c=$(U)/fuzz-obj/%.o) \
    $(U)/fuzz-obj/core/ngx_push_id.o Makefile
	@mkdir -p $(@D)
	@$(CLANG) $(UNIT_CFLAGS) $(SANITIZE) -fsanitize=fuzzer -o $@ \
	    $(filter %.c %.o,$^) $(UNIT_LIBS)

-include $(wildcard $(U)/*.d $(U)/*/*.d $(U)/*/*/*.d)


# the rest

lint:    ## style, layers, names, documentation, scripts
	@util/lint

bench: all bench-build    ## beside a bare server and Nchan; ROUNDS=3 RUNS=...
	@bench/run $(RUNS)

bench-full: all bench-build    ## all of it, and 100,000 subscribers: half an hour
	@FULL=1 bench/run
	@bench/instructions
	@bench/zone
	@bench/many

bench-build: $(B)/bench/push-bench $(B)/bench/bare    ## only build its programs

$(B)/bench/push-bench: $(sort $(wildcard bench/*.[ch])) Makefile
	@mkdir -p $(@D)
	@$(BENCH_CC) -o $@.$$$$ $(filter %.c,$^) -lssl -lcrypto -lz \
	    && mv $@.$$$$ $@

$(B)/bench/bare: $(sort $(wildcard bench/bare/*.[ch])) Makefile
	@mkdir -p $(@D)
	@$(BENCH_CC) -o $@.$$$$ $(filter %.c,$^) -lcrypto && mv $@.$$$$ $@

BENCH_CC = $(CC) -g -O2 -std=gnu11 -Wall -Wextra -Wshadow -Werror

cover:    ## line coverage of the suite, worst files first
	@$(MAKE) --no-print-directory BUILD=cover all
	@find $(B)/cover -name '*.gcda' -delete
	@-PUSH_COVER=1 $(MAKE) --no-print-directory BUILD=cover test
	@util/cover $(B)/cover

compdb: all    ## compile_commands.json
	@util/compdb $(NGINX_SRC) $(O)/objs/Makefile > compile_commands.json

clean:    ## all that was built from our files
	@rm -rf compile_commands.json $(addprefix $(B)/,release debug asan cover \
	    unit bench js ngx_push_module.so)

distclean: clean    ## and the NGINX that was built for tests
	@rm -rf $(B)
