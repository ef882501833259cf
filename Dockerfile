# The demo as an image: Debian's NGINX, the module, and nothing else.
#
#   docker build -t ngx-push . && docker run --rm -p 8080:8080 ngx-push

ARG BASE=debian:bookworm-slim


FROM ${BASE} AS build

RUN apt-get update \
    && apt-get install -y --no-install-recommends \
       gcc libc6-dev libhiredis-dev libjansson-dev make nginx-dev \
    && rm -rf /var/lib/apt/lists/*

COPY Makefile config /module/
COPY util/exports /module/util/exports
COPY ngx_push_module /module/ngx_push_module

RUN make -C /module && strip --strip-debug /module/build/ngx_push_module.so


FROM ${BASE}

RUN apt-get update \
    && apt-get install -y --no-install-recommends \
       libhiredis0.14 libjansson4 nginx \
    && rm -rf /var/lib/apt/lists/* /var/www /etc/nginx/modules-enabled/*

COPY --from=build /module/build/ngx_push_module.so /srv/push/modules/
COPY conf-examples/demo.conf /srv/push/nginx.conf
COPY demo /srv/push/demo
COPY clients /srv/push/clients

# www-data writes its pid and temporary files, and nothing else
RUN chmod -R a+rX /srv/push \
    && mkdir /srv/push/logs \
    && ln -s /dev/stderr /srv/push/logs/error.log \
    && ln -s /dev/stdout /srv/push/logs/access.log \
    && chown www-data:www-data /srv/push /srv/push/logs

USER www-data
WORKDIR /srv/push
EXPOSE 8080
STOPSIGNAL SIGQUIT

CMD ["/usr/sbin/nginx", "-p", "/srv/push/", "-c", "nginx.conf", \
     "-e", "stderr", "-g", "daemon off;"]
